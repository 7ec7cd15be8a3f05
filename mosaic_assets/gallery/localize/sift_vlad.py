"""SIFT-VLAD retrieval with RANSAC verification: north and scale unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.gallery.localize.features import Features, features_of, join
from mosaic_assets.gallery.localize.gallery import Gallery, world_points
from mosaic_assets.gallery.localize.records import Candidate, Image, Match, Query, confidence_of
from mosaic_assets.gallery.localize.registry import method
from mosaic_assets.gallery.localize.search import most_alike
from mosaic_assets.gallery.localize.verify import Agreement, agreement

RETRIEVED = 100
"""Cells that are retrieved: recall is asked up to 100."""

CROP_PX = 768
"""A larger query is searched by its middle; its outline is that of the whole."""

POINTS_OF_A_QUERY = 1_500

SURE_INLIERS = 25
"""So many inliers are never chance: no further cell is looked at."""

MATCHES_KEPT = 60


@method("sift_vlad_retrieval")
def sift_vlad_retrieval(query: Query, gallery: Gallery) -> list[Candidate]:
    """SIFT-VLAD retrieval alone: the cells most alike, nothing verified, so nothing accepted."""
    points, _ = _query_points(query.image)
    return [_unverified(gallery, cell, likeness) for cell, likeness in _retrieved(points, gallery)]


@method("sift_vlad")
def sift_vlad(query: Query, gallery: Gallery) -> list[Candidate]:
    """SIFT-VLAD retrieval, its first cells verified by RANSAC: any turn, half to double scale."""
    points, corner = _query_points(query.image)
    retrieved = _retrieved(points, gallery)
    verified: list[Candidate] = []
    for cell, _ in retrieved[: gallery.options.localize_verified]:
        found = agreement(points, gallery.features(cell))
        if found is None or found.inliers < 4:
            continue
        candidate = _candidate(query, gallery, cell, _wider(points, gallery, cell, found), corner)
        verified.append(candidate)
        if candidate.inliers >= SURE_INLIERS:
            break
    verified.sort(key=lambda one: -one.inliers)
    seen = {one.cell for one in verified}
    return verified + [_unverified(gallery, cell, likeness) for cell, likeness in retrieved if cell not in seen]


def _query_points(image: Image) -> tuple[Features, tuple[int, int]]:
    """Key points of the query's middle, and the column and row at which the middle begins."""
    height, width = image.shape[:2]
    top, left = max(0, (height - CROP_PX) // 2), max(0, (width - CROP_PX) // 2)
    middle = np.ascontiguousarray(image[top : top + CROP_PX, left : left + CROP_PX])
    return features_of(middle, at_most=POINTS_OF_A_QUERY), (left, top)


def _retrieved(points: Features, gallery: Gallery) -> list[tuple[Tile, float]]:
    """Return the cells most alike with their cosines; none for a query without key points."""
    if not len(points.points):
        return []
    index = gallery.index
    vector = index.encoder.encode(points.descriptors)
    share = gallery.options.localize_share if len(index.lists.centres) > 1 else 1.0
    rows, cosines = most_alike(vector, index.vectors, index.lists, RETRIEVED, share=share)
    return [(index.cell(int(row)), float(cosine)) for row, cosine in zip(rows, cosines, strict=True)]


def _wider(points: Features, gallery: Gallery, cell: Tile, found: Agreement) -> Agreement:
    """Match again with the cells around, where the first match says that the query lies; points count from this cell's corner.

    More of the query then takes part, and its outline no longer hangs on one cell.
    """
    if found.inliers < 6:
        return found
    parts = [gallery.features(cell)]
    for x, y in _cells_under(found.matrix, points, cell):
        near = Tile(x, y, cell.z)
        if near != cell and (x, y) in gallery.row_of:
            parts.append(gallery.features(near).shifted((x - cell.x) * TILE_SIZE, (y - cell.y) * TILE_SIZE))
    again = agreement(points, join(parts)) if len(parts) > 1 else None
    return again if again is not None and again.inliers > found.inliers else found


def _cells_under(matrix: NDArray[np.float64], points: Features, cell: Tile) -> list[tuple[int, int]]:
    """Cells that the query's key points fall on, at most one away."""
    placed = points.points @ matrix[:, :2].T + matrix[:, 2]
    numbers = np.clip(np.floor(placed / TILE_SIZE), -1, 1).astype(np.int64)
    return [(cell.x + int(x), cell.y + int(y)) for x, y in np.unique(numbers, axis=0)]


def _candidate(query: Query, gallery: Gallery, cell: Tile, found: Agreement, corner: tuple[int, int]) -> Candidate:
    height, width = query.image.shape[:2]
    outline = np.array([(0, 0), (width, 0), (width, height), (0, height), (width / 2, height / 2)], np.float64)
    placed = world_points(cell, (outline - corner) @ found.matrix[:, :2].T + found.matrix[:, 2])
    lng, lat = gallery.view.lnglat(*map(float, placed[4]))
    world = world_points(cell, found.gallery_points)
    matches = tuple(
        Match(float(ours[0] + corner[0]), float(ours[1] + corner[1]), float(theirs[0]), float(theirs[1]))
        for ours, theirs in list(zip(found.query_points, world, strict=True))[:: -(-len(world) // MATCHES_KEPT)]
    )
    confidence = confidence_of(found.inliers, gallery.options.localize_min_inliers)
    corners = gallery.view.corners(placed[:4])
    return Candidate(lng, lat, corners, 1.0 + found.inliers, confidence, found.inliers, cell, matches)


def _unverified(gallery: Gallery, cell: Tile, likeness: float) -> Candidate:
    lng, lat = gallery.view.lnglat((cell.x + 0.5) * TILE_SIZE, (cell.y + 0.5) * TILE_SIZE)
    return Candidate(lng, lat, gallery.view.cell_corners(cell), likeness, 0.0, 0, cell)
