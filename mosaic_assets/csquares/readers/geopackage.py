"""GeoPackage: every layer with outlines, read in pieces."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mosaic_assets.csquares.readers.fields import gather, is_known
from mosaic_assets.csquares.readers.records import Lost, Raw, Rejection, excerpt

_ROWS = 256


def read_geopackage(path: Path, max_bytes: int) -> Iterator[Raw | Rejection]:
    """Yield the rows of every layer; the size on the disk is the limit, nothing in it is packed."""
    del max_bytes
    layers = _layers(path)
    for layer in layers:
        before = f"layer {layer}, " if len(layers) > 1 else ""
        done = 0
        try:
            for raw in _rows(path, layer, before):
                yield raw
                done += 1
        except Exception as error:  # whatever the library makes of damage; the other layers may be sound
            reason = f"they cannot be read: {excerpt(str(error), 120)}; restore the file from a copy"
            yield Rejection(f"{before}row {done + 1} and what follows", reason)


def _layers(path: Path) -> list[str]:
    import pyogrio

    try:
        with _quiet():
            found = pyogrio.list_layers(path)
    except Exception as error:
        raise Lost(f"it cannot be read as a GeoPackage: {excerpt(str(error), 120)}; restore it from a copy") from error
    names = [str(name) for name, kind in found if kind is not None]
    if not names:
        raise Lost("it has no layer with outlines; expected a GeoPackage with one at least")
    return names


def _rows(path: Path, layer: str, before: str) -> Iterator[Raw]:
    import pyogrio

    with _quiet():
        known = [name for name in pyogrio.read_info(path, layer=layer)["fields"] if is_known(name)]
        opened = pyogrio.raw.open_arrow(path, layer=layer, columns=known, batch_size=_ROWS, use_pyarrow=True)
        number = 0
        with opened as (about, batches):
            column = about["geometry_name"] or "wkb_geometry"
            for batch in batches:
                for row in batch.to_pylist():
                    number += 1
                    yield _raw(row, f"{before}row {number}", column, about["crs"])


def _raw(row: dict[str, Any], where: str, column: str, crs: str | None) -> Raw:
    shape = row.pop(column)
    return Raw(where, gather(row), shape, crs)


class _quiet(warnings.catch_warnings):  # noqa: N801  (used as a statement)
    """GDAL remarks on files whose name does not end in .gpkg; it is the content that counts here."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
