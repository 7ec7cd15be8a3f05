"""Squares as others draw them: the codes and boxes of whole squares, outlines, GeoJSON.

Everything starts from **keys**, as the index keeps them (`mosaic_assets.csquares.merging`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import decode_code
from mosaic_assets.core.csquare_codes import decode
from mosaic_assets.csquares.merging import KEY_LEVEL
from mosaic_assets.csquares.pairs import codes_of_keys
from mosaic_assets.csquares.places import ids_at

if TYPE_CHECKING:
    from shapely import Geometry

Ints = arrays.Ints
_FEW = 16
"""Codes up to which one by one is faster than an array."""
Bounds = tuple[float, float, float, float]
"""West, south, east, north, degrees."""


def whole_codes(codes: Sequence[str]) -> list[str]:
    """Return the squares that compressed codes stand for, each by the code of its own size.

    Examples
    --------
    >>> whole_codes(["3414:***:*", "3414:1**:*", "3414:100:*", "3414:227:4"])
    ['3414', '3414:1', '3414:100', '3414:227:4']
    """
    return [code.rstrip(":*") for code in codes]


def code_of_key(key: int) -> str:
    """Return the code of the square that one key stands for; some 50 times as fast for one as arrays are.

    Examples
    --------
    >>> [code_of_key(key) for key in (0, 1, 2, 19)]
    ['1000', '1000:1', '1000:100', '1000:101:1']
    """
    level = key & 3
    rest, half = divmod(key >> 2, 4)
    rest, one = divmod(rest, 25)
    rest, five = divmod(rest, 4)
    quadrant, ten = divmod(rest, 162)
    lat, lng = one // 5 + five // 2 * 5, one % 5 + five % 2 * 5
    code = f"{2 * quadrant + 1}{ten // 18}{ten % 18:02d}:{five + 1}{lat}{lng}:{half + 1}"
    return code[: 4 + 2 * level]


def boxes_of(codes: Sequence[str]) -> list[list[float]]:
    """Return ``[west, south, east, north]`` of squares, degrees; of a compressed code the whole square it stands for.

    Raises
    ------
    CodeError
        Something is not a code.

    Examples
    --------
    >>> boxes_of(["3414:1**:*", "1000"])
    [[140.0, -45.0, 145.0, -40.0], [0.0, 0.0, 10.0, 10.0]]
    """
    if not codes:
        return []
    whole = whole_codes(codes)
    if len(whole) <= _FEW:
        return [list(decode_code(code)[:4]) for code in whole]
    squares = decode(np.array(whole))
    boxes: list[list[float]] = np.stack(squares[:4], axis=1).tolist()
    return boxes


def bounds_of(keys: Ints) -> Bounds:
    """Return the narrowest box around squares; it goes over the date line, west above east, where that is narrower.

    Parameters
    ----------
    keys : (n,) int64
        One square at least.

    Examples
    --------
    >>> from mosaic_assets.csquares.places import keys_of_codes
    >>> bounds_of(np.array(keys_of_codes(["1117:209", "7117:209"]))), bounds_of(np.array([0]))
    ((179.0, 10.0, -179.0, 11.0), (0.0, 0.0, 10.0, 10.0))
    """
    row, col = arrays.cells_of_ids(ids_at(keys, KEY_LEVEL), KEY_LEVEL)
    south, north = float(row.min()) / 2, float(row.max() + 1) / 2
    columns = np.unique(col)
    gaps = np.diff(columns, append=columns[:1] + 720)
    widest = int(np.argmax(gaps))
    if gaps[widest] == 1:
        return -180.0, south, 180.0, north
    west, east = float(columns[(widest + 1) % len(columns)]) / 2, float(columns[widest] + 1) / 2
    return west, south, east, north


def outline_of(keys: Ints) -> Geometry:
    """Return the outline of squares, cut at the date line; outer rings run counter-clockwise, as GeoJSON has them.

    Parameters
    ----------
    keys : (n,) int64
        Of compressed squares; about 3 ms for a scene of 700.

    Examples
    --------
    >>> outline_of(np.array([0])).wkt
    'POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0))'
    """
    import shapely

    row, col = arrays.cells_of_ids(ids_at(keys, KEY_LEVEL), KEY_LEVEL)
    first = (int(row.min()), int(col.min())) if len(row) else (0, 0)
    held = np.zeros((int(row.max(initial=0)) - first[0] + 1, int(col.max(initial=0)) - first[1] + 3), np.int8)
    held[row - first[0], col - first[1] + 1] = 1
    # A run of squares in a row is one box: some hundred boxes in place of thousands.
    steps = np.diff(held, axis=1)
    (rows, starts), (_, ends) = (steps == 1).nonzero(), (steps == -1).nonzero()
    west, east, south = (part / 2 for part in (starts + first[1], ends + first[1], rows + first[0]))
    joined = shapely.union_all(shapely.box(west, south, east, south + 0.5))
    return shapely.orient_polygons(shapely.simplify(joined, 0))


def feature(number: str, keys: Ints, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scene as GeoJSON; its property ``csquares`` is the compressed list.

    The index knows squares, not footprints: their outline is as true as the search is.

    Parameters
    ----------
    number : str
        The scene's id.
    keys : (n,) int64
        Of its compressed squares.
    properties : mapping
        All else that is known of it.
    """
    from shapely.geometry import mapping

    return {
        "type": "Feature",
        "id": number,
        "geometry": mapping(outline_of(keys)),
        "properties": {**properties, "csquares": "|".join(codes_of_keys(keys).tolist())},
    }


def collection(count: int, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return features as a collection that says how many there are on all pages."""
    return {
        "type": "FeatureCollection",
        "numberMatched": count,
        "numberReturned": len(features),
        "features": list(features),
    }
