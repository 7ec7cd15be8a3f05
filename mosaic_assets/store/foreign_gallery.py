"""Galleries that other programs wrote: the table of reference 4, and nothing else of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mosaic_assets.core.records import Tile
from mosaic_assets.errors import GalleryError
from mosaic_assets.store.gallery_records import StoredTile
from mosaic_assets.store.sqlite import explaining_sqlite, has_database, read_only


def foreign_tiles(path: Path) -> Iterator[StoredTile]:
    """Yield the tiles of any database with reference 4's table ``ge_tiles``; the file is only read.

    Raises
    ------
    GalleryError
        The file does not exist, or has no such table or columns.
    """
    if not has_database(path):
        raise GalleryError(f"reading tiles of {path}: there is no such database; check the path")
    with explaining_sqlite(path), contextlib.closing(read_only(path)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(ge_tiles)")]
        wanted = ["zoom_level", "tile_column", "tile_row", "time_", "tile_data"]
        if not set(wanted) <= set(columns):
            raise GalleryError(
                f"{path} is not a gallery: expected a table ge_tiles with {', '.join(wanted)}, found "
                f"{', '.join(columns) or 'no such table'}; give a database as reference 4 has it"
            )
        for z, x, y, when, data in connection.execute(f"SELECT {', '.join(wanted)} FROM ge_tiles ORDER BY rowid"):
            if not (isinstance(z, int) and isinstance(x, int) and isinstance(y, int) and isinstance(data, bytes)):
                raise GalleryError(
                    f"{path}: a row of ge_tiles has zoom {z!r}, column {x!r}, row {y!r} and {type(data).__name__} as its picture; "
                    "expected whole numbers and bytes; mend or delete the row"
                )
            yield StoredTile(Tile(x, y, z), str(when or ""), data)
