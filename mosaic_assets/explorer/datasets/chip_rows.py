"""The manifest of the chips as plain rows; read once, and again when its file is another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.chips.dataset import manifest_path, read_manifest
from mosaic_assets.chips.palette import CLASS_COLOURS
from mosaic_assets.chips.plan_store import plan_path, read_plan
from mosaic_assets.chips.records import IGNORE
from mosaic_assets.errors import LabelError, NotBuiltError, StoreError, UnknownNameError
from mosaic_assets.explorer.datasets.keeping import reading_home
from mosaic_assets.explorer.datasets.safe_files import identity_at
from mosaic_assets.explorer.links import picture_link, thumbnail_link
from mosaic_assets.explorer.reading import Shelf, kept

Row = dict[str, Any]

NOT_CLASSES = ("share_background", "share_ignored")
NEEDED = ("id", "split", "region", "path", "mask_path", "bands", "size", "positive", "geometry")
NOT_BUILT = "there are no chips yet; materialize chip_dataset, or run `mosaic chips split` and `mosaic chips cut`"


@dataclass(frozen=True)
class ClassOfLabels:
    """A class of the labels."""

    name: str
    number: int
    """In the label bands."""
    column: str
    """Of the manifest, its share of each chip."""

    @property
    def colour(self) -> str:
        """What it is drawn in, ``#rrggbb``."""
        return CLASS_COLOURS[(self.number - 1) % len(CLASS_COLOURS)]


@dataclass(frozen=True)
class ChipTable:
    """The manifest."""

    columns: dict[str, NDArray[Any]]
    """(n,) each, by the manifest's names; shares and sizes are float64."""
    bounds: NDArray[np.float64]
    """(n, 4) west, south, east, north, degrees."""
    classes: tuple[ClassOfLabels, ...]

    def row(self, at: int) -> Row:
        """Return a chip as plain values."""
        values = {name: _plain(column[at]) for name, column in self.columns.items()}
        shares = {one.name: values.pop(one.column) for one in self.classes}
        background, ignored = (values.pop(name) for name in NOT_CLASSES)
        number = str(values["id"])
        return {
            **values,
            "size": int(values["size"]),
            "shares": {"background": background, "ignored": ignored, **shares},
            "bounds": self.bounds[at].tolist(),
            "thumbnail": thumbnail_link("chips", number, 256),
            "picture": picture_link("chips", number),
        }


def chip_table(shelf: Shelf) -> ChipTable:
    """Return the manifest of the chips.

    Raises
    ------
    NotBuiltError
        There is none.
    StoreError
        It is damaged.
    """
    path = manifest_path(shelf.settings)
    identity = identity_at(path)
    if identity is None:
        raise NotBuiltError(NOT_BUILT)
    return kept(shelf, "chips", (identity, identity_at(plan_path(shelf.settings))), lambda: _read(shelf))


def chip_row(shelf: Shelf, number: str) -> Row:
    """Return a chip by its id; `NotBuiltError` and `UnknownNameError` when it is not there."""
    table = chip_table(shelf)
    places = np.flatnonzero(table.columns["id"] == number)
    if not len(places):
        raise UnknownNameError("chip", number[:100], "those of the manifest", "See /api/chips.")
    return table.row(int(places[0]))


def _read(shelf: Shelf) -> ChipTable:
    with reading_home():
        frame = read_manifest(shelf.settings)
        missing = {*NEEDED, *NOT_CLASSES} - set(frame.columns)
        if missing:
            raise LabelError(
                f"reading the manifest of the chips: it has no column {sorted(missing)[0]!r}; run `mosaic chips cut` again"
            )
    names = [name for name in frame.columns if name.startswith("share_") and name not in NOT_CLASSES]
    classes = tuple(
        ClassOfLabels(name.removeprefix("share_"), number, name)
        for name, number in zip(names, _numbers(shelf, len(names)), strict=True)
    )
    columns = {str(name): frame[name].to_numpy() for name in frame.columns if name != "geometry"}
    for name in ("size", *NOT_CLASSES, *names):
        columns[name] = _numeric(columns[name], name)
    return ChipTable(columns, frame.geometry.bounds.to_numpy(np.float64), classes)


def _numeric(column: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        numbers = column.astype(np.float64)
    except (ValueError, TypeError):
        numbers = np.full(1, np.nan)
    if not np.isfinite(numbers).all():
        raise StoreError(
            f"reading the manifest of the chips: {name} is not a number everywhere; run `mosaic chips cut` again"
        )
    return numbers


def _numbers(shelf: Shelf, count: int) -> list[int]:
    """Return the numbers of the classes, which the manifest has in ascending order."""
    try:
        found = sorted(set(read_plan(shelf.settings).classes.values()) - {IGNORE})
    except LabelError:  # the plan was taken away; the manifest serves without it
        found = []
    return found if len(found) == count else list(range(1, count + 1))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
