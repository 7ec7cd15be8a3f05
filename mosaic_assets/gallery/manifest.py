"""The manifest of a query set: GeoParquet, a row a query, with split, scene class, provenance and checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.query_files import QueryImage, QueryRow, boxes
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import publishing

TUNE, TEST = "tune", "test"
"""Splits of a set that is cut here: for choosing parameters, and for testing."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a published set."""

    split: str
    row: QueryRow
    resolution_y: float
    """Height of a pixel, EPSG:3857 metres."""
    scene_class: str
    """``urban``, ``non-urban``, or empty where nobody says."""
    time: str
    """ISO date of the imagery; empty where nobody says when."""
    source: str
    licence: str
    attribution: str
    synthetic: bool
    sha256: str
    """Of the TIFF."""

    def path(self, settings: Settings) -> Path:
        """Where its TIFF is."""
        return queries_folder(settings) / self.split / self.row.imgname


def queries_folder(settings: Settings) -> Path:
    """The folder of the query set: a folder of TIFFs and a list a split, and the manifest."""
    return settings.gallery_folder / "queries"


def manifest_path(settings: Settings) -> Path:
    """Path of the manifest, written last: what it lists is whole."""
    return queries_folder(settings) / "queries.parquet"


def describe_query(image: QueryImage, split: str, provenance: dict[str, Any], *, scene_class: str, time: str) -> Query:
    """Return the manifest's row for a TIFF."""
    return Query(
        split, image.row(), image.pixel_height, scene_class, time, str(provenance["source"]), str(provenance["licence"]),
        str(provenance["attribution"]), bool(provenance["synthetic"]), sha256_of(image.path),
    )  # fmt: skip


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(settings: Settings, queries: Sequence[Query]) -> None:
    """Publish the manifest."""
    import geopandas as gpd

    columns: dict[str, list[Any]] = {}
    for query in queries:
        flat = {**asdict(query), **asdict(query.row)}
        flat.pop("row")
        for name, value in flat.items():
            columns.setdefault(name, []).append(value)
    frame = gpd.GeoDataFrame(columns, geometry=list(boxes(query.row for query in queries)), crs="EPSG:4326")
    with publishing(manifest_path(settings), "writing the manifest of the queries") as temporary:
        frame.to_parquet(temporary, index=False)


def read_manifest(settings: Settings) -> list[Query]:
    """Return the published queries, by split and name.

    Raises
    ------
    GalleryError
        There is no query set, or its manifest cannot be read.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    path = manifest_path(settings)
    if not path.is_file():
        raise GalleryError(
            f"there is no query set at {path.parent} yet; materialize `query_set`, or take one over with `mosaic gallery import`"
        )
    try:
        rows = pq.read_table(path).drop_columns(["geometry"]).to_pylist()
        queries = [_query(row) for row in rows]
    except (ArrowException, OSError, KeyError, TypeError) as error:
        raise GalleryError(f"reading the manifest {path} failed: {error}; materialize `query_set` anew") from error
    return sorted(queries, key=lambda query: (query.split, query.row.imgname))


def has_queries(settings: Settings) -> bool:
    """Whether there is a query set."""
    return manifest_path(settings).is_file()


def _query(values: dict[str, Any]) -> Query:
    row = QueryRow(**{name: values.pop(name) for name in QueryRow.__slots__})
    return Query(row=row, **values)
