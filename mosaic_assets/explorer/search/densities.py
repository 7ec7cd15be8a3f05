"""How many scenes include all or part of each square: numbers, and a picture to lay over the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import level_of, side_of
from mosaic_assets.csquares.density import Densities, densities
from mosaic_assets.explorer.links import DATASETS, dataset_of
from mosaic_assets.explorer.reading import Shelf, kept

DENSEST = 20
_ANCHORS = ((63, 15, 114), (126, 3, 168), (204, 71, 120), (248, 149, 64), (240, 249, 33))
"""From few to many: dark to bright, told apart also without colour."""
_STEPS = 255
_MOST_PICTURES = 32
"""Kept: 4 sizes of some choices of data sets, 100 kB at most each."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The density of some data sets together."""

    generation: int
    """Of the index."""
    resolution: float
    datasets: tuple[str, ...]
    scenes: int
    counts: NDArray[np.int64]
    """(squares,) by id."""


def density_of(shelf: Shelf, resolution: float, datasets: Sequence[str]) -> Chosen:
    """Return the density of some data sets, all for none; counted when it is asked for first, and again after a change.

    One thread at a time: see `routes`.

    Raises
    ------
    NotBuiltError
        There is no index yet.
    """
    wanted = tuple(name for name in DATASETS if not datasets or name in datasets)
    with shelf.indexes.borrow() as index:
        generation = index.generation()
    found = kept(shelf, f"density.{resolution}", generation, lambda: _counted(shelf, resolution))
    counts = np.zeros(arrays.total_of(level_of(resolution)), np.int64)
    for name in wanted:
        counts += found.counts.get(name, 0)
    return Chosen(found.generation, resolution, wanted, sum(found.scenes.get(name, 0) for name in wanted), counts)


def _counted(shelf: Shelf, resolution: float) -> Densities:
    with shelf.indexes.suspecting_damage():
        return densities(shelf.settings.csquares, resolution, dataset_of)


def summary(chosen: Chosen) -> dict[str, Any]:
    """Return a density's numbers as plain values."""
    counts = chosen.counts
    some = np.flatnonzero(counts)
    densest = some[np.argsort(-counts[some], kind="stable")[:DENSEST]]
    codes = arrays.codes_of_ids(densest, level_of(chosen.resolution)).tolist()
    most = int(counts.max())
    return {
        "resolution": chosen.resolution,
        "dataset": chosen.datasets,
        "scenes": chosen.scenes,
        "most": most,
        "squares": len(some),
        "densest": list(zip(codes, counts[densest].tolist(), strict=True)),
        "legend": legend(most),
    }


def legend(most: int) -> list[dict[str, Any]]:
    """Return numbers of scenes with their colours in the picture, from one to the most.

    Examples
    --------
    >>> [one["scenes"] for one in legend(2500)], legend(1), legend(0)
    ([1, 10, 100, 1000, 2500], [{'scenes': 1, 'colour': '#3f0f72'}], [])
    """
    if most == 0:
        return []
    numbers = np.array([*(10**power for power in range(len(str(most)))), most])
    numbers = np.unique(numbers)
    colours = _palette()[_steps(numbers, most)]
    return [
        {"scenes": int(number), "colour": "#" + bytes(colour).hex()}
        for number, colour in zip(numbers, colours.astype(np.uint8), strict=True)
    ]


def kept_picture(shelf: Shelf, chosen: Chosen) -> bytes:
    """Return `picture`, made once for each question and state of the index; one thread at a time."""
    pictures = shelf.kept.setdefault("density pictures", {})
    assert isinstance(pictures, dict)  # noqa: S101 - nobody else uses the name
    question = chosen.generation, chosen.resolution, chosen.datasets
    if question not in pictures:
        if len(pictures) >= _MOST_PICTURES:
            pictures.clear()
        pictures[question] = picture(chosen)
    found: bytes = pictures[question]
    return found


def picture(chosen: Chosen) -> bytes:
    """Return the world as a PNG with one pixel a square, north up, from 180 W to 180 E; transparent where nothing is."""
    from PIL import Image

    side = side_of(level_of(chosen.resolution))
    rows, columns = np.mgrid[9 * side - 1 : -9 * side - 1 : -1, -18 * side : 18 * side]
    ids = arrays.ids_of_cells(rows.ravel(), columns.ravel(), level_of(chosen.resolution))
    counts = chosen.counts[ids].reshape(rows.shape)
    steps = np.where(counts > 0, _steps(counts, int(counts.max())), 0).astype(np.uint8)
    image = Image.fromarray(steps, "P")
    image.putpalette(_palette().astype(np.uint8).tobytes())
    written = BytesIO()
    image.save(written, "PNG", transparency=0)
    return written.getvalue()


def _steps(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the place of numbers in the palette, 1..255, on a logarithmic scale."""
    scaled = np.log(np.maximum(counts, 1)) / max(np.log(most), 1e-9) if most > 1 else np.zeros(counts.shape)
    steps: NDArray[np.int64] = 1 + np.rint(scaled * (_STEPS - 1)).astype(np.int64)
    return steps


def _palette() -> NDArray[np.float64]:
    """Return (256, 3) colours, the first of which stands for nothing."""
    at = np.linspace(0, len(_ANCHORS) - 1, _STEPS)
    colours = [np.interp(at, range(len(_ANCHORS)), [anchor[channel] for anchor in _ANCHORS]) for channel in range(3)]
    return np.concatenate([np.zeros((1, 3)), np.rint(np.stack(colours, axis=1))])
