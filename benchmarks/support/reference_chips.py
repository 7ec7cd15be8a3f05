"""Reference 3's way of cutting chips, in our own words and on local files, to measure ours beside.

Its steps: the labels of one split are divided into chunks by k-means on degrees; over the box of a chunk, widened by 2 km, lies
a lattice of points, ``patch * (1 - overlap)`` pixels apart; a point stays when it lies within half a patch of a point whose
disc of half a patch meets a label of the chunk; round each point a chip is requested, with the labels of this chunk and
split only as its last band. 16 processes, one request and one file at a time; names count up.

It is read kindly: a chip is exactly ``patch`` native pixels a side (its metres of ground are more of them, squeezed), the
lattice lies on whole pixels, folders exist, and a request is a read of a local file, without a network.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize
from rasterio.windows import Window as RasterWindow
from sklearn.cluster import KMeans

from mosaic_assets.chips.leakage import LabelledWindow, Window, burner

SPLITS = ("train", "validation", "test")
CHUNKS = 4
SEED = 10
"""Its random_state."""
WIDENED_M = 2_000.0
PROCESSES = 16


@dataclass(frozen=True, slots=True)
class Request:
    """One chip to be: its window, its split and chunk, its number within both."""

    window: Window
    split: str
    chunk: int
    number: int


Chunks = dict[tuple[str, int], Any]
"""The shapes of every chunk, by split and number of the chunk."""


def divide(labels: gpd.GeoDataFrame) -> Chunks:
    """Divide the labels of each split into chunks, by k-means on the centroids in degrees."""
    chunks: Chunks = {}
    for split in SPLITS:
        own = labels.geometry.values[(labels["split"] == split).values]
        if len(own) == 0:
            continue
        centroids = shapely.get_coordinates(shapely.centroid(own))
        members = KMeans(min(CHUNKS, len(own)), random_state=SEED, n_init=10).fit_predict(centroids)
        chunks |= {(split, chunk): own[members == chunk] for chunk in np.unique(members).tolist()}
    return chunks


def requests(
    chunks: Chunks, transform: Any, size: tuple[int, int], pixel_m: float, patch: int, overlap: float
) -> list[Request]:
    """Return all chips it would ask for, split by split and chunk by chunk.

    Parameters
    ----------
    chunks : in the CRS of the grid.
    transform, size, pixel_m : the grid, its height and width, and the size of a pixel on the ground, metres.
    """
    found = []
    for (split, chunk), shapes in chunks.items():
        points = _points(shapes, transform, pixel_m, patch, overlap).tolist()
        windows = [Window(row - patch // 2, column - patch // 2, patch, patch) for row, column in points]
        inside = [window for window in windows if _lies_in(window, size)]
        found += [Request(window, split, chunk, number) for number, window in enumerate(inside)]
    return found


def _lies_in(window: Window, size: tuple[int, int]) -> bool:
    row, column, height, width = window
    return row >= 0 and column >= 0 and row + height <= size[0] and column + width <= size[1]


def _points(chunk: Any, transform: Any, pixel_m: float, patch: int, overlap: float) -> np.ndarray:
    """Return the lattice points of a chunk, (n, 2) row and column."""
    step = max(1, round(patch * (1 - overlap)))
    inverse = ~transform
    # In pixels from here on: columns to the right, rows downwards.
    shapes = shapely.transform(chunk, lambda xy: np.column_stack(inverse @ (xy[:, 0], xy[:, 1])))
    left, top, right, bottom = shapely.total_bounds(shapes)
    widened = WIDENED_M / pixel_m
    rows, columns = (
        np.arange(np.ceil((low - widened) / step), np.floor((high + widened) / step) + 1).astype(int) * step
        for low, high in ((top, bottom), (left, right))
    )
    points = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    dots = shapely.points(points[:, 1], points[:, 0])
    met = shapely.STRtree(shapes).query(dots, predicate="dwithin", distance=patch / 2)[0]
    kept = shapely.STRtree(dots[np.unique(met)])
    return points[np.unique(kept.query(dots, predicate="dwithin", distance=patch / 2)[0])]


def label_bands(chunks: Chunks, wanted: list[Request], transform: Any) -> Iterator[LabelledWindow]:
    """Yield the label bands it makes: only the labels of the chip's own chunk and split."""
    burners = {key: burner(shapes, transform) for key, shapes in chunks.items()}
    for request in wanted:
        burn = burners[request.split, request.chunk]
        yield LabelledWindow(request.window, burn(request.window).astype(np.uint8))


def cut(raster: Path, chunks: Chunks, wanted: list[Request], folder: Path, processes: int = PROCESSES) -> int:
    """Write the chips, one request and one file at a time in each process; return their number."""
    for split in SPLITS:
        (folder / split).mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("fork").Pool(processes, _begin, (raster, chunks, folder)) as pool:
        return sum(pool.map(_one, wanted, chunksize=1))


def _begin(raster: Path, chunks: Chunks, folder: Path) -> None:
    global _raster, _chunks, _folder  # what a worker of its pool holds
    _raster, _chunks, _folder = raster, chunks, folder


def _one(request: Request) -> int:
    row, column, height, width = request.window
    window = RasterWindow(column, row, width, height)
    with rasterio.open(_raster) as dataset:  # each request stands alone, as it does on a server
        pixels = dataset.read([1, 2, 3], window=window)
        here, crs = dataset.window_transform(window), dataset.crs
    band = rasterize(_chunks[request.split, request.chunk], out_shape=(height, width), transform=here, dtype="uint8")
    path = _folder / request.split / f"Swellendam_{request.split}_imgs_{request.chunk}{request.number:05d}.tif"
    profile = {"driver": "GTiff", "crs": crs, "transform": here, "count": 4, "dtype": "uint8", "compress": "deflate"}
    with rasterio.open(path, "w", height=height, width=width, **profile) as out:
        out.write(np.concatenate([pixels, band[None]]))
    return 1
