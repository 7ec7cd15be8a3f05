"""Searching scenes by place, time and platform, and asking what squares they have.

::

    from mosaic_assets.csquares.search import open_index

    with open_index(home / "csquares") as index:
        page = index.search(box=(150, -30, 155, -25), start="2003-06-22", end="2003-06-23")

Scenes are ordered by time, then platform, then id; a scene's **number** is its position in that order. Numbers hold until
the index changes, ids for ever.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import level_of, resolution_of, split_code
from mosaic_assets.core.csquare_codes import encode
from mosaic_assets.csquares.compress import compress
from mosaic_assets.csquares.index import LIST_BITS, index_path, lists_of
from mosaic_assets.csquares.merging import KEY_LEVEL, first_leaf, keys_of, merge_ids
from mosaic_assets.csquares.pairs import codes_of_keys
from mosaic_assets.errors import CodeError, GeometryError, SettingsError, UnknownNameError
from mosaic_assets.store.csquare_db import (
    BITS,
    BLOCK,
    BLOCK_BITS,
    NO_TIME,
    Catalogue,
    CsquareDatabase,
    Scene,
    microseconds,
    open_csquare_db,
    unpack_places,
)

if TYPE_CHECKING:
    from shapely import Geometry

Ints = arrays.Ints
Bools = arrays.Bools


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
    platform: str | None
    """The satellite, exactly as the scenes have it."""


_PLACES = ("codes", "box", "point", "geometry", "scene")
_FILTERS = ("resolution", "start", "end", "platform")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a search's answer."""

    count: int
    """Scenes found, on all pages together."""
    page: int
    limit: int
    scenes: list[Scene]
    """Those on this page, by time, platform and id."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two lists of squares have in common."""

    first: int
    """Squares in the first list, of the resolution asked for."""
    second: int
    both: int
    codes: list[str]
    """The common squares, compressed."""


class SceneIndex:
    """An open index; see `open_index`. For one thread at a time."""

    def __init__(self, db: CsquareDatabase) -> None:
        self._db = db
        self._generation = -1
        self._catalogue = Catalogue(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint16), (), 0)
        self._in_place = True
        self._ids: npt.NDArray[Any] | None = None  # of numpy's StringDType

    def search(self, *, limit: int = 100, page: int = 1, **where: Unpack[Where]) -> Page:
        """Return a page of the scenes that include all or part of a place.

        Parameters
        ----------
        limit : int
            Scenes a page, 0..100,000; 0 counts only.
        page : int
            From 1; beyond the last it is empty.
        **where
            One of ``codes``, ``box``, ``point``, ``geometry``, ``scene``, or none for everywhere; ``resolution``,
            ``start``, ``end``, ``platform``. `Where` explains each.

        Raises
        ------
        CodeError
            Not a c-square, or one smaller than half a degree; a resolution other than 10, 5, 1 and 0.5.
        GeometryError
            A place outside the world, or a geometry that cannot be covered.
        UnknownNameError
            No such scene or platform in the index.
        SettingsError
            Two places at once, an unreadable time, a limit or a page out of range.

        Examples
        --------
        See ``docs/csquares.md``.
        """
        if not (0 <= limit <= 100_000 and page >= 1):
            raise SettingsError(
                f"searching for page {page} of {limit} scenes: expected a page from 1, a limit of 0..100,000"
            )
        with self._state():
            numbers = self._find(where)
            slots = self._catalogue.order[numbers[(page - 1) * limit : page * limit]]
            return Page(len(numbers), page, limit, self._db.scenes(slots) if len(slots) else [])

    def count(self, **where: Unpack[Where]) -> int:
        """Return how many scenes a search finds, without making a list of them. Parameters as for `search`."""
        with self._state():
            low, high = self._range(where)
            held = self._held(where, low, high)
            return high - low if held is None else int(np.count_nonzero(held))

    def numbers(self, **where: Unpack[Where]) -> Ints:
        """Return the numbers of all scenes that a search finds, (n,) int64 ascending. Parameters as for `search`."""
        with self._state():
            return self._find(where)

    def ids(self, **where: Unpack[Where]) -> arrays.Texts:
        """Return the ids of all scenes that a search finds, (n,) text in their order. Parameters as for `search`.

        The first call reads all ids of the index into memory, about 50 ms and 4 MB for 60,000 scenes.
        """
        with self._state():
            found = self._all_ids()[self._catalogue.order[self._find(where)]]
            return found.astype(f"<U{max(1, int(np.strings.str_len(found).max(initial=0)))}")

    def scenes(self, numbers: Ints) -> list[Scene]:
        """Return scenes by their numbers."""
        with self._state():
            return self._db.scenes(self._catalogue.order[numbers])

    def platforms(self) -> list[str]:
        """Return the platforms that scenes of the index have, sorted."""
        with self._state():
            return sorted(self._catalogue.names[number] for number in np.unique(self._catalogue.platforms))

    def squares_of(self, scene: str, resolution: float = 0.5, *, compressed: bool = False) -> list[str]:
        """Return the sorted codes of the squares that a scene includes all or part of.

        Parameters
        ----------
        scene : str
            Its id.
        resolution : float
            10, 5, 1 or 0.5 degrees.
        compressed : bool
            Write ``*`` where whole squares are full.

        Raises
        ------
        UnknownNameError
            No such scene.
        CodeError
            Another resolution.
        """
        level = _level(resolution)
        keys = self.keys_of(scene)
        if compressed and level == KEY_LEVEL:
            return codes_of_keys(keys).tolist()  # type: ignore[no-any-return]
        ids = _ids_at(keys, level)
        codes: list[str] = arrays.codes_of_ids(ids, level).tolist()
        return compress(codes) if compressed else codes

    def keys_of(self, scene: str) -> Ints:
        """Return the keys of a scene's compressed squares, (n,) int64 ascending; the fastest form of `squares_of`.

        Raises
        ------
        UnknownNameError
            No such scene.
        """
        with self._state():
            return self._keys_of(scene)

    def overlap(self, first: str, second: str, resolution: float = 0.5) -> Overlap:
        """Return what the squares of two scenes have in common; `overlap` does it with lists of codes.

        Raises
        ------
        UnknownNameError
            No such scene.
        CodeError
            A resolution other than 10, 5, 1 and 0.5.
        """
        with self._state():
            keys = self._keys_of(first), self._keys_of(second)
        return _overlap(*keys, _level(resolution))

    @contextlib.contextmanager
    def _state(self) -> Iterator[None]:
        """Answer from one state of the index, with a catalogue to match."""
        with self._db.reading():
            generation = self._db.generation()
            if generation != self._generation:
                self._catalogue, self._ids = self._db.catalogue(), None
                self._in_place = self._catalogue.in_place
                self._generation = generation
            yield

    def _find(self, where: Where) -> Ints:
        low, high = self._range(where)
        held = self._held(where, low, high)
        if held is None:
            return np.arange(low, high)
        numbers = np.flatnonzero(held)
        numbers += low
        return numbers

    def _range(self, where: Where) -> tuple[int, int]:
        """Return the first number in a span of time and the one behind the last."""
        start, end = _moment(where.get("start"), "start"), _moment(where.get("end"), "end")
        if start is None and end is None:
            return 0, len(self._catalogue.order)
        # A scene without a time is in no span.
        limits = -NO_TIME if start is None else start, NO_TIME if end is None else end
        low, high = np.searchsorted(self._catalogue.times, limits).tolist()
        return low, max(low, high)

    def _held(self, where: Where, low: int, high: int) -> Bools | None:
        """Return which of the scenes numbered low..high-1 are there and of the platform; None for all."""
        keys = self._keys(where)
        held = None if keys is None else self._holding(keys, low, high)
        if (platform := where.get("platform")) is not None:
            if platform not in self._catalogue.names:
                raise UnknownNameError("platform", platform, self._catalogue.names, "Leave it out to search all.")
            of = self._catalogue.platforms[low:high] == self._catalogue.names.index(platform)
            held = of if held is None else held & of
        if held is not None and (scene := where.get("scene")) is not None:
            held &= self._catalogue.order[low:high] != self._db.slot_of(scene)
        return held

    def _holding(self, keys: Iterable[int], low: int, high: int) -> Bools:
        """Return which of the scenes numbered low..high-1 include all or part of any of some squares."""
        if low == high:
            return np.zeros(0, bool)
        slots = None if self._in_place else self._catalogue.order[low:high]
        if slots is None:
            blocks = list(range(low >> BLOCK_BITS, (high - 1 >> BLOCK_BITS) + 1))
        else:
            blocks = np.unique(slots >> BLOCK_BITS).tolist()
        wanted = {number for key in keys for number in lists_of(key)}
        held = self._read([block << LIST_BITS | number for block in blocks for number in wanted], blocks[0], blocks[-1])
        first = blocks[0] * BLOCK
        return held[low - first : high - first] if slots is None else held[slots - first]

    def _read(self, lists: list[int], first: int, last: int) -> Bools:
        """Return which slots of the blocks first..last are on any of some lists."""
        held: Bools | None = None
        bits = np.zeros((last - first + 1) * (BLOCK // 8), np.uint8)
        for number, kind, packed in self._db.lists(lists):
            block = (number >> LIST_BITS) - first
            if kind == BITS:
                part = bits[block * (BLOCK // 8) :][: len(packed)]
                np.bitwise_or(part, np.frombuffer(packed, np.uint8), out=part)
            else:
                if held is None:
                    held = np.zeros(len(bits) * 8, bool)
                held[block * BLOCK :][unpack_places(kind, packed)] = True
        flags = np.unpackbits(bits, bitorder="little").view(bool)
        return flags if held is None else np.bitwise_or(flags, held, out=held)

    def _keys(self, where: Where) -> Iterable[int] | None:
        """Return the keys of the squares that stand for a place; None for everywhere."""
        if unknown := where.keys() - {*_PLACES, *_FILTERS}:
            raise SettingsError(f"searching by {sorted(unknown)}: expected {', '.join((*_PLACES, *_FILTERS))}")
        places = [name for name in _PLACES if where.get(name) is not None]
        if len(places) > 1:
            raise SettingsError(
                f"searching by {' and '.join(places)} at once: give one place, or join them in a geometry"
            )
        resolution = where.get("resolution")
        level = KEY_LEVEL if resolution is None else _level(resolution)
        if not places:
            return None
        if "scene" in places:
            keys = _keys_of_ids(_ids_at(self._keys_of(where["scene"]), level), level)
            return list(map(int, keys))
        if "codes" in places:
            return keys_of_codes(where["codes"], None if resolution is None else level)
        if "point" in places:
            return [_point_key(where["point"], level)]
        return _area_keys(where["geometry"] if "geometry" in places else where["box"], level)

    def _keys_of(self, scene: str) -> Ints:
        slot = self._db.slot_of(scene)
        if slot is None:
            raise UnknownNameError(
                "scene", scene, f"{len(self._catalogue.order):,} others", "Search for it by place or time."
            )
        return self._db.footprint(slot)

    def _all_ids(self) -> npt.NDArray[Any]:
        """Return the ids of all scenes by slot."""
        if self._ids is None:
            found = self._db.ids()
            self._ids = np.empty(self._catalogue.slots, np.dtypes.StringDType())
            if found:
                slots, ids = zip(*found, strict=True)
                self._ids[list(slots)] = ids
        return self._ids


@contextlib.contextmanager
def open_index(folder: Path) -> Iterator[SceneIndex]:
    """Open the index for searching; close it on leaving. Updates made meanwhile show up in the next search.

    Parameters
    ----------
    folder : Path
        The folder ``csquares`` of the data home.

    Raises
    ------
    DatabaseError
        There is no index yet, or it is damaged, not ours or from a newer version.

    Examples
    --------
    >>> import tempfile; from mosaic_assets.csquares.index import rebuild_index
    >>> folder = Path(tempfile.mkdtemp())
    >>> report = rebuild_index(folder)
    >>> with open_index(folder) as index:
    ...     index.count(box=(150, -30, 155, -25))
    0
    """
    with open_csquare_db(index_path(folder)) as db:
        yield SceneIndex(db)


def overlap(first: Iterable[str], second: Iterable[str], resolution: float = 0.5) -> Overlap:
    """Return what two lists of c-squares have in common, each a list of one area.

    Parameters
    ----------
    first, second : iterable of str
        Codes of 10 to 0.5 degrees, compressed or not, mixed as you like; or one text with ``|`` between codes.
    resolution : float
        Size of the squares that are counted: 10, 5, 1 or 0.5 degrees. Smaller squares count as the one around them.

    Raises
    ------
    CodeError
        Not a code, or of another size.

    Examples
    --------
    >>> overlap(["3414:1**:*"], ["3414:100", "3415:100:1"])
    Overlap(first=100, second=5, both=4, codes=['3414:100:*'])
    """
    a, b = (np.array(keys_of_codes(codes), np.int64) for codes in (first, second))
    return _overlap(a, b, _level(resolution))


def _overlap(first: Ints, second: Ints, level: int) -> Overlap:
    a, b = _ids_at(first, level), _ids_at(second, level)
    both = np.intersect1d(a, b, assume_unique=True)
    codes = compress(arrays.codes_of_ids(both, level).tolist()) if len(both) else []
    return Overlap(len(a), len(b), len(both), codes)


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


def _level(resolution: float) -> int:
    level = level_of(resolution)
    if level > KEY_LEVEL:
        raise CodeError(
            f"asking for squares of {resolution} degrees: scenes are indexed at 10, 5, 1 and 0.5; use one of these"
        )
    return level


def _ids_at(keys: Ints, level: int) -> Ints:
    """Return the ids, ascending, of the squares of a level that meet the squares of some keys."""
    totals = np.array([arrays.total_of(step) for step in range(KEY_LEVEL + 1)])
    first, own = (keys >> 2) // (totals[KEY_LEVEL] // totals[level]), keys & 3
    counts = np.maximum(totals[level] // totals[own], 1)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.unique(np.repeat(first, counts) + within)


def _keys_of_ids(ids: Ints, level: int) -> Ints:
    """Return the keys of the fewest squares that some ids, ascending, make up."""
    squares, levels = merge_ids(ids, level)
    first = np.zeros_like(squares)
    for step in range(level + 1):
        which = levels == step
        first[which] = first_leaf(squares[which], step, level)
    return keys_of(first, levels, level)


def _point_key(point: Sequence[float], level: int) -> int:
    if len(point) != 2:
        raise GeometryError(f"searching at the point {point!r}: expected lng, lat in degrees; give two numbers")
    return _key(encode(point[0], point[1], resolution_of(level)))


def _area_keys(place: Geometry | Sequence[float], level: int) -> list[int]:
    """Return the keys of the squares of a level that a box or a geometry covers."""
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


def _moment(value: datetime | str | None, name: str) -> int | None:
    """Return a moment as microseconds since 1970."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"searching with {name}={value!r}: expected a datetime or ISO 8601 text such as 2003-06-21T06:23; write it so"
        ) from error
