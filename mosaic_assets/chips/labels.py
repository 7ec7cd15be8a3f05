"""Labels become polygons on the imagery's plane, each with a class; whatever cannot be used is named with the reason.

A label that is not used as it stands never becomes background in silence: it is repaired, its pixels are ignored, or it is
dropped, with a row in the rejects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.chips.label_files import read_file, with_crs
from mosaic_assets.chips.records import HIGHEST_CLASS, IGNORE, Reject
from mosaic_assets.errors import LabelError

if TYPE_CHECKING:
    import geopandas as gpd

    from mosaic_assets.settings import Chips

MOST_SPLITS = 8
"""More values than this are names of places, not of splits."""


@dataclass(frozen=True)
class Labels:
    """The labels of a data set, in the CRS they were asked for."""

    frame: gpd.GeoDataFrame
    """Columns ``number`` (row in the file), ``label`` (class, or 255), ``split`` ("" unless taken from a column), ``geometry``
    (valid, not empty, of polygons). Sorted so that what is drawn later lies above: large ones first."""
    classes: dict[str, int]
    """Class number by name."""
    rejects: tuple[Reject, ...]
    found: int
    """Rows in the file."""


def load_labels(chips: Chips, crs: str) -> Labels:
    """Read the labels of the settings, or make parcels up where they name none, and project them.

    Parameters
    ----------
    chips
        `labels`, `label_crs`, `class_column`, `classes`, `split` and `split_column` are used.
    crs
        Of the result: that of the imagery.

    Raises
    ------
    LabelError
        An unreadable or unknown file, no CRS, a missing column, no usable label.
    """
    if chips.labels is not None:
        frame = with_crs(read_file(chips.labels), chips.labels, chips.label_crs)
    elif chips.imagery == "embedded":
        from mosaic_assets.chips.embedded import made_up_parcels

        frame = made_up_parcels()
    else:
        raise LabelError(
            f"chips of {chips.imagery} imagery need labels, and chips.labels names none; set it to a file of polygons"
        )
    return tidy(frame, chips, crs)


def tidy(frame: gpd.GeoDataFrame, chips: Chips, crs: str) -> Labels:
    """Mend, project and classify labels.

    Raises
    ------
    LabelError
        A missing column, a class outside 1..254, more splits than a data set has, or nothing left.
    """
    import geopandas as gpd
    import shapely

    rejects: list[Reject] = []
    numbers = np.arange(len(frame))
    shapes = _mended(np.asarray(frame.geometry.values, dtype=object), numbers, rejects)
    shapes = _projected(shapes, numbers, frame.crs, crs, rejects)
    classes, labels = _classified(frame, chips, rejects)
    splits = _splits(frame, chips, labels, rejects)
    usable = np.array([shape is not None for shape in shapes], bool)
    if not usable.any():
        reasons = sorted({reject.reason for reject in rejects})[:3]
        raise LabelError(
            f"none of {len(frame)} labels in {chips.labels} can be used: {'; '.join(reasons) or 'the file is empty'}. "
            "Chips need polygons; buffer points and lines first"
        )
    content = {"number": numbers[usable], "label": labels[usable], "split": splits[usable]}
    tidied = gpd.GeoDataFrame(content, geometry=list(shapes[usable]), crs=crs)
    # Large ones first, so that a house in a farm is seen; ties by row, so that the same file gives the same pixels.
    areas = shapely.area(tidied.geometry.values)
    tidied = tidied.iloc[np.lexsort((tidied["number"], -areas))].reset_index(drop=True)
    order = sorted(rejects, key=lambda reject: (reject.row, reject.action, reject.reason))
    return Labels(tidied, classes, tuple(order), len(frame))


def _mended(shapes: Any, numbers: Any, rejects: list[Reject]) -> Any:
    """Return valid polygons, None where there are none."""
    import shapely

    mended = np.empty(len(shapes), dtype=object)
    for number, shape in zip(numbers.tolist(), shapes, strict=True):
        if shape is None or shape.is_empty:
            rejects.append(Reject(number, "dropped", "an empty or unreadable geometry"))
            continue
        valid = shape if shape.is_valid else shapely.make_valid(shape)
        areas = _areas(valid)
        if areas is None:
            reason = (
                f"a {shape.geom_type} has no area"
                if shape.is_valid
                else f"{shapely.is_valid_reason(shape)}: no area left"
            )
            rejects.append(Reject(number, "dropped", reason))
            continue
        if not shape.is_valid:
            rejects.append(Reject(number, "repaired", shapely.is_valid_reason(shape)))
        elif shape.geom_type == "GeometryCollection":
            rejects.append(Reject(number, "repaired", "of a GeometryCollection, the polygons"))
        mended[number] = shapely.force_2d(areas)
    return mended


def _areas(shape: Any) -> Any:
    """Return the polygons of a valid geometry, as one; None when there are none."""
    import shapely

    # Twice: a collection may hold multipolygons.
    parts = shapely.get_parts(shapely.get_parts([shape]))
    areas = [part for part in parts if part.geom_type == "Polygon" and part.area > 0]
    if not areas:
        return None
    return areas[0] if len(areas) == 1 else shapely.union_all(areas)


def _projected(shapes: Any, numbers: Any, given: Any, crs: str, rejects: list[Reject]) -> Any:
    """Project polygons; a place that the CRS does not hold gives None."""
    import geopandas as gpd
    import shapely

    there = gpd.GeoSeries(shapes, crs=given).to_crs(crs)
    projected = np.asarray(there.values, dtype=object)
    for number in numbers[[shape is not None for shape in shapes]].tolist():
        shape = projected[number]
        if not np.isfinite(shapely.get_coordinates(shape)).all():
            rejects.append(Reject(number, "dropped", "lies where the imagery's CRS has no coordinates"))
            projected[number] = None
        elif not shape.is_valid:  # rounding may fold a sliver over, or leave nothing of it
            projected[number] = _areas(shapely.make_valid(shape))
            if projected[number] is None:
                rejects.append(Reject(number, "dropped", "no area is left in the imagery's CRS"))
    return projected


def _classified(frame: Any, chips: Chips, rejects: list[Reject]) -> tuple[dict[str, int], Any]:
    """Return the class numbers by name, and one a row; values that the map lacks are ignored pixels, not background."""
    if not chips.class_column:
        return {"label": 1}, np.ones(len(frame), np.int64)
    values = _column(frame, chips.class_column, "chips.class_column")
    classes = dict(chips.classes) or {name: at for at, name in enumerate(sorted(set(values) - {""}), 1)}
    if max(classes.values(), default=0) > IGNORE or (not chips.classes and len(classes) > HIGHEST_CLASS):
        raise LabelError(
            f"the column {chips.class_column!r} has {len(classes)} values, but a label band holds classes 1 to {HIGHEST_CLASS}; "
            "map them to fewer with chips.classes"
        )
    for row, value in enumerate(values):
        if value not in classes:
            rejects.append(
                Reject(row, "ignored", f"class {value!r} is not in chips.classes" if value else "it has no class")
            )
    return classes, np.array([classes.get(value, IGNORE) for value in values], np.int64)


def _splits(frame: Any, chips: Chips, labels: Any, rejects: list[Reject]) -> Any:
    """Return the split of every label, "" where blocks decide; without one, its pixels are ignored."""
    if chips.split == "blocks":
        return np.full(len(frame), "", dtype=object)
    values = np.array(_column(frame, chips.split_column, "chips.split_column"), dtype=object)
    names = sorted(set(values.tolist()) - {""})
    if len(names) > MOST_SPLITS or not names:
        raise LabelError(
            f"the column {chips.split_column!r} has {len(names)} different values; expected names of 1 to {MOST_SPLITS} splits, "
            "as in train, validation, test. Name another column with chips.split_column, or set chips.split to blocks"
        )
    for name in names:
        if not all(letter.isalnum() or letter in "-_" for letter in name):
            raise LabelError(
                f"the split {name!r} cannot be a folder; use letters, digits, - and _ in {chips.split_column!r}"
            )
    for row in np.flatnonzero(values == "").tolist():
        labels[row] = IGNORE
        rejects.append(Reject(row, "ignored", f"its {chips.split_column!r} is empty"))
    return values


def _column(frame: Any, name: str, setting: str) -> list[str]:
    """Return a column as texts, "" for none."""
    if name not in frame.columns or name == frame.geometry.name:
        columns = ", ".join(map(str, frame.columns.drop(frame.geometry.name))) or "none"
        remedy = ", or set chips.split to blocks" if setting == "chips.split_column" else ""
        raise LabelError(
            f"labels have no column {name!r}, which {setting} names; there are: {columns}. Change it{remedy}"
        )
    values = frame[name]
    return ["" if missing else _as_text(value) for value, missing in zip(values, values.isna(), strict=True)]


def _as_text(value: Any) -> str:
    """Write a value as people do: a whole number has no .0, whatever the file made of it."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip()
