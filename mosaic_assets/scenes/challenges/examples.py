"""Pictures to look at beside the numbers: masks drawn over a scene, and mended patches side by side."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np

from mosaic_assets.scenes.challenges.noise import CASES, case_rng
from mosaic_assets.scenes.challenges.records import CloudScene, Mask, Rgb
from mosaic_assets.scenes.challenges.registry import CLOUD_METHODS, DENOISERS
from mosaic_assets.scenes.challenges.results import Row
from mosaic_assets.scenes.challenges.scores import mse, psnr
from mosaic_assets.scenes.challenges.tables import noise_table

TINT = (230, 40, 40)
"""Of cloud, RGB."""
PANEL = 360
"""Widest side of a picture in a sheet of masks, pixels."""
PATCH = 128
"""Side of a patch in a sheet of mended ones, pixels."""
BEST = 3
"""Methods a case that are shown."""

Panel = tuple[str, Rgb]


def mask_sheet(scene: CloudScene, names: Sequence[str] | None = None, *, caption: str = "") -> bytes:
    """Draw the scene, its reference, and what every method that applies makes of it; PNG."""
    panels = [("picture", _small(scene.rgb))]
    reference, reference_is = scene.reference
    if reference is not None:
        panels.append((reference_is, _small(_tinted(scene.rgb, reference))))
    panels += [
        (method.name, _small(_tinted(scene.rgb, method.run(scene))))
        for method in CLOUD_METHODS.select(names)
        if all(scene.has(name) for name in method.needs)
    ]
    return _sheet([panels[start : start + 4] for start in range(0, len(panels), 4)], caption)


def noise_sheet(picture: Rgb, rows: Sequence[Row], seed: int, *, caption: str = "") -> bytes:
    """Draw a patch of a picture, a line a case: as it was, degraded, and mended by the best methods; PNG.

    The picture is degraded and mended as a whole; the patch is its middle, or where most is missing.
    """
    table, lines = noise_table(rows), []
    methods = {method.name: method for method in DENOISERS.select(None)}
    for case in CASES:
        degraded = case.degrade(picture, case_rng(case.name, seed))
        ranked = [row["method"] for row in table if row["case"] == case.name and row["method"] in methods]
        patch = _patch(picture, degraded.missing)
        line = [
            ("as it was", picture[patch]),
            (_labelled(case.name, picture, degraded.picture), degraded.picture[patch]),
        ]
        for name in [name for name in ranked if name != "nothing"][:BEST]:
            mended = methods[name].run(degraded)
            line.append((_labelled(name, picture, mended), mended[patch]))
        lines.append(line)
    return _sheet(lines, caption)


def _labelled(name: str, picture: Rgb, other: Rgb) -> str:
    return f"{name} {psnr(mse(picture, other)):.1f} dB"


def _tinted(picture: Rgb, mask: Mask) -> Rgb:
    tinted = picture.copy()
    tinted[mask] = (0.45 * picture[mask] + 0.55 * np.array(TINT)).astype(np.uint8)
    return tinted


def _small(picture: Rgb) -> Rgb:
    step = max(1, -(-max(picture.shape[:2]) // PANEL))
    return picture[::step, ::step]


def _patch(picture: Rgb, missing: Mask | None) -> tuple[slice, slice]:
    """Return the middle, or the patch of those that half overlap in which most is missing."""
    rows, columns = (max(0, length - PATCH) for length in picture.shape[:2])
    top, left = rows // 2, columns // 2
    if missing is not None:
        places = [
            (row, column) for row in range(0, rows + 1, PATCH // 2) for column in range(0, columns + 1, PATCH // 2)
        ]
        top, left = max(places, key=lambda place: missing[place[0] :, place[1] :][:PATCH, :PATCH].sum())
    return slice(top, top + PATCH), slice(left, left + PATCH)


def _sheet(lines: Sequence[Sequence[Panel]], caption: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(len(line) for line in lines)
    ratio = lines[0][0][1].shape[0] / lines[0][0][1].shape[1]
    figure = Figure(figsize=(2.4 * columns, (2.4 * ratio + 0.25) * len(lines)), layout="constrained")
    FigureCanvasAgg(figure)
    if caption:
        figure.suptitle(caption, fontsize=8)
    grid: Any = figure.subplots(len(lines), columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        axes.set_axis_off()
        line = lines[number // columns]
        if number % columns < len(line):
            title, picture = line[number % columns]
            axes.imshow(picture, interpolation="nearest")
            axes.set_title(title, fontsize=7)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
