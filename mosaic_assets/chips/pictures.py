"""Pictures of chips for people: where the splits lie, what the labels are drawn on, how classes are balanced. PNG bytes.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; splits differ in hatching as well.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.chips.leakage import IGNORE
from mosaic_assets.core.drawing import drawing
from mosaic_assets.errors import LabelError

HOW: dict[str, Any] = {"dpi": 100, "metadata": {"Software": None}}
"""How figures are written: without the software's version, so that same chips give same bytes."""

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

SPLIT_COLOURS = {"train": "#0072B2", "validation": "#E69F00", "test": "#CC3311"}
SPLIT_HATCHES = {"train": "", "validation": "....", "test": "////"}
OTHER_SPLIT = ("#888888", "xxxx")
CLASS_COLOURS = ("#F0E442", "#56B4E9", "#CC79A7", "#009E73", "#E69F00", "#D55E00", "#0072B2")
"""Of classes 1, 2, ...; begun anew after the last."""
GAP = 10
CAPTION = 34
LEGEND = 28
LINE = 16
MOST_OUTLINES = 20_000
"""Label outlines drawn on a map; more would be a blot."""


@dataclass(frozen=True, slots=True)
class ChipPicture:
    """A chip for a sheet.

    ``pixels`` has the shape (bands, rows, columns) and any real type; ``labels`` (rows, columns), integers, 0 background,
    `IGNORE` ignored.
    """

    chip_id: str
    split: str
    pixels: NDArray[Any]
    labels: NDArray[Any]


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
            colour, hatch = _split_style(split)
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


def overlay_sheet(
    chips: Sequence[ChipPicture],
    *,
    class_names: Mapping[int, str] | None = None,
    columns: int = 4,
    side: int = 224,
    attribution: str = "",
    synthetic: bool = False,
) -> bytes:
    """Lay chips out in a grid with their labels drawn over the imagery: outlines of classes, ignored pixels striped.

    Parameters
    ----------
    chips
        As many as shall be drawn; a dozen is a good number. None gives a sheet that says so.
    class_names
        Names of the classes, by label.
    columns, side
        Chips in a row, and the side of one, pixels.

    Raises
    ------
    LabelError
        Labels in another shape than the imagery.
    """
    from PIL import Image, ImageDraw

    across = max(1, min(columns, len(chips)))
    down = max(1, -(-len(chips) // across))
    width = max(420, across * (side + GAP) + GAP)
    signature = _wrapped(_signature(attribution, synthetic), width - 2 * GAP, 12)
    foot = LEGEND + LINE * len(signature)
    sheet = Image.new("RGB", (width, down * (side + CAPTION + GAP) + GAP + foot), "white")
    draw = ImageDraw.Draw(sheet)
    for index, chip in enumerate(chips):
        corner = GAP + index % across * (side + GAP), GAP + index // across * (side + CAPTION + GAP)
        sheet.paste(_with_labels(chip, side), corner)
        _caption(draw, chip, (corner[0], corner[1] + side + 2), side)
    if not chips:
        draw.text((GAP, GAP), "no chips", fill="black", font=_font(14))
    _legend(draw, chips, class_names or {}, (GAP, sheet.height - foot + 4))
    for number, line in enumerate(signature):
        y = sheet.height - foot + LEGEND + number * LINE
        draw.text((GAP, y), line, fill="#b00000" if synthetic else "black", font=_font(12))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def as_rgb(pixels: NDArray[Any], *, nodata: float | None = None) -> NDArray[np.uint8]:
    """Make a picture of some bands: 8-bit ones as they are, others stretched from the 2nd to the 98th percentile.

    Parameters
    ----------
    pixels
        Shape (bands, rows, columns). Three or more bands: the first three are red, green, blue; fewer: the first, grey.
    nodata
        Value to leave out of the stretch; NaN is left out anyhow.

    Returns
    -------
    uint8 of shape (rows, columns, 3)

    Examples
    --------
    >>> as_rgb(np.array([[[0.0, 50.0, 100.0]]]))[0, :, 0].tolist()
    [0, 127, 255]
    """
    bands = pixels[:3] if len(pixels) >= 3 else pixels[[0, 0, 0]]
    if bands.dtype != np.uint8:
        valid = np.isfinite(bands) if nodata is None else np.isfinite(bands) & (bands != nodata)
        low, high = np.percentile(bands[valid], [2, 98]) if valid.any() else (0.0, 1.0)
        scaled = (bands.astype(np.float64) - low) / max(float(high - low), 1e-9)
        bands = (np.clip(np.where(valid, scaled, 0), 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(bands, 0, 2))


def _with_labels(chip: ChipPicture, side: int) -> Picture:
    """Draw one chip: imagery, a thin veil and an outline over each class, stripes over what is ignored."""
    from PIL import Image

    if chip.labels.shape != chip.pixels.shape[1:]:
        raise LabelError(
            f"drawing chip {chip.chip_id} failed: its labels have the shape {chip.labels.shape}, its imagery "
            f"{chip.pixels.shape[1:]}; both must lie on the same pixels"
        )
    shrinks = max(chip.labels.shape) > side
    resampling = Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
    imagery = np.asarray(Image.fromarray(as_rgb(chip.pixels)).resize((side, side), resampling), np.float64)
    rows, columns = (np.arange(side) * size // side for size in chip.labels.shape)
    labels = chip.labels[np.ix_(rows, columns)]
    canvas = imagery.copy()
    for value in np.unique(labels[(labels != 0) & (labels != IGNORE)]).tolist():
        colour = _rgb(_class_colour(value))
        inside = labels == value
        canvas[inside] = 0.8 * canvas[inside] + 0.2 * colour
        canvas[_near(inside, 2) & ~inside] = 0  # a dark seam, so that light outlines show on light ground
        canvas[inside & ~_shrunk(inside)] = colour
    stripes = np.add.outer(np.arange(side), np.arange(side)) % 8 < 3
    canvas[(labels == IGNORE) & stripes] = 235
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def _near(inside: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return the pixels within some steps of a set, along rows and columns."""
    for _ in range(steps):
        wider = inside.copy()
        wider[1:] |= inside[:-1]
        wider[:-1] |= inside[1:]
        wider[:, 1:] |= inside[:, :-1]
        wider[:, :-1] |= inside[:, 1:]
        inside = wider
    return inside


def _shrunk(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~_near(~inside, 2)


def _caption(draw: Any, chip: ChipPicture, corner: tuple[int, int], side: int) -> None:
    positive = float(np.mean((chip.labels != 0) & (chip.labels != IGNORE)))
    ignored = float(np.mean(chip.labels == IGNORE))
    x, y = corner
    colour, _ = _split_style(chip.split)
    draw.rectangle((x, y + 2, x + 10, y + 12), fill=colour)
    facts = f"{chip.split}, {_percent(positive)} labelled" + (f", {_percent(ignored)} ignored" if ignored else "")
    draw.text((x + 15, y), facts, fill="black", font=_font(12))
    draw.text((x, y + 16), _shortened(chip.chip_id, side, 11), fill="#555555", font=_font(11))


def _percent(share: float) -> str:
    return "under 1%" if 0 < share < 0.01 else f"{share:.0%}"


def _legend(draw: Any, chips: Sequence[ChipPicture], names: Mapping[int, str], corner: tuple[int, int]) -> None:
    x, y = corner
    met = sorted({int(value) for chip in chips for value in np.unique(chip.labels)} - {0})
    texts = {value: names.get(value, f"class {value}") for value in met}
    texts |= {IGNORE: "ignored: not to be learned from"} if IGNORE in met else {}
    for number, value in enumerate(met):
        wide = 34 + int(_font(12).getlength(texts[value]))
        if x + wide > draw.im.size[0]:
            draw.text((x, y - 1), f"+ {len(met) - number}", fill="black", font=_font(12))
            return
        _swatch(draw, value, (x, y))
        draw.text((x + 20, y - 1), texts[value], fill="black", font=_font(12))
        x += wide


def _swatch(draw: Any, value: int, corner: tuple[int, int]) -> None:
    x, y = corner
    if value != IGNORE:
        draw.rectangle((x, y, x + 14, y + 12), fill=_class_colour(value), outline="black")
        return
    for offset in range(0, 27, 5):  # stripes, cut off where the box ends
        low, high = max(0, offset - 12), min(14, offset)
        draw.line((x + low, y + offset - low, x + high, y + offset - high), fill="#777777", width=2)
    draw.rectangle((x, y, x + 14, y + 12), outline="#777777")


def _shortened(text: str, side: int, size: int) -> str:
    """Cut the middle out of a text that is wider than a chip."""
    font = _font(size)
    if font.getlength(text) <= side:
        return text
    keep = len(text) // 2
    while keep > 1 and font.getlength(f"{text[:keep]}...{text[-keep:]}") > side:
        keep -= 1
    return f"{text[:keep]}...{text[-keep:]}"


def _wrapped(text: str, width: int, size: int) -> list[str]:
    """Break a text into lines that are no wider than so many pixels; a word alone may be."""
    font, lines = _font(size), list[str]()
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _class_colour(value: int) -> str:
    return CLASS_COLOURS[(value - 1) % len(CLASS_COLOURS)]


def _class_style(name: str, classes: Sequence[str]) -> dict[str, Any]:
    if name == "ignored":
        return {"facecolor": "#f2f2f2", "hatch": "////", "edgecolor": "#999999"}
    colour = "#bdbdbd" if name == "background" else _class_colour(classes.index(name) + 1)
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


def _split_style(split: str) -> tuple[str, str]:
    if split in SPLIT_COLOURS:
        return SPLIT_COLOURS[split], SPLIT_HATCHES[split]
    return OTHER_SPLIT


def _in_order(splits: Any) -> list[str]:
    """Return names of splits: the usual ones first, in their usual order."""
    usual = list(SPLIT_COLOURS)
    return sorted(map(str, splits), key=lambda name: (usual.index(name) if name in usual else len(usual), name))


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], np.float64)


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


def _signature(attribution: str, synthetic: bool) -> str:
    return ". ".join(
        part for part in ("SYNTHETIC: made-up imagery or labels" if synthetic else "", attribution) if part
    )


def _sign(axes: Any, attribution: str, synthetic: bool) -> None:
    # About 15 letters of this size fit on an inch.
    text = textwrap.fill(_signature(attribution, synthetic), int(15 * axes.figure.get_figwidth()) - 8)
    axes.set_title(text, fontsize=7, color="#b00000" if synthetic else "black")
