"""Pictures of the evaluation: curves, bars, and a query beside the gallery."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.grids import WEB_MERCATOR_QUAD
from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.gallery.localize.metrics import WITHIN_M, Asked, grouped, precision_by_coverage
from mosaic_assets.gallery.localize.records import ACCEPTED_FROM, Candidate, Corners, Query
from mosaic_assets.gallery.localize.view import GalleryView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1f6fb4", "#d95f02", "#1b9e77", "#7570b3", "#666666")
FOUND, TRUE = "#ffd92f", "#41f0e0"
"""Outline of the answer, and of the true place where it is known."""

LARGEST_PX, DRAWN_PX = 4_096, 768
"""Side of the piece of the gallery that is shown at most, and from which on pixels are left out."""

_DPI = 100


def all_plots(asked: Sequence[Asked]) -> dict[str, bytes]:
    """Draw what the answers show, PNG by title; nothing for no answers."""
    if not asked:
        return {}
    return {
        "precision against coverage": precision_plot(asked),
        "distance from the true place": distance_plot(asked),
        "success by kind of change": kinds_plot(asked),
    }


def precision_plot(asked: Sequence[Asked]) -> bytes:
    """Draw precision against coverage, a curve a method, with a dot at the default threshold."""
    figure, axes = _new(7, 4.5)
    for colour, (name, mine) in zip(_colours(), _by_method(asked).items(), strict=False):
        points = precision_by_coverage(mine)
        if not points:
            continue
        _, coverage, precision = zip(*points, strict=True)
        axes.step(coverage, precision, where="post", color=colour, label=name)
        accepted = [one for one in mine if one.accepted]
        if accepted:
            share = len(accepted) / len(mine)
            axes.plot(share, sum(one.right for one in accepted) / len(accepted), "o", color=colour)
    axes.set(
        xlim=(0, 1.02), ylim=(0, 1.03), xlabel="coverage: share of queries answered", ylabel="precision: share right"
    )
    axes.set_title(f"Precision against coverage; dots: confidence of {ACCEPTED_FROM} and more", fontsize=11)
    _legend(axes)
    return _png(figure)


def distance_plot(asked: Sequence[Asked]) -> bytes:
    """Draw the share of queries that were found within a distance, a curve a method."""
    figure, axes = _new(7, 4.5)
    for colour, (name, mine) in zip(_colours(), _by_method(asked).items(), strict=False):
        placed = [one for one in mine if not one.nowhere]
        errors = sorted(max(one.error_m, 0.05) for one in placed if one.error_m is not None)
        if errors:
            share = np.arange(1, len(errors) + 1) / len(placed)
            axes.step([0.05, *errors, 1e8], [0, *share, share[-1]], where="post", color=colour, label=name)
    for metres in WITHIN_M:
        axes.axvline(metres, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.set(
        xscale="log", xlim=(0.05, 1e4), ylim=(0, 1.03), xlabel="metres from the true place", ylabel="share of queries"
    )
    axes.set_title("Queries found within a distance; lines at 25, 50, 100 and 1,000 m", fontsize=11)
    _legend(axes)
    return _png(figure)


def kinds_plot(asked: Sequence[Asked]) -> bytes:
    """Draw the share found within 25 m, a bar for each kind of change and method."""
    rows = [row for row in grouped(asked, lambda one: one.kind) if row["within_25_m"] is not None]
    methods, kinds = list(_by_method(asked)), list(dict.fromkeys(row["group"] for row in rows))
    figure, axes = _new(7, 1.3 + 0.3 * len(kinds))
    height = 0.8 / len(methods)
    for number, (colour, name) in enumerate(zip(_colours(), methods, strict=False)):
        values = {row["group"]: row["within_25_m"] for row in rows if row["method"] == name}
        places = [kinds.index(kind) + (number - (len(methods) - 1) / 2) * height for kind in values]
        axes.barh(places, list(values.values()), height * 0.9, color=colour, label=name)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.02), xlabel="share found within 25 m")
    _legend(axes)
    return _png(figure)


def match_picture(query: Query, candidate: Candidate | None, view: GalleryView, title: str) -> bytes:
    """Draw the query beside the gallery, with its outline there and lines between what matches.

    The true outline is drawn too where it is known and in the piece that is shown.
    """
    figure, axes = _new(11, 5.6, columns=2)
    left, right = axes
    left.imshow(query.image)
    left.set_title(f"query, {query.image.shape[1]} x {query.image.shape[0]} px", fontsize=10)
    said = f"{title}; the gallery is SYNTHETIC" if view.synthetic else title
    figure.suptitle(said, fontsize=12, parse_math=False)
    for one in axes:
        one.set_axis_off()
    if candidate is None:
        right.text(0.5, 0.5, "no candidate", ha="center", va="center", transform=right.transAxes)
        return _png(figure)
    image, corner = _surroundings(candidate, view)
    side, step = image.shape[0], -(-image.shape[0] // DRAWN_PX)
    right.imshow(image[::step, ::step], extent=(0, side, side, 0))
    right.set(xlim=(0, side), ylim=(side, 0))
    _outline(right, candidate.footprint, corner, view, FOUND, "answer")
    if query.footprint is not None and _shown(query.footprint, corner, side, view):
        _outline(right, query.footprint, corner, view, TRUE, "true place", dashed=True)
    right.legend(loc="lower right", fontsize=8)
    verdict = "accepted" if candidate.confidence >= ACCEPTED_FROM else "not accepted"
    said = f"{candidate.lat:.5f}, {candidate.lng:.5f} (lat, lng)   confidence {candidate.confidence:.2f}, {verdict}"
    right.set_title(said, fontsize=10)
    _lines(figure, left, right, candidate, corner)
    return _png(figure)


def _surroundings(candidate: Candidate, view: GalleryView) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Read the gallery around the answer's outline, half as much again on each side."""
    points = _world(candidate.footprint, view)
    low, high = points.min(axis=0), points.max(axis=0)
    side = int(min(LARGEST_PX, max(TILE_SIZE, 1.5 * (high - low).max())))
    corner = np.floor((low + high) / 2 - side / 2)
    window = view.window(int(corner[0]), int(corner[1]), side, side)
    return np.where(window.covered[..., None], window.image, np.uint8(235)), corner


def _shown(corners: Corners, corner: NDArray[np.float64], side: int, view: GalleryView) -> bool:
    points = _world(corners, view) - corner
    return bool((points.max(axis=0) > 0).all() and (points.min(axis=0) < side).all())


def _outline(
    axes: Axes,
    corners: Corners,
    corner: NDArray[np.float64],
    view: GalleryView,
    colour: str,
    label: str,
    *,
    dashed: bool = False,
) -> None:
    points = _world(corners, view) - corner
    closed = np.concatenate([points, points[:1]])
    if not dashed:
        axes.plot(closed[:, 0], closed[:, 1], color="#000000", linewidth=4.5)
    axes.plot(
        closed[:, 0], closed[:, 1], color=colour, linewidth=2.5, label=label, linestyle=(0, (3, 3)) if dashed else "-"
    )
    axes.plot(*closed[0], "o", color=colour, markersize=5)  # the query's upper left corner


def _lines(figure: Figure, left: Axes, right: Axes, candidate: Candidate, corner: NDArray[np.float64]) -> None:
    from matplotlib.patches import ConnectionPatch

    for match in candidate.matches[:40]:
        there = (match.world_column - corner[0], match.world_row - corner[1])
        line = ConnectionPatch(
            (match.column, match.row),
            there,
            "data",
            "data",
            axesA=left,
            axesB=right,
            color=FOUND,
            linewidth=0.6,
            alpha=0.7,
        )
        figure.add_artist(line)


def _world(corners: Corners, view: GalleryView) -> NDArray[np.float64]:
    lng, lat = np.array(corners).T
    limit = WEB_MERCATOR_QUAD.max_lat
    columns, rows = WEB_MERCATOR_QUAD.pixel_at(np.clip(lng, -180, 180), np.clip(lat, -limit, limit), view.zoom)
    return np.column_stack([columns, rows])


def _by_method(asked: Sequence[Asked]) -> dict[str, list[Asked]]:
    found: dict[str, list[Asked]] = {}
    for one in asked:
        found.setdefault(one.method, []).append(one)
    return found


def _colours() -> list[str]:
    return list(COLOURS) * 4


def _new(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    # Built without pyplot: no global state, no display, safe in threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns)


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()
