"""What a search asks for, and the squares that stand for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import level_of, resolution_of, split_code
from mosaic_assets.core.csquare_codes import encode
from mosaic_assets.csquares.compress import compress
from mosaic_assets.csquares.merging import KEY_LEVEL, first_leaf, keys_of, merge_ids
from mosaic_assets.errors import CodeError, GeometryError, SettingsError
from mosaic_assets.store.csquare_records import microseconds

if TYPE_CHECKING:
    from shapely import Geometry

Ints = arrays.Ints


class Where(TypedDict, total=False):
    """What a search asks for: one place or none, and filters."""

    codes: str | Iterable[str]
    """C-squares of 10, 5, 1 or 0.5 degrees, compressed or not, mixed as you like."""
    box: Sequence[float]
    """``west, south, east, north``, degrees. West greater than east goes over the date line; a side of no length is a line."""
    point: Sequence[float]
    """``lng, lat``, degrees."""
    geometry: Geometry
    """A shapely geometry, longitude and latitude; see `mosaic_assets.csquares.cover`."""
    scene: str
    """The id of a scene: all others that share squares with it."""
    resolution: float | None
    """Size of the squares that stand for the place: 10, 5, 1 or 0.5 degrees. By default 0.5, and codes as they are."""
    start: datetime | str | None
    """First moment, included; ISO text may be used. Without a zone it is UTC."""
    end: datetime | str | None
    """Moment behind the last, not included."""
    platform: str | Sequence[str] | None
    """The satellite, exactly as the scenes have it, or several of them; of none of them nothing is found."""


_PLACES = ("codes", "box", "point", "geometry", "scene")
_FILTERS = ("resolution", "start", "end", "platform")
_WORDS = frozenset((*_PLACES, *_FILTERS))


def place_of(where: Mapping[str, object]) -> str | None:
    """Return which kind of place a search names; None for everywhere.

    Raises
    ------
    SettingsError
        Two kinds at once, or a word that means nothing here.

    Examples
    --------
    >>> place_of({"point": (147.3, -42.8), "platform": "NOAA-12"})
    'point'
    """
    places = []
    for name, value in where.items():
        if name not in _WORDS:
            raise SettingsError(f"searching by {name!r}: expected {', '.join((*_PLACES, *_FILTERS))}")
        if value is not None and name in _PLACES:
            places.append(name)
    if len(places) > 1:
        raise SettingsError(
            f"searching by {' and '.join(sorted(places))} at once: give one place, or join them in a geometry"
        )
    return places[0] if places else None


def keys_of_place(where: Where, keys_of_scene: Callable[[str], Ints]) -> list[int] | None:
    """Return the keys of the squares that stand for the place of a search; None for everywhere.

    Parameters
    ----------
    where : Where
    keys_of_scene : callable
        Gives the keys of a scene's compressed squares by its id.

    Raises
    ------
    CodeError
        Not a c-square, or one smaller than half a degree; a resolution other than 10, 5, 1 and 0.5.
    GeometryError
        A place outside the world, or a geometry that cannot be covered.
    SettingsError
        Two places at once, or a word that means nothing here.

    Examples
    --------
    >>> keys_of_place({"point": (0.1, 0.1), "resolution": 10}, lambda scene: np.zeros(0, np.int64))
    [0]
    """
    place, resolution = place_of(where), where.get("resolution")
    level = level_at(resolution)
    if place is None:
        return None
    if place == "codes":
        return keys_of_codes(where["codes"], None if resolution is None else level)
    if place == "point":
        return [point_key(where["point"], level)]
    if place == "scene":
        found: list[int] = keys_of_ids(ids_at(keys_of_scene(where["scene"]), level), level).tolist()
        return found
    return area_keys(where["geometry"] if place == "geometry" else where["box"], level)


def level_at(resolution: float | None) -> int:
    """Return the level of a size that scenes are indexed at; that of the smallest for None.

    Raises
    ------
    CodeError
        Another size than 10, 5, 1 and 0.5 degrees.
    """
    level = KEY_LEVEL if resolution is None else level_of(resolution)
    if level > KEY_LEVEL:
        raise CodeError(
            f"asking for squares of {resolution} degrees: scenes are indexed at 10, 5, 1 and 0.5; use one of these"
        )
    return level


def keys_of_codes(codes: str | Iterable[str], level: int | None = None) -> list[int]:
    """Return the keys of the fewest squares that cover a list of codes; see `mosaic_assets.csquares.merging.keys_of`.

    Parameters
    ----------
    codes : str or iterable of str
        Codes of 10 to 0.5 degrees, with wildcards or without; in one text ``|`` stands between them.
    level : int, optional
        Smaller squares are taken as the square of this level around them.

    Raises
    ------
    CodeError
        Not a code, or a square smaller than half a degree.

    Examples
    --------
    >>> keys_of_codes("1000:101:1"), keys_of_codes(["1000:1**:*", "1000:1"]), keys_of_codes("1000:101:1", 0)
    ([19], [1], [0])
    """
    texts = codes.split("|") if isinstance(codes, str) else list(codes)
    if len(texts) == 1 and "*" not in texts[0] and "%" not in texts[0]:
        split_code(texts[0])  # says what is wrong, if anything
    else:
        texts = [text.rstrip(":*") for text in compress(texts)]
    if level is not None:
        texts = [text[: 4 + 2 * level] for text in texts]
    return sorted({_key(text) for text in texts})


def _key(code: str) -> int:
    """Return the key of one sound code; some 50 times as fast for one as arrays are."""
    level = (len(code) - 4) // 2
    if level > KEY_LEVEL:
        raise CodeError(
            f"searching by {code!r}: scenes are indexed by squares of half a degree and no smaller; "
            "pass the square around it, parent(code, 0.5)"
        )
    number = (int(code[0]) - 1) // 2 * 162 + int(code[1]) * 18 + int(code[2:4])
    number = number * 4 + (int(code[5]) - 1 if level else 0)
    number = number * 25 + (int(code[6]) % 5 * 5 + int(code[7]) % 5 if level > 1 else 0)
    number = number * 4 + (int(code[9]) - 1 if level > 2 else 0)
    return 4 * number + level


def ids_at(keys: Ints, level: int) -> Ints:
    """Return the ids, ascending, of the squares of a level that meet the squares of some keys.

    Examples
    --------
    >>> ids_at(np.array([2, 19]), 3), ids_at(np.array([2, 19]), 0)
    (array([0, 1, 2, 3, 4]), array([0]))
    """
    totals = np.array([arrays.total_of(step) for step in range(KEY_LEVEL + 1)])
    first, own = (keys >> 2) // (totals[KEY_LEVEL] // totals[level]), keys & 3
    counts = np.maximum(totals[level] // totals[own], 1)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.unique(np.repeat(first, counts) + within)


def keys_of_ids(ids: Ints, level: int) -> Ints:
    """Return the keys of the fewest squares that some ids, ascending, make up.

    Examples
    --------
    >>> keys_of_ids(np.array([0, 1, 2, 3, 4]), 3)
    array([ 2, 19])
    """
    squares, levels = merge_ids(ids, level)
    first = np.zeros_like(squares)
    for step in range(level + 1):
        which = levels == step
        first[which] = first_leaf(squares[which], step, level)
    return keys_of(first, levels, level)


def point_key(point: Sequence[float], level: int) -> int:
    """Return the key of the square of a level that owns a point, ``lng, lat``.

    Raises
    ------
    GeometryError
        Not a point, or not one of this world.

    Examples
    --------
    >>> point_key((0.1, 0.1), 3)
    3
    """
    if len(point) != 2:
        raise GeometryError(f"searching at the point {point!r}: expected lng, lat in degrees; give two numbers")
    return _key(encode(point[0], point[1], resolution_of(level)))


def area_keys(place: Geometry | Sequence[float], level: int) -> list[int]:
    """Return the keys of the squares of a level that a box or a geometry covers.

    Raises
    ------
    GeometryError
        Outside the world, or a geometry that cannot be covered.

    Examples
    --------
    >>> area_keys((0, 0, 1, 0.5), 3)
    [3, 7]
    """
    from mosaic_assets.csquares.cover import cover_many

    if isinstance(place, Sequence) and not isinstance(place, str):
        # The edges of a box are as long as they say, whatever is the short way round.
        covers = cover_many(_parts_of_box(place), resolution_of(level), long_edges="as_drawn")
    else:
        covers = cover_many([place], resolution_of(level))
    keys: list[int] = np.unique(covers.compressed_keys()[1]).tolist()
    return keys


def _parts_of_box(box: Sequence[float]) -> list[Geometry]:
    """Return a box as geometries, two when it goes over the date line."""
    from shapely import LineString, Point
    from shapely import box as rectangle

    if len(box) != 4 or not (abs(box[0]) <= 180 and abs(box[2]) <= 180 and -90 <= box[1] <= box[3] <= 90):
        raise GeometryError(
            f"searching in the box {tuple(box)}: expected west, south, east, north in degrees, longitudes in -180..180, "
            "latitudes in -90..90 and south not above north; west may exceed east over the date line"
        )
    west, south, east, north = map(float, box)
    over = [(a, b) for a, b in ((west, 180.0), (-180.0, east)) if a < b]
    sides = over if west > east else [(west, east)]
    if any(a == b for a, b in sides) or south == north:  # without area: the squares that own the line or the point
        return [Point(a, south) if (a, south) == (b, north) else LineString([(a, south), (b, north)]) for a, b in sides]
    return [rectangle(a, south, b, north) for a, b in sides]


def moment_of(value: datetime | str | None, name: str) -> int | None:
    """Return a moment as microseconds since 1970 UTC, which a moment without a zone is taken to be in.

    Raises
    ------
    SettingsError
        It cannot be read; ``name`` is what the search calls it.

    Examples
    --------
    >>> moment_of("1970-01-01T00:00:01", "start")
    1000000
    """
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        return microseconds(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"searching with {name}={value!r}: expected a datetime or ISO 8601 text such as 2003-06-21T06:23; write it so"
        ) from error
