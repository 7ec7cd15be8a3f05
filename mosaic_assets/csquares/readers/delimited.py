"""Tables as text: a header, then a scene a line, its outline as WKT in one of the columns.

Commas, semicolons or tabs; which of them is told by the header: it must name the column of the outline. A quote that is
never closed costs the line it is in, not those behind it.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from mosaic_assets.csquares.readers.fields import gather, squash
from mosaic_assets.csquares.readers.records import MAX_RECORD_CHARACTERS, Lost, Raw, Rejection, excerpt
from mosaic_assets.csquares.readers.text import lines, open_text

Line = tuple[int, str | None]

OUTLINES = ("geometry", "wkt", "footprint", "geom", "the_geom", "wkt_geom", "geo_footprint", "footprint_wkt", "wkb")
"""Names of columns that hold the outline, compared as `squash` has it; the first there is counts."""
DELIMITERS = (",", ";", "\t")
_MOST_LINES = 1_000
"""Lines that one record may go over: texts may hold line ends."""


def outline_column(names: list[str]) -> str | None:
    """Return which of some columns holds the outline.

    Examples
    --------
    >>> outline_column(["id", "The_Geom"]), outline_column(["id"])
    ('The_Geom', None)
    """
    squashed = {squash(name): name for name in reversed(names)}
    return next((squashed[squash(name)] for name in OUTLINES if squash(name) in squashed), None)


def delimiter_of(header: str) -> str | None:
    r"""Return what separates the columns of a header; None when no column holds an outline.

    Examples
    --------
    >>> delimiter_of("id;Footprint;time\n"), delimiter_of("id,colour\n")
    (';', None)
    """
    for delimiter in DELIMITERS:
        cells = _cells(header, delimiter)
        if cells and outline_column(cells):
            return delimiter
    return None


def _cells(line: str, delimiter: str) -> list[str] | None:
    """Return the cells of one line; None if a quote stays open."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True), [])]
    except csv.Error:
        return None


def read_delimited(path: Path, max_bytes: int) -> Iterator[Raw | Rejection]:
    """Yield the rows of a table."""
    # The module's own limit is 131,072 characters a cell, and it has no other switch than this one for all readers.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_CHARACTERS))
    with open_text(path, max_bytes) as stream:
        numbered = lines(stream)
        header, delimiter = _header(numbered)
        outline = outline_column(header)
        for number, row in _rows(numbered, delimiter, len(header)):
            if isinstance(row, str):
                yield Rejection(f"line {number}", row)
                continue
            cells = dict(zip(reversed(header), reversed(row), strict=True))
            shape = cells.pop(outline or "").strip()
            yield Raw(f"line {number}", gather(dict(reversed(cells.items()))), shape or None)


def _header(numbered: Iterator[Line]) -> tuple[list[str], str]:
    for _, line in numbered:
        delimiter = delimiter_of(line or "")
        if line and delimiter:
            return _cells(line, delimiter) or [], delimiter
        if line is None or (line.strip() and not line.startswith("sep=")):  # as spreadsheets write it in front
            break
    raise Lost(f"its header names no column of outlines; expected one of {', '.join(OUTLINES)}", "line 1")


def _rows(numbered: Iterator[Line], delimiter: str, width: int) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the number of a record's first line, and its cells or what is wrong with it."""
    waiting: deque[Line] = deque()
    while True:
        taken: list[Line] = []
        row = _row(_taking(waiting, numbered, taken), delimiter, width)
        if not taken:
            return
        if isinstance(row, str):
            waiting.extendleft(reversed(taken[1:]))  # they may be sound by themselves
        if row:
            yield taken[0][0], row


def _taking(waiting: deque[Line], numbered: Iterator[Line], taken: list[Line]) -> Iterator[str]:
    """Yield the next lines and note which were taken."""
    while len(taken) < _MOST_LINES:
        line = waiting.popleft() if waiting else next(numbered, None)
        if line is None:
            return
        taken.append(line)
        if line[1] is None:
            return
        yield line[1]


def _row(source: Iterator[str], delimiter: str, width: int) -> list[str] | str:
    """Return the next record, what is wrong with it, or an empty list for a blank line or the end."""
    try:
        row = next(csv.reader(source, delimiter=delimiter, strict=True), None)
    except csv.Error as error:
        return f"it is not a row: {error}; expected each quote to be closed, and doubled within a text"
    if row is None:
        return []
    if not any(cell.strip() for cell in row):
        return []
    while len(row) > width and not row[-1].strip():
        row.pop()
    if len(row) > width:
        return (
            f"it has {len(row)} columns, the header {width} ({excerpt(row[width], 30)} is the first too many); "
            "expected a quoted outline, or another delimiter"
        )
    return row + [""] * (width - len(row))
