"""From a data set and an id to the picture: by the data set's own manifest or database, never by a path that was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import PurePosixPath

from mosaic_assets.errors import NotBuiltError
from mosaic_assets.explorer.datasets.chip_rows import chip_row
from mosaic_assets.explorer.datasets.crop_rows import crop_row
from mosaic_assets.explorer.datasets.gallery import NOT_BUILT as NO_GALLERY
from mosaic_assets.explorer.datasets.gallery import tile_of, unknown_tile
from mosaic_assets.explorer.datasets.keeping import reading_home
from mosaic_assets.explorer.datasets.query_rows import query_row
from mosaic_assets.explorer.datasets.safe_files import PictureError, find_picture, read_picture
from mosaic_assets.explorer.datasets.tiles import tile_row
from mosaic_assets.explorer.links import PICTURES
from mosaic_assets.explorer.reading import Shelf
from mosaic_assets.store.csquare_pages import SceneRow
from mosaic_assets.store.gallery_db import has_gallery, open_gallery


@dataclass(frozen=True, slots=True)
class Found:
    """A picture as it is stored."""

    name: str
    """Of the file, whose ending says the format."""
    identity: Hashable
    """Another one when the picture is another."""
    read: Callable[[], bytes]
    bands: tuple[int, ...] | None = None
    """Bands that are imagery, from 0; None for the first three."""


def find(shelf: Shelf, dataset: str, number: str) -> Found:
    """Return the picture of an item.

    Raises
    ------
    UnknownNameError
        The data set has no such item.
    NotBuiltError
        The data set is not there yet, or the picture is not.
    """
    with reading_home():
        return FINDERS[dataset](shelf, number)


def _tile(shelf: Shelf, number: str) -> Found:
    return _file(shelf, tile_row(shelf, number).filepath)


def _crop(shelf: Shelf, number: str) -> Found:
    row = crop_row(shelf, number)
    if row["filepath"] is None:
        raise PictureError(
            f"the scene {number[:100]} was not kept ({row['outcome']}), so it has no crop; choose a kept one"
        )
    return _file(shelf, f"smcefr/{row['filepath']}")


def _chip(shelf: Shelf, number: str) -> Found:
    row = chip_row(shelf, number)
    # The label is the last band, unless it has a file of its own.
    imagery = len(str(row["bands"]).split(",")) if row["bands"] else 1
    return _file(shelf, f"chips/{row['path']}", tuple(range(min(3, imagery))))


def _query(shelf: Shelf, number: str) -> Found:
    query = query_row(shelf, number)
    return _file(shelf, f"gallery/queries/{query.split}/{query.row.imgname}")


def _gallery(shelf: Shelf, number: str) -> Found:
    folder = shelf.settings.gallery_folder
    if not has_gallery(folder):
        raise NotBuiltError(NO_GALLERY)
    with open_gallery(folder) as gallery:
        body = gallery.read(tile_of(gallery, number))
    if body is None:
        raise unknown_tile(number)
    name = "tile.png" if body.startswith(b"\x89PNG") else "tile.jpg"
    return Found(name, hashlib.sha256(body).hexdigest(), lambda: body)


def _scene(shelf: Shelf, number: str) -> Found:
    with shelf.indexes.borrow() as index:
        row, _ = index.row(number)
    return _file(shelf, picture_of(row))


def picture_of(scene: SceneRow) -> str:
    """Return the picture that a scene names: its thumbnail, or else its image, whichever is a picture.

    Raises
    ------
    PictureError
        It names none.
    """
    for named in (scene.thumbnail, scene.image_location):
        if named.lower().endswith(PICTURES):
            return named
    raise PictureError(f"the scene {scene.id[:100]} names no picture below the data home; look for it at its source")


def _file(shelf: Shelf, named: str, bands: tuple[int, ...] | None = None) -> Found:
    file = find_picture(shelf.settings.home, named)
    return Found(PurePosixPath(named).name, (str(file.path), *file.identity), lambda: read_picture(file), bands)


FINDERS: dict[str, Callable[[Shelf, str], Found]] = {
    "tiles": _tile,
    "crops": _crop,
    "chips": _chip,
    "queries": _query,
    "gallery": _gallery,
    "scenes": _scene,
}
