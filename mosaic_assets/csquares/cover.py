"""Geometries to the c-squares they cover.

A square belongs to a polygon only if their interiors meet: touching along an edge or at a corner does not count.
A line takes the squares whose interior it passes; a stretch along a grid line goes to the squares that own the
line. A point takes the square that owns it. `mosaic_assets.csquares.rings` says what happens at the date line, at
the poles and to rings that cross themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import level_of
from mosaic_assets.csquares.merging import keys_of, merge_blocks
from mosaic_assets.csquares.outlines import Outlines
from mosaic_assets.csquares.raster import Blocks, blocks_of_runs
from mosaic_assets.csquares.rings import EdgeKind, LongEdges
from mosaic_assets.errors import GeometryError, SettingsError

if TYPE_CHECKING:
    from shapely import Geometry

_BATCH = 64
"""Geometries worked on at a time: enough to spread numpy's overhead, few enough to stay in the cache."""


@dataclass(frozen=True)
class Covers:
    """What a batch of geometries covers.

    Lists of all geometries are one array with ``offsets``: those of geometry ``i`` are
    ``values[offsets[i]:offsets[i + 1]]``.
    """

    resolution: float
    """Size of the squares, degrees."""
    blocks: Blocks
    """The squares as bit pictures; use the methods."""
    refused: dict[int, GeometryError]
    """Why geometries could not be covered, by their number; their lists are empty."""
    count: int
    """Number of geometries."""

    @cached_property
    def level(self) -> int:
        """Level of the squares, 0..16."""
        return level_of(self.resolution)

    def ids(self) -> tuple[arrays.Ints, arrays.Ints]:
        """Return offsets (count + 1,) and the ids of all squares, ascending for each geometry; int64."""
        width = self.blocks.leaves.shape[1]
        block, place = np.divmod(np.flatnonzero(self.blocks.leaves), width)
        return self._offsets(self.blocks.owner[block]), self.blocks.block[block] * width + place

    def compressed_keys(self) -> tuple[arrays.Ints, arrays.Ints]:
        """Return offsets and the integer keys of the compressed squares; see `merging.keys_of`."""
        owner, first, levels = self._merged
        return self._offsets(owner), keys_of(first, levels, self.level)

    def codes(self, number: int) -> list[str]:
        """Return the sorted codes of one geometry."""
        part = slice(*np.searchsorted(self.blocks.owner, [number, number + 1]))
        width = self.blocks.leaves.shape[1]
        block, place = np.divmod(np.flatnonzero(self.blocks.leaves[part]), width)
        return _texts(arrays.codes_of_ids(self.blocks.block[part][block] * width + place, self.level))

    def compressed(self, number: int) -> list[str]:
        """Return the sorted compressed codes of one geometry."""
        owner, first, levels = self._merged
        part = slice(*np.searchsorted(owner, [number, number + 1]))
        return _texts(arrays.starred(first[part], levels[part], self.level))

    @cached_property
    def _merged(self) -> tuple[arrays.Ints, arrays.Ints, arrays.Ints]:
        return merge_blocks(self.blocks, self.level)

    def _offsets(self, owner: arrays.Ints) -> arrays.Ints:
        return np.searchsorted(owner, np.arange(self.count + 1))


def cover(
    geometry: Geometry,
    resolution: float,
    *,
    edges: EdgeKind = "planar",
    long_edges: LongEdges = "short",
    wrap: bool = False,
) -> list[str]:
    """Return the codes of the squares that a geometry covers.

    Parameters
    ----------
    geometry : shapely geometry
        Points, lines, polygons, their multi-forms and collections; longitude and latitude in degrees, WGS 84. A
        third coordinate is ignored.
    resolution : float
        Size of the squares, degrees: 10, 5, 1, 0.5, 0.1, 0.05, ... down to 1e-7.
    edges : {"planar", "great_circle"}
        Edges are straight in longitude and latitude, or shortest on the globe. Use the latter for satellite
        swaths with few vertices, above all near a pole.
    long_edges : {"short", "as_drawn"}
        An edge over more than 180 degrees of longitude crosses the date line, or is as wide as it says. A box
        wider than half the globe needs ``as_drawn`` or vertices on its way.
    wrap : bool
        Accept longitudes beyond +-180 (up to 540) and bring them back.

    Returns
    -------
    list of str
        Sorted, without repeats; empty for an empty geometry.

    Raises
    ------
    GeometryError
        Vertices outside the world; a polygon that crosses itself beyond repair, laps itself, or goes round a pole
        that cannot be told; more than 20 million squares.
    CodeError
        There is no grid of that resolution.

    Examples
    --------
    >>> import shapely
    >>> cover(shapely.box(179, 0, 180, 1), 0.5)
    ['1017:209:1', '1017:209:2', '1017:209:3', '1017:209:4']
    """
    covers = cover_many([geometry], resolution, edges=edges, long_edges=long_edges, wrap=wrap)
    return covers.codes(0)


def cover_many(
    geometries: Iterable[Any],
    resolution: float,
    *,
    edges: EdgeKind = "planar",
    long_edges: LongEdges = "short",
    wrap: bool = False,
    keep_refused: bool = False,
) -> Covers:
    """Return the squares that many geometries cover; several times faster than one by one.

    Parameters
    ----------
    geometries : iterable of shapely geometry
        A list, an array, a GeoSeries. About 20 kB are held for a scene of 8,000 squares.
    resolution, edges, long_edges, wrap
        As for `cover`.
    keep_refused : bool
        Go on after a geometry that cannot be covered and report it in ``Covers.refused``.

    Raises
    ------
    GeometryError
        The first geometry that cannot be covered, unless ``keep_refused``.
    CodeError
        There is no grid of that resolution.

    Examples
    --------
    >>> import shapely
    >>> covers = cover_many([shapely.box(0, 0, 1, 1), shapely.Point(-0.1, 0)], 0.5)
    >>> covers.compressed(0), covers.codes(1)
    (['1000:100:*'], ['7000:100:1'])
    """
    level = level_of(resolution)
    if edges not in ("planar", "great_circle") or long_edges not in ("short", "as_drawn"):
        raise SettingsError(
            f"covering with edges={edges!r}, long_edges={long_edges!r}: expected 'planar' or 'great_circle', and "
            "'short' or 'as_drawn'"
        )
    items = list(geometries)
    found: list[Blocks] = []
    refused: dict[int, GeometryError] = {}
    for start in range(0, max(len(items), 1), _BATCH):
        outlines = Outlines(level, edges, long_edges, wrap, start)
        runs, owner = outlines.runs(items[start : start + _BATCH])
        if outlines.refused and not keep_refused:
            raise outlines.refused[min(outlines.refused)]
        refused |= outlines.refused
        found.append(blocks_of_runs(runs, owner, level))
    return Covers(resolution, _join(found), refused, len(items))


def _join(found: Sequence[Blocks]) -> Blocks:
    if len(found) == 1:
        return found[0]
    return Blocks(
        np.concatenate([blocks.owner for blocks in found]),
        np.concatenate([blocks.block for blocks in found]),
        np.concatenate([blocks.leaves for blocks in found]),
    )


def _texts(codes: arrays.Texts) -> list[str]:
    texts: list[str] = codes.tolist()
    return texts
