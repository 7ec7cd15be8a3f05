"""Containers of tiles that other programs read: MBTiles and GeoPackage, written whole or not at all."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mosaic_assets.core.records import Tile
from mosaic_assets.store.files import publishing
from mosaic_assets.store.sqlite import atomic, explaining_sqlite

MBTILES_SCHEMA = """
CREATE TABLE metadata (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tiles (
  zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL, tile_row INTEGER NOT NULL, tile_data BLOB NOT NULL,
  PRIMARY KEY (zoom_level, tile_column, tile_row)
)
"""

GEOPACKAGE_SCHEMA = """
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT
);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE, description TEXT DEFAULT '',
  last_change DATETIME NOT NULL, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
  srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id)
);
CREATE TABLE gpkg_tile_matrix_set (
  table_name TEXT NOT NULL PRIMARY KEY REFERENCES gpkg_contents(table_name),
  srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys(srs_id),
  min_x DOUBLE NOT NULL, min_y DOUBLE NOT NULL, max_x DOUBLE NOT NULL, max_y DOUBLE NOT NULL
);
CREATE TABLE gpkg_tile_matrix (
  table_name TEXT NOT NULL REFERENCES gpkg_contents(table_name), zoom_level INTEGER NOT NULL,
  matrix_width INTEGER NOT NULL, matrix_height INTEGER NOT NULL, tile_width INTEGER NOT NULL,
  tile_height INTEGER NOT NULL, pixel_x_size DOUBLE NOT NULL, pixel_y_size DOUBLE NOT NULL,
  PRIMARY KEY (table_name, zoom_level)
);
CREATE TABLE tiles (
  id INTEGER PRIMARY KEY AUTOINCREMENT, zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL,
  tile_row INTEGER NOT NULL, tile_data BLOB NOT NULL, UNIQUE (zoom_level, tile_column, tile_row)
)
"""


@dataclass(frozen=True, slots=True)
class MatrixSet:
    """What a GeoPackage says of a grid."""

    identifier: str
    description: str
    srs_id: int
    srs_name: str
    definition: str
    """Well-known text of the coordinate reference system."""
    half: float
    """The grid's square reaches from minus to plus this, in units of the system."""
    extent: tuple[float, float, float, float]
    """Left, bottom, right, top of what is there, in units of the system."""
    zooms: Sequence[int]
    last_change: str
    """ISO 8601, UTC."""


def write_mbtiles(path: Path, metadata: Mapping[str, str], tiles: Iterable[tuple[Tile, bytes]]) -> int:
    """Write an MBTiles 1.3 file of Web-Mercator tiles; return how many. Rows are turned to count from the south."""

    def rows() -> Iterator[tuple[object, ...]]:
        for tile, data in tiles:
            yield tile.z, tile.x, (1 << tile.z) - 1 - tile.y, data

    with _new_container(path, MBTILES_SCHEMA, application_id=0x4D504258) as connection:
        connection.executemany("INSERT INTO metadata VALUES (?, ?)", metadata.items())
        return connection.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", rows()).rowcount


def write_geopackage(path: Path, matrix_set: MatrixSet, tiles: Iterable[tuple[Tile, bytes]]) -> int:
    """Write a GeoPackage 1.3 with one table ``tiles``; return how many. Bytes are written as they are."""
    one = matrix_set
    with _new_container(path, GEOPACKAGE_SCHEMA, application_id=0x47504B47, user_version=10300) as connection:
        systems = [
            ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", None),
            ("Undefined geographic SRS", 0, "NONE", 0, "undefined", None),
            (one.srs_name, one.srs_id, "EPSG", one.srs_id, one.definition, None),
        ]
        if one.srs_id != 4326:  # the standard wants it in every file
            systems.append(("WGS 84", 4326, "EPSG", 4326, WGS84, None))
        connection.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", systems)
        connection.execute(
            "INSERT INTO gpkg_contents VALUES ('tiles', 'tiles', ?, ?, ?, ?, ?, ?, ?, ?)",
            (one.identifier, one.description, one.last_change, *one.extent, one.srs_id),
        )
        square = (-one.half, -one.half, one.half, one.half)
        connection.execute("INSERT INTO gpkg_tile_matrix_set VALUES ('tiles', ?, ?, ?, ?, ?)", (one.srs_id, *square))
        for zoom in one.zooms:
            side, pixel = 1 << zoom, 2 * one.half / (256 << zoom)
            level = (zoom, side, side, 256, 256, pixel, pixel)
            connection.execute("INSERT INTO gpkg_tile_matrix VALUES ('tiles', ?, ?, ?, ?, ?, ?, ?)", level)
        return connection.executemany(
            "INSERT INTO tiles (zoom_level, tile_column, tile_row, tile_data) VALUES (?, ?, ?, ?)",
            ((tile.z, tile.x, tile.y, data) for tile, data in tiles),
        ).rowcount


WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,'
    'AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]'
)
"""Well-known text of EPSG:4326."""


@contextlib.contextmanager
def _new_container(
    path: Path, schema: str, *, application_id: int, user_version: int = 0
) -> Iterator[sqlite3.Connection]:
    """Yield a new database that is published at ``path`` when the body ends well."""
    with (
        explaining_sqlite(path),
        publishing(path, f"exporting to {path.name}") as temporary,
        contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection,
    ):
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute(f"PRAGMA user_version = {user_version}")
        connection.execute("PRAGMA journal_mode = OFF")  # a file that nobody sees until it is whole
        with atomic(connection):
            for statement in filter(str.strip, schema.split(";")):
                connection.execute(statement)
            yield connection
