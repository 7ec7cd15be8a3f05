"""The challenges as plots, PNG: scores of masks, gain over doing nothing, rate-distortion curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.scenes.challenges.noise import CASES
from mosaic_assets.scenes.challenges.records import NO_REFERENCE
from mosaic_assets.scenes.challenges.results import Row
from mosaic_assets.scenes.challenges.tables import cloud_table, compression_table, described, noise_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCORES = {"iou": "#1b6ca8", "precision": "#7fb3d5", "recall": "#d9a441"}
"""Scores that are drawn, and their colours."""
MARKERS = "osD^vPX*<>dph"
BIT_TICKS = [0.1, 0.2, 0.5, 1, 2, 5]


def plot(challenge: str, rows: Sequence[Row]) -> bytes:
    """Draw a challenge: `cloud_plot`, `noise_plot` or `compression_plot`."""
    plots: dict[str, Callable[[Sequence[Row]], bytes]] = {
        "clouds": cloud_plot,
        "noise": noise_plot,
        "compression": compression_plot,
    }
    return plots[challenge](rows)


def cloud_plot(rows: Sequence[Row]) -> bytes:
    """Draw scores of every method as bars, a panel a reference; where there is none, the share of cloud found."""
    table = cloud_table(rows)
    references = list(dict.fromkeys(row["reference"] for row in table))
    height = 1.2 + sum(0.5 + 0.32 * sum(row["reference"] == name for row in table) for name in references)
    figure = _figure(8.0, height)
    ratios = [max(1, sum(row["reference"] == name for row in table)) for name in references] or [1]
    panels = figure.subplots(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for axes, reference in zip(panels, references, strict=False):
        _cloud_panel(axes, [row for row in table if row["reference"] == reference][::-1], reference)
    figure.suptitle(f"Clouds: {described(rows)}", fontsize=11)
    return _png(figure)


def _cloud_panel(axes: Axes, table: Sequence[Row], reference: str) -> None:
    places = np.arange(len(table))
    bars = {"cloud": "#8a8a8a"} if reference == NO_REFERENCE else SCORES
    thickness = 0.8 / len(bars)
    for number, (name, colour) in enumerate(bars.items()):
        values = [row[name] if row[name] is not None else 0.0 for row in table]
        offset = (len(bars) - 1 - number) * thickness - 0.4 + thickness / 2
        axes.barh(places + offset, values, thickness, color=colour, label="share of cloud" if name == "cloud" else name)
    axes.set_yticks(places, [f"{row['method']} ({row['scenes']})" for row in table])
    axes.set_xlim(0, 1)
    axes.set_title(f"reference: {reference}; scenes in brackets", fontsize=9, loc="left")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def noise_plot(rows: Sequence[Row]) -> bytes:
    """Draw PSNR by method and case as numbers, coloured by the gain over doing nothing."""
    table = noise_table(rows)
    cases = [case.name for case in CASES if any(row["case"] == case.name for row in table)]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    value = {(row["method"], row["case"]): row["psnr"] for row in table}
    gain = np.full((len(methods), len(cases)), np.nan)
    for (method, case), decibels in value.items():
        floor = value.get(("nothing", case))
        if decibels is not None:
            gain[methods.index(method), cases.index(case)] = decibels - (decibels if floor is None else floor)
    figure = _figure(2.6 + 1.05 * len(cases), 1.6 + 0.34 * len(methods))
    axes = figure.subplots()
    drawn = axes.imshow(gain, cmap="YlGnBu", vmin=0, vmax=max(1.0, float(np.nanmax(gain, initial=1.0))), aspect="auto")
    for (method, case), decibels in value.items():
        row, column = methods.index(method), cases.index(case)
        best = decibels is not None and decibels >= max(v or 0 for (_, c), v in value.items() if c == case)
        axes.text(
            column, row, "∞" if decibels is None else f"{decibels:.1f}", ha="center", va="center", fontsize=9,
            weight="bold" if best else "normal", color="white" if gain[row, column] > 0.6 * drawn.get_clim()[1] else "black",
        )  # fmt: skip
    axes.set_xticks(range(len(cases)), [case.replace("_", "\n", 1) for case in cases])
    axes.set_yticks(range(len(methods)), methods)
    axes.xaxis.tick_top()
    figure.colorbar(drawn, ax=axes, label="gain over doing nothing, dB", shrink=0.8)
    figure.suptitle(f"Noise: PSNR in dB, mean of {described(rows)}; bold: the best of a case", fontsize=11)
    return _png(figure)


def compression_plot(rows: Sequence[Row]) -> bytes:
    """Draw rate-distortion curves (PSNR, SSIM), the sizes of the lossless codecs, and the speeds of all."""
    table = compression_table(rows)
    figure = _figure(11.0, 8.5)
    (psnr, ssim), (sizes, speeds) = figure.subplots(2, 2)
    lossy = [row for row in table if not row["lossless"]]
    for axes, name, label in ((psnr, "psnr", "PSNR, dB"), (ssim, "ssim", "SSIM")):
        for codec in dict.fromkeys(row["codec"] for row in lossy):
            points = [(row["bits_a_pixel"], row[name]) for row in lossy if row["codec"] == codec and row[name]]
            axes.plot(*np.array(points).reshape(-1, 2).T, markersize=4, label=codec, **_style(table, codec))
        axes.set(xlabel="bits a pixel (raw: 24)", ylabel=label, xscale="log")
        axes.set_xticks(BIT_TICKS, [f"{tick:g}" for tick in BIT_TICKS])
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
    if lossy:
        psnr.legend(fontsize=8)
    _lossless_panel(sizes, [row for row in table if row["lossless"]][::-1])
    _speed_panel(speeds, table)
    figure.suptitle(f"Compression: mean of {described(rows)}", fontsize=11)
    return _png(figure)


def _lossless_panel(axes: Axes, table: Sequence[Row]) -> None:
    names = [f"{row['codec']} {row['level']:g}" if row["level"] else row["codec"] for row in table]
    bars = axes.barh(names, [row["bits_a_pixel"] or 0 for row in table], color="#1b6ca8")
    axes.bar_label(bars, [f"{row['bits_a_pixel'] or 0:.2f}" for row in table], fontsize=8, padding=2)
    axes.set(xlabel="bits a pixel, lossless (raw: 24)", xlim=(0, 24))


def _speed_panel(axes: Axes, table: Sequence[Row]) -> None:
    """Draw a point a codec and level; the first level of a codec has its name."""
    for codec in dict.fromkeys(row["codec"] for row in table):
        points = [
            (row["encode_mb_s"], row["decode_mb_s"]) for row in table if row["codec"] == codec and row["encode_mb_s"]
        ]
        if points:
            axes.plot(*np.array(points).T, markersize=4, **{**_style(table, codec), "linestyle": "none"})
            axes.annotate(codec, points[0], fontsize=7, xytext=(5, -2), textcoords="offset points")
    axes.set(xlabel="encode, MB/s of pixels", ylabel="decode, MB/s of pixels", xscale="log", yscale="log")
    axes.margins(0.15)
    axes.grid(alpha=0.3)


def _style(table: Sequence[Row], codec: str) -> dict[str, Any]:
    """Return a codec's colour and marker, the same in every panel."""
    number = list(dict.fromkeys(row["codec"] for row in table)).index(codec)
    return {"color": f"C{number % 10}", "marker": MARKERS[number % len(MARKERS)]}


def _figure(width: float, height: float) -> Figure:
    # Without pyplot: no global state, no display, safe in threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()
