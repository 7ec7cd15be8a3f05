"""Pictures of the library for people: PNG bytes, to be shown in the UI, saved by the command line, or both."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.drawing import drawing
from mosaic_assets.core.species import chao1
from mosaic_assets.library.coverage import LibraryState
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_db import open_library
from mosaic_assets.store.round_reading import read_rows

DPI = 90
"""Pixels an inch of the figures."""

CONTACT_TILES = 60
"""Tiles on a contact sheet."""


def ab_plane(state: LibraryState, centroids: NDArray[np.float64], floor: int, cap: int) -> bytes:
    """Draw every bucket in the a/b plane: full, filled, partly filled, seen but empty, and never met.

    Parameters
    ----------
    centroids : float64 of shape (5000, 3), the buckets' LAB colours.
    floor, cap : tiles that make a bucket filled, and full.
    """
    seen = np.zeros(len(centroids), bool)
    seen[list(state.total_hits())] = True
    kept = state.kept
    groups: list[tuple[str, Any, dict[str, Any]]] = [
        ("never met", ~seen & (kept == 0), {"s": 2, "c": "#d5d5d5"}),
        (
            "met, nothing kept",
            seen & (kept == 0),
            {"s": 14, "c": "none", "edgecolors": "#999999", "linewidths": 0.6},
        ),
        (
            f"partly: 1 to {floor - 1}",
            (kept > 0) & (kept < floor),
            {"s": 14, "linewidths": 0.0, "alpha": 0.45},
        ),
        (f"filled: {floor} or more", (kept >= floor) & (kept < cap), {"s": 26, "linewidths": 0.0}),
        (f"full: {cap}", kept >= cap, {"s": 36, "edgecolors": "black", "linewidths": 0.8}),
    ]
    with drawing(6.6, 5.6, dpi=DPI) as (figure, axes, finish):
        colours = _srgb(centroids)
        for label, members, style in groups:
            style = {"c": colours[members], **style}
            axes.scatter(centroids[members, 1], centroids[members, 2], label=f"{label} ({members.sum():,})", **style)
        axes.set(
            xlabel="a  (green to red)",
            ylabel="b  (blue to yellow)",
            title="Buckets in the LAB a/b plane",
            aspect="equal",
        )
        within_reach = f"about {chao1(list(state.total_hits().values())):,.0f} buckets are within reach"
        axes.legend(loc="lower left", fontsize=7, title_fontsize=7, framealpha=0.9, title=within_reach)
        return finish(figure)


def fill_histogram(state: LibraryState, floor: int, cap: int) -> bytes:
    """Draw how many buckets hold how many tiles."""
    kept = state.kept[state.kept > 0]
    with drawing(6.6, 3.2, dpi=DPI) as (figure, axes, finish):
        axes.hist(kept, bins=np.linspace(0.5, max(cap, 1) + 0.5, min(cap, 50) + 1), color="#3b6ea5")
        axes.axvline(floor - 0.5, color="#c0392b", linewidth=1, label=f"floor: {floor}")
        axes.set(
            xlabel="tiles in the bucket",
            ylabel="buckets",
            title=f"Fill of {len(kept):,} buckets (cap {cap})",
            yscale="symlog",
        )
        axes.legend(fontsize=8)
        return finish(figure)


def discovery_curve(state: LibraryState) -> bytes:
    """Draw buckets with a tile against tiles asked for, merge by merge, and the estimate of what is within reach."""
    asked, found = [0], [0]
    for number in sorted({merged.merge_number for merged in state.rounds}):
        merged = [line for line in state.rounds if line.merge_number == number]
        asked.append(asked[-1] + sum(line.planned for line in merged))
        found.append(found[-1] + sum(line.new_buckets for line in merged))
    with drawing(6.6, 3.2, dpi=DPI) as (figure, axes, finish):
        axes.plot(asked, found, marker="o", markersize=4, color="#3b6ea5", label="buckets with a tile")
        reachable = chao1(list(state.total_hits().values()))
        axes.axhline(reachable, color="#7f8c8d", linestyle="--", label=f"within reach, estimated: {reachable:.0f}")
        axes.set(xlabel="tiles asked for", ylabel="buckets", title="Discovery, one point a merge", ylim=(0, None))
        axes.legend(fontsize=8, loc="lower right")
        return finish(figure)


def newest_tiles(settings: Settings, count: int = CONTACT_TILES, biome: str | None = None) -> bytes | None:
    """Draw a contact sheet of the tiles kept last, of one biome or of all; None when there are none."""
    where = "WHERE p.biome = ?" if biome else ""
    with open_library(settings.library) as database:
        rows = database.query(
            f"SELECT t.filepath FROM provenance p JOIN tiles t USING (id) JOIN rounds r USING (biome, round) {where} "
            "ORDER BY r.merge_number DESC, r.round DESC, p.position DESC LIMIT ?",
            (biome, count) if biome else (count,),
        )
    paths = [settings.home / str(row[0]) for row in rows]
    return contact_sheet([path for path in paths if path.exists()]) if paths else None


def round_sheet(path: Path, count: int = CONTACT_TILES) -> bytes | None:
    """Draw a contact sheet of a round's first candidates, from the round file; None when it has none."""
    bodies: list[bytes] = []
    for batch in read_rows(path, bodies=True):
        bodies += [row["body"] for row in batch if row.get("body")]
        if len(bodies) >= count:
            break
    return contact_sheet(bodies[:count]) if bodies else None


def contact_sheet(pictures: Sequence[Path | bytes], columns: int = 12, side: int = 64) -> bytes:
    """Lay pictures out in a grid, each shrunk to ``side`` pixels; PNG bytes. The place of one that is damaged stays white."""
    from PIL import Image

    rows = max(1, -(-len(pictures) // columns))
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for index, source in enumerate(pictures):
        try:
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
                small = picture.convert("RGB").resize((side, side), Image.Resampling.BOX)
        except (OSError, ValueError, SyntaxError):  # finding damage is the checks' task; the rest is worth seeing
            continue
        sheet.paste(small, (index % columns * side, index // columns * side))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    import warnings

    from skimage.color import lab2rgb

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few centroids lie a hair outside the gamut and are clipped
        return np.asarray(np.clip(lab2rgb(lab[None])[0], 0, 1), np.float64)
