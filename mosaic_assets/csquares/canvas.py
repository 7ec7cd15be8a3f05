"""Pictures put together: side by side, with a graticule, a title and what the colours mean."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mosaic_assets.core.csquare import resolution_of
from mosaic_assets.csquares.views import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Picture = npt.NDArray[np.float64]
"""(h, w, 3) red, green, blue, 0..1."""

_COLOURS = ("#e6550d", "#fdae3b", "#ffe34d", "#d9f94a")
_DPI = 100
_EDGE, _GAP, _HEAD, _FOOT = 52, 64, 34, 52
"""Pixels: left and right of the pictures, between them, above and below them."""


def colour_of(level: int) -> str:
    """Return the colour of squares of 10, 5, 1 and 0.5 degrees; smaller ones have that of the last."""
    return _COLOURS[min(level, len(_COLOURS) - 1)]


def compose(pictures: list[tuple[View, Picture]], title: str, sizes: list[tuple[int, int]], scale: Any = None) -> bytes:
    """Put pictures side by side under a title, with what the colours mean below them.

    Parameters
    ----------
    pictures : list of (View, (h, w, 3) float64)
    title : str
    sizes : list of (int, int)
        How many squares of which level are drawn.
    scale : matplotlib ScalarMappable, optional
        What colours counts have; then ``sizes`` are not written.

    Returns
    -------
    bytes
        PNG.
    """
    # The figure is built without pyplot: no global state, no display, safe in threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    widths = [picture.shape[1] for _, picture in pictures]
    width = sum(widths) + 2 * _EDGE + _GAP * (len(widths) - 1)
    inner = max(picture.shape[0] for _, picture in pictures)
    height = inner + _HEAD + _FOOT
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    left = _EDGE
    for view, picture in pictures:
        h, w = picture.shape[:2]
        bottom = _FOOT + (inner - h) / 2
        # One pixel of ours is one of the file's: outlines stay as sharp as they were drawn.
        axes = figure.add_axes((left / width, bottom / height, w / width, h / height))
        axes.imshow(picture, extent=view.extent, aspect="auto", interpolation="nearest")
        _graticule(axes, view)
        left += w + _GAP
    # No dollar sign of an id starts a formula.
    figure.text(0.5, 1 - 10 / height, title, ha="center", va="top", fontsize=12, parse_math=False)
    _explain(figure, width, height, sizes, scale)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def _explain(figure: Figure, width: int, height: int, sizes: list[tuple[int, int]], scale: Any) -> None:
    """Write how many squares of which size there are, or draw the scale of the counts."""
    if scale is not None:
        box = (_EDGE / width, 22 / height, 0.3, 8 / height)
        figure.colorbar(scale, cax=figure.add_axes(box), orientation="horizontal", format="{x:,.0f}")
        return
    step = 1 / (len(sizes) + 1)
    for number, (count, level) in enumerate(sizes):
        text = f"{count:,} of {resolution_of(level):g}\N{DEGREE SIGN}"
        figure.text(
            step * (number + 1), 8 / height, text, ha="center", fontsize=10, color="#333333",
            bbox={"facecolor": colour_of(level), "edgecolor": "none", "pad": 2},
        )  # fmt: skip
    if not sizes:
        figure.text(0.5, 8 / height, "no squares", ha="center", fontsize=10)


def _graticule(axes: Axes, view: View) -> None:
    """Draw meridians and parallels, and say which they are."""
    left, right, bottom, top = view.extent
    line: dict[str, Any] = {"color": "white", "linewidth": 0.5, "alpha": 0.45}
    if not view.pole:
        xs, ys = _ticks(left, right), _ticks(bottom, top)
        axes.set_xticks(xs, [_name((x + 180) % 360 - 180 if abs(x) != 180 else 180, "EW") for x in xs], fontsize=8)
        axes.set_yticks(ys, [_name(y, "NS") for y in ys], fontsize=8)
        axes.grid(**line)
        return
    axes.set_axis_off()
    turn = np.radians(np.arange(361))
    for away in _ticks(0, right)[1:]:
        axes.plot(away * np.sin(turn), away * np.cos(turn), **line)
        axes.text(0, -away, _name(view.pole * (90 - away), "NS"), color="white", fontsize=7, clip_on=True)
    for lng in range(-180, 180, 30):
        x, y = np.sin(np.radians(lng)), -view.pole * np.cos(np.radians(lng))
        axes.plot([0, x * right], [0, y * right], **line)
        axes.text(x * right * 1.03, y * right * 1.03, _name(abs(lng) if lng == -180 else lng, "EW"),
                  ha="center", va="center", fontsize=8)  # fmt: skip
    axes.set(xlim=(left, right), ylim=(bottom, top))


def _ticks(low: float, high: float) -> list[float]:
    """Return four to nine round numbers in a range of degrees."""
    span = high - low
    steps = [step * 10.0**power for power in range(-7, 2) for step in (1, 2, 3, 5)] + [45.0, 60.0]
    step = next((step for step in sorted(steps) if span / step <= 8.01), 60.0)
    first = np.ceil(round(low / step, 9))
    return [round(float(first + number) * step, 9) for number in range(int(np.floor(high / step + 1e-9) - first) + 1)]


def _name(degrees: float, letters: str) -> str:
    letter = "" if degrees == 0 or abs(degrees) == 180 else letters[0 if degrees > 0 else 1]
    return f"{round(abs(degrees), 7):.10g}\N{DEGREE SIGN}{letter}"
