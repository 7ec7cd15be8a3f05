"""The index of a gallery: for every cell a vector of 1 kB and its coarse edges, in memory-mapped files beside the gallery.

It lies in ``localize/z<zoom>/<key>/``. The key holds the gallery's fingerprint, so an index of an older state is never asked.
``index.json`` is written last: without it there is no index. A killed build leaves its model and the parts it finished, 1,024
cells each, and goes on from there.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.localize.edges import Edges, edges_of
from mosaic_assets.gallery.localize.features import Floats, features_of
from mosaic_assets.gallery.localize.search import Lists, make_lists, number_of_lists
from mosaic_assets.gallery.localize.view import GalleryView, Window
from mosaic_assets.gallery.localize.vlad import WORDS, Encoder, k_means, vlad, whitening
from mosaic_assets.store.files import holding, make_folder, publishing, write_bytes

VERSION = 1
"""Raise it when an index of the same gallery would look different."""

PART = 1_024
"""Cells of a part: what a killed build loses at most."""

FOR_PROJECTION, FOR_WORDS = 2_000, 256
"""Cells that the projection and the vocabulary are trained on, at most."""

POINTS_OF_A_CELL = 400
"""Key points that the vector of a cell is made of, at most."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Index:
    """An opened index; the arrays are memory-mapped and read only where they are looked at."""

    folder: Path
    encoder: Encoder
    lists: Lists
    cells: NDArray[np.int64]
    """(n, 2) column and row, in the order of the lists."""
    vectors: NDArray[np.float16]
    """(n, d)"""
    edges: Edges
    """(n, 64, 64)"""
    zoom: int
    facts: dict[str, Any]
    """Of ``index.json``: counts, bytes, seconds."""

    def cell(self, row: int) -> Tile:
        """Return the cell of a row."""
        x, y = self.cells[row]
        return Tile(int(x), int(y), self.zoom)


def index_folder(gallery_folder: Path, zoom: int) -> Path:
    """Folder of the indexes of a zoom."""
    return gallery_folder / "localize" / f"z{zoom}"


def open_index(view: GalleryView, folder: Path, seed: int, progress: Progress | None = None) -> Index:
    """Open the index of the gallery's present state; build it, or go on building it, where there is none.

    Parameters
    ----------
    view : the gallery.
    folder : `index_folder`.
    seed : of the vocabulary and the lists.

    Raises
    ------
    GalleryError
        The gallery shows nothing that could be told apart.
    BusyError
        Another process is building it.
    """
    ours = folder / _key(view, seed)
    if not (ours / "index.json").is_file():
        with holding(folder / "build.lock", "building the index of the gallery", wait_s=600):
            if not (ours / "index.json").is_file():
                _build(view, ours, seed, progress or (lambda _what, _done, _of: None))
                _drop_others(folder, ours)
    return _opened(ours, view.zoom)


def _key(view: GalleryView, seed: int) -> str:
    state = f"{VERSION} {seed} {view.zoom} {view.time} {view.database.fingerprint(view.zoom)}"
    return hashlib.sha256(state.encode()).hexdigest()[:16]


def _opened(folder: Path, zoom: int) -> Index:
    try:
        facts = json.loads((folder / "index.json").read_text())
        with np.load(folder / "model.npz") as model, np.load(folder / "lists.npz") as lists:
            encoder = Encoder(model["words"], model["mean"], model["projection"])
            found = Lists(lists["centres"], lists["starts"])
            cells = lists["cells"]
        vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        edges = np.load(folder / "edges.npy", mmap_mode="r")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise GalleryError(
            f"opening the index in {folder}: {error}; it is damaged. Remove that folder; the index is built anew when asked for"
        ) from error
    return Index(folder, encoder, found, cells, vectors, edges, zoom, facts)


def _build(view: GalleryView, folder: Path, seed: int, progress: Progress) -> None:
    start, processor, cells = time.perf_counter(), time.process_time(), view.cells
    make_folder(folder)
    known: dict[Tile, Floats] = {}
    encoder = _model(view, folder, seed, progress, known)
    for number, first in enumerate(range(0, len(cells), PART)):
        if not _part(folder, number).is_file():
            _publish_part(view, encoder, folder, number, cells[first : first + PART], known)
        progress("indexing the gallery, cells", min(first + PART, len(cells)), len(cells))
    took = {"seconds": time.perf_counter() - start, "processor_s": time.process_time() - processor}
    _assemble(folder, cells, seed, {"zoom": view.zoom, **{name: round(value, 3) for name, value in took.items()}})


def _model(view: GalleryView, folder: Path, seed: int, progress: Progress, known: dict[Tile, Floats]) -> Encoder:
    """Train the vocabulary and the projection, or take those of a killed build; keep the vectors of the cells looked at."""
    path = folder / "model.npz"
    if not path.is_file():
        random = np.random.default_rng(seed)
        chosen = [view.cells[at] for at in np.sort(random.permutation(len(view.cells))[:FOR_PROJECTION])]
        words = _words(view, chosen[:: max(1, len(chosen) // FOR_WORDS)], random)
        for cell, vector in zip(
            chosen, _in_parallel(view, chosen, lambda one: vlad(_descriptors(one), words)), strict=True
        ):
            known[cell] = vector
            progress("training the index, cells", len(known), len(chosen))
        vectors = np.stack([known[cell] for cell in chosen])
        mean, projection = whitening(vectors[vectors.any(axis=1)])
        with publishing(path, "writing the model of the index") as temporary, temporary.open("wb") as file:
            np.savez(file, words=words, mean=mean, projection=projection)
    with np.load(path) as model:
        return Encoder(model["words"], model["mean"], model["projection"])


def _words(view: GalleryView, cells: list[Tile], random: np.random.Generator) -> Floats:
    descriptors = np.concatenate(list(_in_parallel(view, cells, _descriptors)))
    if len(descriptors) < WORDS:
        raise GalleryError(
            f"indexing {view.database.path} at zoom {view.zoom}: {len(cells)} tiles show {len(descriptors)} key points, expected "
            f"at least {WORDS}; the tiles are blank or without structure. Build the gallery from imagery of that zoom"
        )
    return k_means(descriptors, WORDS, random)


def _publish_part(
    view: GalleryView, encoder: Encoder, folder: Path, number: int, cells: list[Tile], known: dict[Tile, Floats]
) -> None:
    def encoded(window: Window) -> tuple[Floats, Edges]:
        cell = Tile(window.left // TILE_SIZE, window.top // TILE_SIZE, view.zoom)
        vector = known[cell] if cell in known else vlad(_descriptors(window), encoder.words)
        return encoder.project(vector[None])[0], edges_of(window.image)

    found = list(_in_parallel(view, cells, encoded))
    vectors, edges = np.stack([vector for vector, _ in found]), np.stack([edge for _, edge in found])
    with publishing(_part(folder, number), "writing a part of the index") as temporary, temporary.open("wb") as file:
        np.savez(file, vectors=vectors.astype(np.float16), edges=edges)


def _in_parallel(view: GalleryView, cells: list[Tile], work: Callable[[Window], Any]) -> Iterator[Any]:
    """Yield ``work`` of the cells' windows in their order; this thread reads, one a core works, few windows wait."""
    from threadpoolctl import threadpool_limits

    cores = os.cpu_count() or 1
    with threadpool_limits(1), ThreadPoolExecutor(cores) as pool:
        remaining = iter(cells)
        waiting = [pool.submit(work, view.cell(cell)) for cell in itertools.islice(remaining, 4 * cores)]
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(work, view.cell(cell)) for cell in itertools.islice(remaining, 1)]


def _descriptors(window: Window) -> Floats:
    return features_of(window.image, window.covered, at_most=POINTS_OF_A_CELL).descriptors


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05d}.npz"


def _assemble(folder: Path, cells: list[Tile], seed: int, facts: dict[str, Any]) -> None:
    """Put the parts in the order of the lists into two files, then say that the index is whole."""
    parts = [_part(folder, number) for number in range(-(-len(cells) // PART))]
    vectors = np.concatenate([np.load(part)["vectors"] for part in parts])
    lists, order = make_lists(vectors, number_of_lists(len(vectors)), seed)
    places = np.array([(cell.x, cell.y) for cell in cells], np.int64)[order]
    with publishing(folder / "vectors.npy", "writing the index") as temporary, temporary.open("wb") as file:
        np.save(file, vectors[order])
    with publishing(folder / "edges.npy", "writing the index") as temporary:
        _write_edges(temporary, parts, order)
    with publishing(folder / "lists.npz", "writing the index") as temporary, temporary.open("wb") as file:
        np.savez(file, centres=lists.centres, starts=lists.starts, cells=places)
    facts |= {"cells": len(cells), "dimensions": int(vectors.shape[1]), "lists": len(lists.centres)}
    facts |= {"vector_bytes": int(vectors.nbytes), "edge_bytes": (folder / "edges.npy").stat().st_size}
    write_bytes(folder / "index.json", json.dumps(facts, indent=1).encode(), "writing the index")
    for part in parts:
        part.unlink(missing_ok=True)


def _write_edges(path: Path, parts: list[Path], order: NDArray[np.int64]) -> None:
    """Write the edges part by part to where the order puts them: they may be larger than memory."""
    row_of = np.argsort(order)
    out = np.lib.format.open_memmap(path, "w+", np.uint8, (len(order), 64, 64))
    for number, part in enumerate(parts):
        edges = np.load(part)["edges"]
        out[row_of[number * PART : number * PART + len(edges)]] = edges
    out.flush()


def _drop_others(folder: Path, ours: Path) -> None:
    """Remove indexes of older states of the gallery; who has one open keeps it until closing it."""
    for other in folder.iterdir():
        if other.is_dir() and other != ours:
            shutil.rmtree(other, ignore_errors=True)
