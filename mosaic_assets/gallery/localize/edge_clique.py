"""Edges compared everywhere, and patches that vote for a place by a maximal clique: north up, zoom known."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.gallery.localize.edges import QUARTER, Edges, edges_of, likeness, peaks, spread_of
from mosaic_assets.gallery.localize.gallery import Block, Gallery
from mosaic_assets.gallery.localize.records import Candidate, Image, Match, Query, confidence_of
from mosaic_assets.gallery.localize.registry import method

CROP_PX = 768
"""A larger query is searched by its middle; its outline is that of the whole."""

PATCHES = 3
"""Patches along each side of the query."""

PEAKS_OF_A_BLOCK, PEAKS_OF_A_PATCH = 3, 8
"""Places of a patch that are kept in a block, and in the whole gallery."""

TOLERANCE_PX = 12
"""Pixels by which two patches may disagree on the place."""

HALVED_FROM = 96
"""Sides of the coarse edges of a query from which on patches are sought at an eighth of the resolution, in a quarter of the time."""

CLEAR_LEAD = 0.12
"""Lead of the best place over the second, in correlation at a quarter of the resolution, that needs no vote."""

PLACES = 8
"""Places that are looked at at half resolution."""

APART_PX = 64
"""Places nearer than this count as one, pixels."""


class Laid(NamedTuple):
    """The query in one turn and scale, as pixels of the gallery."""

    image: Image
    matrix: NDArray[np.float64]
    """(2, 2), from distances in the query to distances in the gallery."""


class Field(NamedTuple):
    """Coarse edges of a piece of the gallery."""

    left: int
    """Column of the world picture, pixels."""
    top: int
    edges: Edges


class Place(NamedTuple):
    """Where the upper left corner of the laid-out query may lie."""

    value: float
    column: float
    """Of the world picture, pixels."""
    row: float
    voters: int = 0
    """Patches of the clique; 1 for a place of the query as a whole."""


@method("edge_clique", north_up=True)
def edge_clique(query: Query, gallery: Gallery) -> list[Candidate]:
    """Edge templates compared with the whole gallery, patches voting by maximal clique: north up, zoom known."""
    found: list[tuple[Place, Laid]] = []
    for laid in _layings(query.image, gallery):
        coarse = edges_of(laid.image)
        if coarse.std() < 1:
            continue
        found += [(place, laid) for place in _refined(_places(coarse, gallery), laid, gallery)]
    found.sort(key=lambda one: -one[0].value)
    distinct = [one for at, one in enumerate(found) if all(_apart(one[0], other[0]) for other in found[:at])]
    second = distinct[1][0].value if len(distinct) > 1 else 0.0
    return [
        _candidate(query, gallery, place, laid, place.value - second if at == 0 else 0.0)
        for at, (place, laid) in enumerate(distinct)
    ]


def _layings(image: Image, gallery: Gallery) -> Iterator[Laid]:
    """Yield the query in every turn and scale of the settings, the largest upright rectangle that it fills."""
    import cv2

    height, width = image.shape[:2]
    for turn in gallery.options.localize_turns:
        for scale in gallery.options.localize_scales:
            cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
            matrix = np.array([[cosine, -sine], [sine, cosine]]) * scale
            fits = scale / (abs(cosine) + abs(sine))
            columns, rows = (max(16, min(CROP_PX, int(side * fits)) // 16 * 16) for side in (width, height))
            inverse = np.linalg.inv(matrix)
            shift = np.array([width, height]) / 2 - 0.5 - inverse @ (np.array([columns, rows]) / 2 - 0.5)
            affine = np.column_stack([inverse, shift])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            turned = cv2.warpAffine(image, affine, (columns, rows), flags=flags, borderMode=cv2.BORDER_REFLECT)
            yield Laid(np.asarray(turned, np.uint8), matrix)


def _places(template: Edges, gallery: Gallery) -> list[Place]:
    """Search the gallery at a quarter of the resolution: whole, and by patches where no place leads clearly."""
    whole = [place._replace(voters=1) for place in _best(gallery, template, [template], QUARTER)[0][:PLACES]]
    if len(whole) > 1 and whole[0].value - whole[1].value > CLEAR_LEAD:
        return whole[:2]
    return _voted(*_patch_places(gallery, template)) + whole


def _patch_places(gallery: Gallery, template: Edges) -> tuple[list[list[Place]], list[tuple[int, int]]]:
    """Return the best places of each patch, and where each patch begins in the query, pixels."""
    halve = min(template.shape) >= HALVED_FROM
    step, edges = (2 * QUARTER, _halved(template)) if halve else (QUARTER, template)
    rows, columns = (side // PATCHES for side in edges.shape)
    corners = [(columns * i, rows * j) for i in range(PATCHES) for j in range(PATCHES)]
    patches = [edges[row : row + rows, column : column + columns] for column, row in corners]
    return _best(gallery, template, patches, step), [(step * column, step * row) for column, row in corners]


def _halved(edges: Edges) -> Edges:
    import cv2

    return np.asarray(cv2.resize(edges, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def _field(block: Block, template: Edges, gallery: Gallery) -> Field:
    """Edges of a block and of so much around it that every query with its middle in the block fits; and where they begin."""
    x, y, _ = block.first
    across, down = (-(-side // 128) for side in (template.shape[1], template.shape[0]))
    edges = gallery.edges(x - across, y - down, block.columns + 2 * across, block.rows + 2 * down)
    return Field((x - across) * TILE_SIZE, (y - down) * TILE_SIZE, edges)


def _best(gallery: Gallery, template: Edges, parts: list[Edges], step: int) -> list[list[Place]]:
    """Find for each part of a template, all of one shape, the places of the gallery that look most like it, best first.

    ``step`` is how many pixels of the gallery a pixel of the parts is wide: `QUARTER`, or twice that. Each core holds the
    edges of one block at a time.
    """

    def search(block: Block) -> list[list[Place]]:
        left, top, edges = _field(block, template, gallery)
        edges = edges if step == QUARTER else _halved(edges)
        spread = spread_of(edges, parts[0].shape)
        found = [peaks(likeness(edges, part, spread), PEAKS_OF_A_BLOCK, APART_PX // step) for part in parts]
        return [[Place(value, left + step * x, top + step * y) for value, x, y in places] for places in found]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(search, gallery.blocks))
    merged = []
    for at in range(len(parts)):
        places = sorted((place for found in results for place in found[at]), key=lambda one: -one.value)
        merged.append(_thinned(places)[:PEAKS_OF_A_PATCH])
    return merged


def _thinned(places: list[Place]) -> list[Place]:
    """Drop places that are near a better one: neighbouring blocks overlap."""
    kept: list[Place] = []
    for place in places[: 8 * PEAKS_OF_A_PATCH]:
        if all(_apart(place, other) for other in kept):
            kept.append(place)
    return kept


def _apart(one: Place, other: Place) -> bool:
    return max(abs(one.column - other.column), abs(one.row - other.row)) >= APART_PX


def _voted(found: list[list[Place]], corners: list[tuple[int, int]]) -> list[Place]:
    """Return the places that most patches agree on: the heaviest cliques of matches that put the query at one place."""
    import networkx

    votes = [
        Place(place.value, place.column - column, place.row - row, patch)
        for patch, (places, (column, row)) in enumerate(zip(found, corners, strict=True))
        for place in places
    ]
    graph = networkx.Graph()
    graph.add_nodes_from((at, {"weight": max(1, round(1000 * vote.value))}) for at, vote in enumerate(votes))
    for one, first in enumerate(votes):
        for other in range(one + 1, len(votes)):
            second = votes[other]
            if (
                first.voters != second.voters
                and max(abs(first.column - second.column), abs(first.row - second.row)) <= TOLERANCE_PX
            ):
                graph.add_edge(one, other)
    chosen = []
    for _ in range(PLACES // 2):
        if not graph.number_of_edges():
            break
        clique, weight = networkx.max_weight_clique(graph, weight="weight")
        column, row = (float(np.mean([votes[at][axis] for at in clique])) for axis in (1, 2))
        chosen.append(Place(weight / 1000, column, row, len(clique)))
        graph.remove_nodes_from(clique)
    return chosen


def _refined(places: list[Place], laid: Laid, gallery: Gallery) -> list[Place]:
    """Compare the whole query at half resolution around each place; the value is the correlation there."""
    template = edges_of(laid.image, 2)
    around = TOLERANCE_PX // 2 * 2 + 4
    found = []
    for place in _thinned(sorted(places, key=lambda one: -one.voters)):
        left, top = (round(edge) // 2 * 2 - around for edge in (place.column, place.row))
        window = gallery.view.window(left, top, template.shape[1] * 2 + 2 * around, template.shape[0] * 2 + 2 * around)
        value, column, row = _peak(likeness(edges_of(window.image, 2), template))
        found.append(Place(value, left + 2 * column, top + 2 * row, place.voters))
    return found


def _peak(values: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return the highest value, its column and its row, between pixels by the parabola through its neighbours."""
    row, column = (int(at) for at in np.unravel_index(int(values.argmax()), values.shape))
    shifts = []
    for at, line in ((column, values[row]), (row, values[:, column])):
        inner = 0 < at < len(line) - 1
        bend = 2 * line[at] - line[at - 1] - line[at + 1] if inner else 0.0
        shifts.append(float(line[at + 1] - line[at - 1]) / float(2 * bend) if bend > 1e-6 else 0.0)
    return float(values[row, column]), column + shifts[0], row + shifts[1]


def _candidate(query: Query, gallery: Gallery, place: Place, laid: Laid, lead: float) -> Candidate:
    rows, columns = laid.image.shape[:2]
    centre = np.array([place.column + columns / 2, place.row + rows / 2])
    height, width = query.image.shape[:2]
    half = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    corners = gallery.view.corners(half @ laid.matrix.T + centre)
    lng, lat = gallery.view.lnglat(*map(float, centre))
    middle = (width / 2, height / 2)
    match = Match(*middle, float(centre[0]), float(centre[1]))
    confidence = confidence_of(lead, gallery.options.localize_min_margin)
    return Candidate(lng, lat, corners, place.value, confidence, place.voters, None, (match,))
