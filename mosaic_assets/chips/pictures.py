"""Figures of a chip data set for people: where the splits lie, how classes are balanced. PNG bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mosaic_assets.chips.palette import SPLIT_COLOURS, class_colour, signature_of, split_style
from mosaic_assets.core.drawing import drawing

HOW: dict[str, Any] = {"dpi": 100, "metadata": {"Software": None}}
"""How figures are written: without the software's version, so that same chips give same bytes."""

MOST_OUTLINES = 20_000
"""Label outlines drawn on a map; more would be a blot."""


def split_map(chips: Any, *, labels: Any = None, attribution: str = "", synthetic: bool = False) -> bytes:
    """Draw chips on the ground, coloured and hatched by split.

    Parameters
    ----------
    chips
        GeoDataFrame with a column ``split`` and the chips' footprints, in degrees or metres.
    labels
        GeoSeries of label outlines in the same CRS; those near the chips are drawn thin, unless there are too many.
    attribution
        Of the imagery and the labels, written below.
    synthetic
        True: the picture says so.
    """
    splits = _in_order(chips["split"].unique())
    width, height = _figure_size(chips)
    with drawing(width, height, **HOW) as (figure, axes, finish):
        for split in splits:
            own = chips[chips["split"] == split]
            colour, hatch = split_style(split)
            _patches(axes, own.geometry, facecolor=colour, edgecolor="white", hatch=hatch, alpha=0.75, linewidth=0.4)
            axes.fill([], [], facecolor=colour, edgecolor="white", hatch=hatch, label=f"{split} ({len(own):,})")
        outlines = _outlines_near(labels, chips)
        if outlines is not None and len(outlines):
            _patches(axes, outlines, facecolor="none", edgecolor="black", linewidth=0.5)
            axes.plot([], [], color="black", linewidth=0.5, label=f"labels ({len(outlines):,})")
        geographic = chips.crs is None or chips.crs.is_geographic
        # A degree of longitude is shorter than one of latitude, by the cosine of the latitude.
        middle = float(np.mean(chips.total_bounds[[1, 3]])) if len(chips) else 0.0
        axes.set_aspect(1 / max(0.05, np.cos(np.radians(middle))) if geographic else 1, adjustable="box")
        _frame(axes, chips)
        axes.ticklabel_format(useOffset=False, style="plain")
        axes.tick_params(labelsize=7)
        axes.set_xlabel("longitude, degrees" if geographic else "x, metres", fontsize=8)
        axes.set_ylabel("latitude, degrees" if geographic else "y, metres", fontsize=8)
        figure.suptitle(f"{len(chips):,} chips by split", fontsize=10)
        if splits:
            figure.legend(loc="outside lower center", ncols=len(splits) + 1, fontsize=8, frameon=False)
        _sign(axes, attribution, synthetic)
        return finish(figure)


def class_balance(pixels: Mapping[str, Mapping[str, int]], *, attribution: str = "", synthetic: bool = False) -> bytes:
    """Draw the share of each class in each split, with the numbers of pixels.

    Parameters
    ----------
    pixels
        Pixels by split and class name, as counted in the label bands; ``"background"`` and ``"ignored"`` are drawn grey.
    """
    splits = _in_order(pixels)
    names = list(dict.fromkeys(name for split in splits for name in pixels[split]))
    names.sort(key=lambda name: (name == "ignored", name == "background"))
    classes = [name for name in names if name not in ("background", "ignored")]
    with drawing(7.2, 1.5 + 0.55 * max(1, len(splits)) + 0.1 * len(names), **HOW) as (figure, axes, finish):
        for split in splits:
            total, left = sum(pixels[split].values()), 0.0
            for name in names:
                count = pixels[split].get(name, 0)
                share = count / total if total else 0.0
                style = _class_style(name, classes)
                axes.barh(split, share, left=left, height=0.7, linewidth=0.6, **style)
                if share > 0.07:
                    text = f"{share:.1%}\n{_short(count)} px"
                    # White cloth under the figures: they cross dark and light bars.
                    cloth = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
                    axes.text(left + share / 2, split, text, ha="center", va="center", fontsize=7, bbox=cloth)
                left += share
        for name in names:
            axes.fill([], [], label=_with_small_shares(name, pixels, splits), **_class_style(name, classes))
        axes.invert_yaxis()
        axes.set(xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1])
        axes.set_xticklabels(["0", "25 %", "50 %", "75 %", "100 %"], fontsize=8)
        figure.suptitle("Pixels of each class, by split", fontsize=10)
        if names:
            figure.legend(loc="outside lower center", ncols=min(2, len(names)), fontsize=7, frameon=False)
        _sign(axes, attribution, synthetic)
        return finish(figure)


def _class_style(name: str, classes: Sequence[str]) -> dict[str, Any]:
    if name == "ignored":
        return {"facecolor": "#f2f2f2", "hatch": "////", "edgecolor": "#999999"}
    colour = "#bdbdbd" if name == "background" else class_colour(classes.index(name) + 1)
    return {"facecolor": colour, "edgecolor": "white"}


def _with_small_shares(name: str, pixels: Mapping[str, Mapping[str, int]], splits: Sequence[str]) -> str:
    """Name a class, with its share of each split where the bar is too thin to write on."""
    small = []
    for split in splits:
        total = sum(pixels[split].values())
        share = pixels[split].get(name, 0) / total if total else 0.0
        if 0 < share <= 0.07:
            small.append(f"{split} {share:.1%}")
    return f"{name} ({', '.join(small)})" if small else name


def _in_order(splits: Any) -> list[str]:
    """Return names of splits: the usual ones first, in their usual order."""
    usual = list(SPLIT_COLOURS)
    return sorted(map(str, splits), key=lambda name: (usual.index(name) if name in usual else len(usual), name))


def _short(count: int) -> str:
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k" if count >= 1e4 else f"{count:,}"


def _patches(axes: Any, shapes: Any, **style: Any) -> None:
    """Draw polygons, holes included, as one collection."""
    import shapely
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    parts = shapely.get_parts(np.asarray(shapes, dtype=object))
    paths = [
        Path.make_compound_path(
            *(Path(np.asarray(ring.coords)[:, :2], closed=True) for ring in (part.exterior, *part.interiors))
        )
        for part in parts
        if part.geom_type == "Polygon" and not part.is_empty
    ]
    axes.add_collection(PathCollection(paths, **style))


def _outlines_near(labels: Any, chips: Any) -> Any:
    """Return the labels that meet the box of the chips, or None when they would be a blot."""
    import shapely

    if labels is None or not len(chips):
        return None
    near = labels[labels.intersects(shapely.box(*chips.total_bounds))]
    return near if len(near) <= MOST_OUTLINES else None


def _frame(axes: Any, chips: Any) -> None:
    """Show the box of the chips with a margin: labels may reach far beyond it."""
    if not len(chips):
        return
    west, south, east, north = chips.total_bounds
    across, up = 0.04 * (east - west), 0.04 * (north - south)
    axes.set(xlim=(west - across, east + across), ylim=(south - up, north + up))


def _figure_size(chips: Any) -> tuple[float, float]:
    """Give a tall country a tall figure and a wide one a wide figure, within reason; inches."""
    if not len(chips):
        return 6.0, 4.0
    west, south, east, north = chips.total_bounds
    narrow = np.cos(np.radians((south + north) / 2)) if chips.crs is None or chips.crs.is_geographic else 1.0
    ratio = (north - south) / max((east - west) * max(narrow, 0.05), 1e-12)
    height = float(np.clip(5.8 * ratio + 1.2, 3.6, 7.5))
    return float(np.clip((height - 1.2) / max(ratio, 1e-12) + 1.2, 5.0, 7.2)), height


def _sign(axes: Any, attribution: str, synthetic: bool) -> None:
    # About 15 letters of this size fit on an inch.
    text = textwrap.fill(signature_of(attribution, synthetic), int(15 * axes.figure.get_figwidth()) - 8)
    axes.set_title(text, fontsize=7, color="#b00000" if synthetic else "black")
