"""Which format a file has, told by what is in it; its name only settles what the content leaves open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaic_assets.csquares.readers.delimited import OUTLINES, delimiter_of, read_delimited
from mosaic_assets.csquares.readers.geojson import read_collection, read_lines, read_sequence
from mosaic_assets.csquares.readers.geopackage import read_geopackage
from mosaic_assets.csquares.readers.json_text import RECORD_SEPARATOR, decode
from mosaic_assets.csquares.readers.manifest import MANIFEST, read_manifest
from mosaic_assets.csquares.readers.parquet import read_parquet
from mosaic_assets.csquares.readers.records import Lost, Raw, Rejection
from mosaic_assets.csquares.readers.text import open_text

Reader = Callable[[Path, int], Iterator[Raw | Rejection]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format by its name, its name when all records are STAC items, and what reads it."""

    name: str
    stac_name: str
    read: Reader


GEOJSON = Format("GeoJSON", "STAC", read_collection)
LINES = Format("newline-delimited GeoJSON", "newline-delimited STAC", read_lines)
SEQUENCE = Format("GeoJSON text sequence", "STAC text sequence", read_sequence)
PARQUET = Format("GeoParquet", "GeoParquet", read_parquet)
GEOPACKAGE = Format("GeoPackage", "GeoPackage", read_geopackage)
DELIMITED = Format("CSV", "CSV", read_delimited)
PRODUCT = Format("Sentinel-3 manifest", "Sentinel-3 manifest", read_manifest)
FORMATS = (GEOJSON, LINES, SEQUENCE, PARQUET, GEOPACKAGE, DELIMITED, PRODUCT)

_HEAD = 1 << 20
"""Characters that are looked at."""
_PIECE = 1 << 13
_LINES_SUFFIXES = (".ndjson", ".jsonl", ".ndgeojson", ".geojsonl", ".geojsons", ".geojsonseq")
_OTHERS = {
    b"PK\x03\x04": "a zip archive: unpack it",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
    b"\x89HDF": "a netCDF or HDF file",
    b"CDF\x01": "a netCDF file",
    b"CDF\x02": "a netCDF file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"\x00\x00'\n": "a shapefile: convert it to GeoPackage",
    b"BZh": "a bzip2 archive: unpack it",
    b"\xfd7zXZ": "an xz archive: unpack it",
    b"(\xb5/\xfd": "a zstd archive: unpack it",
}
_EXPECTED = (
    "expected GeoJSON, newline-delimited GeoJSON, GeoParquet, GeoPackage, STAC items, a Sentinel-3 manifest, or a table "
    f"with a column {', '.join(OUTLINES[:3])}"
)


def recognise(path: Path) -> Format:
    """Return the format of a file or product folder.

    Raises
    ------
    Lost
        None of those that are read.
    OSError
        It cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "scenes.txt"
    >>> _ = path.write_text("id;wkt")
    >>> recognise(path).name
    'CSV'
    """
    if path.is_dir():
        if (path / MANIFEST).is_file():
            return PRODUCT
        raise Lost(f"it is a folder without {MANIFEST}; expected a file, or the folder of a Sentinel-3 product")
    with path.open("rb") as file:
        magic = file.read(16)
    if magic.startswith(b"PAR1"):
        return PARQUET
    if magic.startswith(b"SQLite format 3\x00"):
        return GEOPACKAGE
    for mark, what in _OTHERS.items():
        if magic.startswith(mark):
            raise Lost(f"it is {what}; {_EXPECTED}")
    return _of_text(_head(path), path)


def _head(path: Path) -> str:
    """Return the first characters, or those before the damage of an archive."""
    pieces: list[str] = []
    try:
        with open_text(path, 4 * _HEAD) as stream:
            while len(pieces) < _HEAD // _PIECE and (piece := stream.read(_PIECE)):
                pieces.append(piece)
    except Lost:
        if not pieces:
            raise
    return "".join(pieces)


def _of_text(head: str, path: Path) -> Format:
    text = head.lstrip()
    if not text:
        raise Lost(f"it is empty; {_EXPECTED}")
    if text[0] == "<":
        return PRODUCT
    if text[0] == RECORD_SEPARATOR or head.lstrip(" \t\r\n").startswith(RECORD_SEPARATOR):
        return SEQUENCE
    named = path.name.lower().removesuffix(".gz").endswith(_LINES_SUFFIXES)
    if text[0] in "{[":
        return LINES if _is_lines(text, named=named) else GEOJSON
    if named:
        return LINES
    first = next((line for line in text.splitlines() if not line.startswith("sep=")), "")
    if delimiter_of(first):
        return DELIMITED
    raise Lost(f"it is neither JSON nor XML, and its first line names no column of outlines; {_EXPECTED}")


def _is_lines(text: str, *, named: bool) -> bool:
    """Whether JSON has a record a line: its first line is a whole one and something follows, or the next is whole."""
    first, *others = (line for line in text.split("\n", 4)[:4] if line.strip())
    if not others:
        return False
    # The first line may be a bad record; that of a collection names its features.
    if first.strip() in ("{", "[") or '"features"' in first:
        return _is_object(first)
    return named or any(map(_is_object, [first, *others[:2]]))


def _is_object(line: str) -> bool:
    try:
        value, end = decode(line.strip(), 0)
    except Lost:
        return False
    return isinstance(value, dict) and not line.strip()[end:].strip(",")
