"""The files of an asset, counted: how many, their bytes, the newest change, and the rows that they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mosaic_assets.chips.ledger import read_ledger
from mosaic_assets.errors import MosaicError, StoreError
from mosaic_assets.explorer.datasets.asset_names import Asset
from mosaic_assets.explorer.datasets.query_rows import answers
from mosaic_assets.explorer.datasets.safe_files import Identity, identity_at
from mosaic_assets.explorer.reading import Shelf, kept
from mosaic_assets.library.biomes import load_biomes
from mosaic_assets.store.gallery_db import has_gallery, open_gallery
from mosaic_assets.store.library_db import has_library, open_library

MOST_FILES = 100_000
"""Files of an asset that are counted; beyond, it has more."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What an asset's files come to."""

    files: int
    bytes: int
    newest: Identity | None
    """Of the file changed last."""
    more: bool
    rows: int | None
    problem: str | None = None
    """Why rows could not be counted."""


def count_files(shelf: Shelf, asset: Asset) -> Counted:
    """Count the files of an asset; again only when its markers are other ones."""
    home = shelf.settings.home
    markers = tuple((str(path), identity_at(path)) for path in _matching(home, asset.markers or asset.files))
    return kept(shelf, f"asset.{asset.name}", markers, lambda: _count(shelf, asset))


def _count(shelf: Shelf, asset: Asset) -> Counted:
    files, size, newest = 0, 0, None
    for path in _matching(shelf.settings.home, asset.files):
        identity = identity_at(path)
        if identity is not None:
            files, size = files + 1, size + identity[1]
            newest = max(newest or identity, identity)
    rows, problem = None, None
    if asset.unit and (files or not asset.files):
        try:
            rows = COUNTERS.get(asset.name, _parquet_rows)(shelf, asset)
        except MosaicError as error:
            problem = str(error)
    return Counted(files, size, newest, files >= MOST_FILES, rows, problem)


def _matching(home: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Yield the files that match, hidden ones (locks, unfinished ones) left out, at most `MOST_FILES`."""
    found = (path for pattern in patterns for path in home.glob(pattern))
    yield from islice((path for path in found if not path.name.startswith(".") and path.is_file()), MOST_FILES)


def _parquet_rows(shelf: Shelf, asset: Asset) -> int:
    """Return the rows that the footers of the Parquet files say."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    for path in _matching(shelf.settings.home, asset.files):
        if path.suffix == ".parquet" and not path.name.startswith("labels-"):
            try:
                rows += pq.read_metadata(path).num_rows
            except (pa.ArrowException, OSError) as error:
                raise StoreError(
                    f"counting the rows of {path.name} failed: {str(error)[:200]}; make it anew"
                ) from error
    return rows


def _centroids(shelf: Shelf, _asset: Asset) -> int:
    import numpy as np

    path = shelf.settings.library / "centroids.npy"
    try:
        return int(np.load(path, mmap_mode="r", allow_pickle=False).shape[0])
    except (OSError, ValueError, IndexError) as error:
        raise StoreError(f"reading {path.name} failed: {error}; restore it from a copy") from error


def _library(shelf: Shelf, _asset: Asset) -> int:
    if not has_library(shelf.settings.library):
        return 0
    with open_library(shelf.settings.library) as library:
        return library.count()


def _gallery(shelf: Shelf, _asset: Asset) -> int:
    if not has_gallery(shelf.settings.gallery_folder):
        return 0
    with open_gallery(shelf.settings.gallery_folder) as gallery:
        return gallery.count()


def _chips(shelf: Shelf, asset: Asset) -> int:
    return sum(len(read_ledger(path)) for path in _matching(shelf.settings.home, asset.markers))


def _index(shelf: Shelf, _asset: Asset) -> int:
    with shelf.indexes.borrow() as index:
        return index.count()


COUNTERS: dict[str, Callable[[Shelf, Asset], int]] = {
    "lab_centroids": _centroids,
    "bucketed_library": _library,
    "gallery_tiles": _gallery,
    "chips": _chips,
    "localization_benchmark": lambda shelf, _asset: len(answers(shelf)),
    "csquare_index": _index,
    "biomes": lambda shelf, _asset: len(load_biomes(shelf.settings)),
    "gallery_plan": lambda shelf, _asset: len(shelf.settings.gallery.zooms),
}
"""How rows are counted where they are not those of Parquet files."""
