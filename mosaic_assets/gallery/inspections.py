"""What can be inconsistent in lists and TIFFs of reference 4's kind: each a function that names the offenders and sums them up."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from mosaic_assets.core.grids import WEB_MERCATOR_QUAD, nominal_resolution
from mosaic_assets.core.tiles import EARTH_RADIUS_M, TILE_SIZE
from mosaic_assets.gallery.published import Published
from mosaic_assets.gallery.query_files import NAME, QueryRow, overlaps

GRID_PX = 0.01
"""An origin nearer than this to a tile's edge lies on it, pixels."""

SIZE_PX = 0.01
"""A box whose pixels add up to the picture within this agrees with it, pixels."""

Found = tuple[list[str], str]
"""Offenders in words, and a summary of them."""


def type_matches_name(published: Published) -> Found:
    """The column type says where the picture comes from, as its name does."""
    wrong = defaultdict(list)
    for split, row in published.all_rows():
        named = NAME.match(row.imgname)
        if named and named["type"].lower() != row.type.lower():
            wrong[split, row.type, named["type"]].append(row.imgname)
    parts = [f"{len(names)} of {split} say {said}, by name {named}" for (split, said, named), names in wrong.items()]
    return [
        f"{name}: type {said}, by name {named}" for (_, said, named), names in wrong.items() for name in names
    ], "; ".join(parts)


def width_and_height_are_whole_tiles(published: Published) -> Found:
    """A mosaic of tiles is a multiple of 256 pixels wide and high."""
    odd = [row for _, row in published.all_rows() if row.width % TILE_SIZE or row.height % TILE_SIZE]
    return [
        f"{row.imgname}: {row.width} x {row.height}" for row in odd
    ], f"{len(odd)} sizes are no multiple of {TILE_SIZE}"


def resolution_matches_bounds(published: Published) -> Found:
    """Bounds divided by size give the resolution that is stated."""
    wrong, seen = [], []
    for _, row in published.all_rows():
        width_m, height_m = _pixel(row)
        sizes = (("x", width_m, row.width), ("y", height_m, row.height))
        off = [(axis, pixel) for axis, pixel, count in sizes if abs(pixel / row.resolution - 1) * count > SIZE_PX]
        if off:
            seen += [pixel for _, pixel in off]
            told = ", ".join(f"{axis} {pixel:.4f} m" for axis, pixel in off)
            wrong.append(f"{row.imgname}: {told}, stated {row.resolution:.4f} m")
    span = f"{len(wrong)} differ: {min(seen):.4f} to {max(seen):.4f} m" if seen else ""
    return wrong, span


def origin_lies_on_the_grid(published: Published) -> Found:
    """The north-west corner of a mosaic of tiles is the corner of a tile of its level."""
    kinds: dict[str, dict[str, int]] = {"x": defaultdict(int), "y": defaultdict(int)}
    wrong = []
    for _, row in published.all_rows():
        column, line = WEB_MERCATOR_QUAD.pixel_at(row.lon_min, row.lat_max, row.level)
        off = {axis: _offset(float(pixel)) for axis, pixel in (("x", column), ("y", line))}
        for axis, pixels in off.items():
            kinds[axis][_kind(pixels)] += 1
        if any(_kind(pixels) != "aligned" for pixels in off.values()):
            wrong.append(f"{row.imgname}: {off['x']:+.2f} px in x, {off['y']:+.2f} px in y")
    told = "; ".join(
        f"{axis}: " + ", ".join(f"{kind} {n}" for kind, n in sorted(found.items())) for axis, found in kinds.items()
    )
    return wrong, told


def centre_is_the_middle_of_the_bounds(published: Published) -> Found:
    """The columns lat and lon are the mean of the bounds."""
    wrong, north, east = [], [0.0], [0.0]
    for _, row in published.all_rows():
        metres = math.radians(1) * EARTH_RADIUS_M
        up = (row.lat - (row.lat_min + row.lat_max) / 2) * metres
        right = (row.lon - (row.lon_min + row.lon_max) / 2) * metres * math.cos(math.radians(row.lat))
        if max(abs(up), abs(right)) > 0.01:
            north, east = [*north, abs(up)], [*east, abs(right)]
            wrong.append(f"{row.imgname}: {up:+.2f} m north, {right:+.2f} m east of the mean of the bounds")
    return wrong, f"{len(wrong)} differ: lat by up to {max(north):.1f} m, lon by up to {max(east):.1f} m"


def splits_share_no_ground(published: Published) -> Found:
    """No query covers ground that a query of another split covers."""
    splits = sorted(published.rows)
    pairs = [
        pair
        for number, split in enumerate(splits)
        for other in splits[number + 1 :]
        for pair in overlaps(published.rows[split], published.rows[other])
    ]
    told = [f"{one.imgname} and {other.imgname}: {share:.0%}" for one, other, share in pairs]
    half = sum(share > 0.5 for *_, share in pairs)
    most = max((share for *_, share in pairs), default=0.0)
    return told, f"{len(pairs)} pairs, {half} by more than half, {most:.0%} at most"


def boxes_are_different(published: Published) -> Found:
    """No two queries have the same box."""
    places = defaultdict(list)
    for _, row in published.all_rows():
        places[tuple(round(edge, 6) for edge in row.bounds)].append(row.imgname)
    same = [" and ".join(names) for names in places.values() if len(names) > 1]
    return same, "; ".join(same[:3])


def names_differ_in_more_than_case(published: Published) -> Found:
    """No two names are equal on a disk that does not tell upper from lower case."""
    names = defaultdict(set)
    for _, row in published.all_rows():
        names[row.imgname.lower()].add(row.imgname)
    same = [" and ".join(sorted(found)) for found in names.values() if len(found) > 1]
    return same, f"{len(same)} pairs"


def every_row_has_its_tiff(published: Published) -> Found:
    """Every line of a list has a TIFF that can be used."""
    wanted = [(split, row.imgname) for split, row in published.all_rows()]
    absent = [place for place in wanted if place not in published.images]
    told = [published.unreadable.get(place, f"{'/'.join(place)}: not there") for place in absent]
    return told, f"{len(absent)} of {len(wanted)} lines"


def every_tiff_has_its_row(published: Published) -> Found:
    """Every TIFF is in the list of its split."""
    listed = {(split, row.imgname) for split, row in published.all_rows()}
    extra = [place[1] for place in (*published.images, *published.unreadable) if published.rows and place not in listed]
    return extra, f"{len(extra)} TIFFs are in no list"


def rows_agree_with_tiffs(published: Published) -> Found:
    """Size, level and bounds of a line are those of its TIFF."""
    wrong = []
    for split, row in published.all_rows():
        image = published.images.get((split, row.imgname))
        if image is not None:
            true = image.row()
            degrees = max(abs(a - b) for a, b in zip(row.bounds, true.bounds, strict=True))
            pixels = degrees / 360 * (TILE_SIZE << true.level)
            if (row.width, row.height, row.level) != (true.width, true.height, true.level) or pixels > SIZE_PX:
                wrong.append(
                    f"{row.imgname}: {row.width} x {row.height} at level {row.level}, bounds off by {pixels:.2f} px"
                )
    return wrong, f"{len(wrong)} of {len(published.images)} TIFFs"


def _pixel(row: QueryRow) -> tuple[float, float]:
    """Width and height of a pixel by the bounds of a line, EPSG:3857 metres."""
    columns, lines = WEB_MERCATOR_QUAD.pixel_at(
        np.array([row.lon_min, row.lon_max]), np.array([row.lat_min, row.lat_max]), 0
    )
    metres = nominal_resolution(0)
    return float(columns[1] - columns[0]) * metres / row.width, float(lines[0] - lines[1]) * metres / row.height


def _offset(pixel: float) -> float:
    """Distance to the nearest edge of a tile, pixels, -128..128."""
    return (pixel + TILE_SIZE / 2) % TILE_SIZE - TILE_SIZE / 2


def _kind(offset: float) -> str:
    if abs(offset) <= GRID_PX:
        return "aligned"
    return "one pixel off" if abs(abs(offset) - 1) <= GRID_PX else "a part of a tile off"
