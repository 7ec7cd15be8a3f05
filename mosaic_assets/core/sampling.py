"""Which tiles of a place come next: seeded, repeat-free, every square kilometre with the same chance.

A place has one sequence of tiles for a zoom and a seed: the order in which tiles are first hit by points thrown
evenly on the sphere. A plan is a slice of it. Two ways lead there, chosen by the place and zoom alone:

* Of up to `ENUMERATE_LIMIT` tiles, all are listed with the area that lies in the place, and put in order by the
  keys of Efraimidis and Spirakis (https://doi.org/10.1016/j.ipl.2005.11.003), which follow the very distribution
  of first hits. The sequence holds every tile of the place once.
* Of more, points are thrown. The sequence ends after `MAX_POINTS`, since the last tiles would take for ever.

Both start from a cover: tiles of any zoom up to the one asked for, apart from each other, that hold the place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.core.tiles import MAX_LAT, bounds_of, tile_area, tiles_at
from mosaic_assets.errors import GeometryError

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon

ENUMERATE_LIMIT = 250_000
"""Tiles up to which a place is listed in full."""

MAX_POINTS = 1 << 22
"""Points after which a thrown sequence ends; 16 for each tile of the smallest place that is not listed."""

_BLOCKS = 512  # a cover for throwing is fine enough with this many tiles ...
_MAX_PARTIAL = 4_000  # ... and too costly to refine with so many on the place's edge
_TOUCH = 1e-9  # a tile with a smaller share inside touches the place by rounding only
_CHUNK = 1 << 16  # points thrown at a time; of no influence on the result

_Ints = NDArray[np.int64]


class _Cover(NamedTuple):
    """Disjoint tiles that hold a place; arrays of one length."""

    x: _Ints
    y: _Ints
    level: _Ints
    share: NDArray[np.float64]
    """Part inside the place, of the area in degrees, 0..1; exactly 1 for a tile known to lie inside."""

    def tiles(self, zoom: int) -> _Ints:
        """Tiles of a zoom below each."""
        return np.left_shift(1, 2 * (zoom - self.level), dtype=np.int64)

    def complete(self, zoom: int) -> bool:
        """Whether it lists the place's tiles, and few enough of them."""
        listed = (self.share == 1) | (self.level == zoom)
        return bool(listed.all()) and int(self.tiles(zoom).sum()) <= ENUMERATE_LIMIT


def plan_tiles(geometry: Polygon | MultiPolygon, zoom: int, *, seed: int, start: int, count: int) -> list[Tile]:
    """Take elements ``start`` to ``start + count`` of a place's sequence, as tiles; see `plan_places`.

    Examples
    --------
    >>> import shapely
    >>> tasmania = shapely.box(144.6, -43.7, 148.4, -40.6)
    >>> plan_tiles(tasmania, 15, seed=1, start=1000, count=1)
    [Tile(x=29772, y=20455, z=15)]
    """
    return [Tile(x, y, zoom) for x, y in plan_places(geometry, zoom, seed=seed, start=start, count=count).tolist()]


def plan_places(geometry: Polygon | MultiPolygon, zoom: int, *, seed: int, start: int, count: int) -> NDArray[np.int64]:
    """Take elements ``start`` to ``start + count`` of the sequence that a place has for a zoom and a seed.

    Parameters
    ----------
    geometry : the place, lng and lat in degrees; what lies beyond latitude 85.0511 has no tiles and is cut off.
    zoom : 0..30.
    seed : 0 or more.
    start : elements to skip, 0 or more.
    count : elements to take, 0 or more.

    Returns
    -------
    int64 (n, 2), x and y of different tiles whose inside meets the place's, on every machine the same. Fewer than
    ``count``, or none, when the sequence ends: the place has no further tiles, or 4 million points have been thrown at
    a large one.

    Raises
    ------
    GeometryError
        The place is no valid polygon with an area inside the world, or the zoom out of range.
    ValueError
        A negative seed, start or count.

    Examples
    --------
    >>> import shapely
    >>> tasmania = shapely.box(144.6, -43.7, 148.4, -40.6)
    >>> plan_places(tasmania, 15, seed=1, start=1000, count=1)
    array([[29772, 20455]])
    """
    if min(seed, start, count) < 0:
        raise ValueError(f"planning tiles with seed {seed}, start {start}, count {count}; none may be negative")
    cover = _cover(_checked(geometry), zoom)
    stream = np.random.PCG64(np.random.SeedSequence([zoom, seed]))
    if not count or not len(cover.x):
        return np.empty((0, 2), np.int64)
    complete = cover.complete(zoom)
    keys = _ordered(cover, zoom, stream) if complete else _thrown(geometry, cover, zoom, stream, start + count)
    y, x = np.divmod(keys[start : start + count], 1 << zoom)
    return np.stack([x, y], axis=1)


def count_tiles(geometry: Polygon | MultiPolygon, zoom: int) -> int:
    """Count the tiles of a place.

    Exact up to `ENUMERATE_LIMIT`; above, an estimate that is too low by about half the tiles on the place's edge.
    Raises `GeometryError` as `plan_tiles` does.

    Examples
    --------
    >>> import shapely
    >>> count_tiles(shapely.box(-180, -90, 180, 90), 3)
    64
    """
    cover = _cover(_checked(geometry), zoom)
    tiles = cover.tiles(zoom)
    return int(tiles.sum() if cover.complete(zoom) else np.rint((tiles * cover.share).sum()))


def _checked(geometry: Any) -> Polygon | MultiPolygon:
    import shapely

    kind = getattr(geometry, "geom_type", type(geometry).__name__)
    if kind not in ("Polygon", "MultiPolygon"):
        raise GeometryError(f"planning tiles of a {kind}; give a Polygon or MultiPolygon in lng, lat")
    if not geometry.is_valid:
        reason = shapely.is_valid_reason(geometry)
        raise GeometryError(f"planning tiles of an invalid {kind}: {reason}; mend it, for example with make_valid")
    if not geometry.area > 0:
        raise GeometryError(f"planning tiles of a {kind} without area; give a place with an inside, in degrees")
    west, south, east, north = geometry.bounds
    if not (west >= -180 and south >= -90 and east <= 180 and north <= 90):
        raise GeometryError(
            f"planning tiles of a place with bounds {geometry.bounds}; expected lng in -180..180 and lat in -90..90: "
            "check their order, and cut at the date line what crosses it"
        )
    return geometry


def _cover(place: Polygon | MultiPolygon, zoom: int) -> _Cover:
    """Cover a place: with all its tiles where `ENUMERATE_LIMIT` allows, else with coarser ones."""
    return _cover_box(place.bounds, zoom) if place.equals(place.envelope) else _cover_polygon(place, zoom)


def _cover_box(bounds: tuple[float, float, float, float], zoom: int) -> _Cover:
    west, south, east, north = bounds
    columns, rows = tiles_at([west, east], np.clip([north, south], -MAX_LAT, MAX_LAT), zoom)
    up, limit = 0, ENUMERATE_LIMIT
    while (np.ptp(columns >> up) + 1) * (np.ptp(rows >> up) + 1) > limit:
        up, limit = up + 1, _BLOCKS
    x, y = (np.arange(first, last + 1) for first, last in (columns >> up, rows >> up))
    left, _, right, _ = bounds_of(x, 0, zoom - up)
    _, bottom, _, top = bounds_of(0, y, zoom - up)
    share = np.outer(_overlap(bottom, top, south, north), _overlap(left, right, west, east)).ravel()
    met = np.flatnonzero(share > (0 if up else _TOUCH))
    return _Cover(x[met % len(x)], y[met // len(x)], np.full(len(met), zoom - up), share[met])


def _overlap(low: NDArray[np.float64], high: NDArray[np.float64], start: float, stop: float) -> NDArray[np.float64]:
    """Part of each interval that lies between start and stop, 0..1, exactly 1 for a whole one."""
    return np.maximum(0.0, (np.minimum(high, stop) - np.maximum(low, start)) / (high - low))


def _cover_polygon(place: Polygon | MultiPolygon, zoom: int) -> _Cover:
    """Descend the pyramid with the pieces of the place, so that no tile looks at more of it than it holds."""
    x = y = np.zeros(1, np.int64)
    pieces, found = np.array([place], object), []
    for level in range(zoom + 1):
        met, pieces = _cut(x, y, level, pieces)
        whole = met.share == 1
        found.append(_select(met, whole))
        partial, pieces = _select(met, ~whole), pieces[~whole]
        if level == zoom or _fine_enough(found, len(partial.x), zoom):
            break
        x = (2 * partial.x[:, None] + (0, 1, 0, 1)).ravel()
        y = (2 * partial.y[:, None] + (0, 0, 1, 1)).ravel()
        pieces = pieces.repeat(4)
    touched = partial.share > (_TOUCH if level == zoom else 0)
    return _joined([*found, _select(partial, touched)])


def _cut(x: _Ints, y: _Ints, level: int, pieces: NDArray[np.object_]) -> tuple[_Cover, NDArray[np.object_]]:
    """Cut each piece to its tile; those without area are left out."""
    import shapely

    cells = shapely.box(*bounds_of(x, y, level))
    parts = shapely.intersection(pieces, cells)
    mixed = shapely.get_type_id(parts) == shapely.GeometryType.GEOMETRYCOLLECTION
    # Where edges run along each other, lines and points come with the polygons and would spoil the next cut.
    parts[mixed] = [shapely.union_all([part for part in one.geoms if part.area]) for one in parts[mixed]]
    share = np.minimum(shapely.area(parts) / shapely.area(cells), np.nextafter(1.0, 0.0))
    near = np.flatnonzero(share > 0.999)
    share[near[shapely.covers(pieces[near], cells[near])]] = 1.0
    met = _Cover(x, y, np.full(len(x), level), share)
    return _select(met, share > 0), parts[share > 0]


def _fine_enough(found: list[_Cover], partial: int, zoom: int) -> bool:
    """Whether refining further would neither list the place nor make throwing much cheaper."""
    inside = sum(int(cover.tiles(zoom).sum()) for cover in found)
    blocks = partial + sum(len(cover.x) for cover in found)
    return (inside > ENUMERATE_LIMIT and blocks >= _BLOCKS) or partial > _MAX_PARTIAL


def _select(cover: _Cover, chosen: NDArray[np.bool_]) -> _Cover:
    return _Cover(cover.x[chosen], cover.y[chosen], cover.level[chosen], cover.share[chosen])


def _joined(covers: list[_Cover]) -> _Cover:
    x, y, level, share = (np.concatenate(columns) for columns in zip(*covers, strict=True))
    return _Cover(x, y, level, share)


def _expanded(cover: _Cover, zoom: int) -> tuple[_Ints, NDArray[np.float64]]:
    """Keys (y * 2**zoom + x, ascending) and shares of the tiles of one zoom below a cover."""
    blocks = []
    for level in np.unique(cover.level).tolist():
        part, side = _select(cover, cover.level == level), np.arange(1 << (zoom - level))
        x = (part.x[:, None] << (zoom - level)) + np.tile(side, len(side))
        y = (part.y[:, None] << (zoom - level)) + np.repeat(side, len(side))
        blocks.append(((y << zoom) + x, np.repeat(part.share[:, None], x.shape[1], axis=1)))
    keys, share = (np.concatenate([block[at].ravel() for block in blocks]) for at in (0, 1))
    order = np.argsort(keys, kind="stable")
    return keys[order], share[order]


def _ordered(cover: _Cover, zoom: int, stream: np.random.PCG64) -> _Ints:
    """All tiles of the place: -log(u) / area, ascending, is the order of first hits."""
    keys, share = _expanded(cover, zoom)
    area = tile_area(0, keys >> zoom, zoom) * share
    return keys[np.argsort(-np.log(_uniform(stream, len(keys))) / area, kind="stable")]


def _uniform(stream: np.random.PCG64, count: int) -> NDArray[np.float64]:
    """Numbers in the open interval (0, 1), from raw bits: numpy promises those to stay the same for ever."""
    return ((stream.random_raw(count) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


class _Target(NamedTuple):
    """A cover, made ready for throwing at it: sines of latitude, along which the sphere's area is even."""

    cover: _Cover
    north: NDArray[np.float64]
    height: NDArray[np.float64]
    ends: NDArray[np.float64]
    """Running total of the tiles' areas."""


def _target(cover: _Cover) -> _Target:
    step = 2.0 * np.pi / np.left_shift(1, cover.level, dtype=np.int64)
    north, south = np.tanh(np.pi - cover.y * step), np.tanh(np.pi - (cover.y + 1) * step)
    return _Target(cover, north, north - south, np.cumsum((north - south) * step))


def _thrown(place: Polygon | MultiPolygon, cover: _Cover, zoom: int, stream: np.random.PCG64, wanted: int) -> _Ints:
    """Throw points until they hit so many different tiles, or `MAX_POINTS` have been thrown."""
    import shapely

    shapely.prepare(place)
    target, hits, thrown = _target(cover), [np.empty(0, np.int64)], 0
    while True:
        keys = np.concatenate(hits)
        first = np.sort(np.unique(keys, return_index=True)[1])
        if len(first) >= wanted or thrown >= MAX_POINTS:
            return keys[first]
        goal = min(max(2 * wanted, 2 * thrown), MAX_POINTS)
        while thrown < goal:
            points = min(_CHUNK, goal - thrown)
            hits.append(_throw(place, target, zoom, _uniform(stream, 3 * points).reshape(-1, 3)))
            thrown += points


def _throw(place: Polygon | MultiPolygon, target: _Target, zoom: int, random: NDArray[np.float64]) -> _Ints:
    """Keys of the tiles that points hit, in order, without those that miss the place; ``random`` is (n, 3)."""
    import shapely

    cover, ends = target.cover, target.ends
    block = np.minimum(np.searchsorted(ends, random[:, 0] * ends[-1], side="right"), len(ends) - 1)
    x, y, level = cover.x[block], cover.y[block], cover.level[block]
    sine = target.north[block] - random[:, 2] * target.height[block]
    lng = (x + random[:, 1]) * 360.0 / np.left_shift(1, level) - 180.0
    hit = cover.share[block] == 1
    edge = np.flatnonzero(~hit)
    hit[edge] = shapely.contains_xy(place, lng[edge], np.degrees(np.arcsin(sine[edge])))
    below = zoom - level
    column = (x << below) + np.floor(random[:, 1] * np.left_shift(1, below)).astype(np.int64)
    row = np.floor((0.5 - np.arctanh(sine) / (2.0 * np.pi)) * (1 << zoom)).astype(np.int64)
    row = np.clip(row, y << below, (y + 1 << below) - 1)  # rounding stays within the tile thrown at
    keys: _Ints = ((row << zoom) + column)[hit]
    return keys
