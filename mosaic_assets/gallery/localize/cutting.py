"""Queries of the evaluation: cut from the gallery and changed, and the GeoTIFFs of the query set as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.grids import WEB_MERCATOR_QUAD
from mosaic_assets.core.records import Tile
from mosaic_assets.core.tiles import TILE_SIZE
from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.localize.changes import APPEARANCES, pose
from mosaic_assets.gallery.localize.records import Image, Query
from mosaic_assets.gallery.localize.view import GalleryView

KINDS: tuple[tuple[str, str], ...] = (
    *((appearance, how) for how in ("north_up", "free") for appearance in APPEARANCES),
    ("none", "rotation"),
    ("none", "scale"),
)
"""(appearance, pose) of the queries that are cut."""

NOWHERE = "mirrored"
"""Kind of the queries that are nowhere in the gallery: mirror images of places that are."""

MIN_COVERED = 0.9
"""Share of a cut query that the gallery covers."""

_TRIES = 200


def cut_queries(view: GalleryView, places: int, size: int, seed: int) -> Iterator[Query]:
    """Yield queries of every kind at so many places each, then as many that are nowhere; same seed, same queries.

    Raises
    ------
    GalleryError
        The gallery has no place that could fill a query.
    """
    for number, (appearance, how) in enumerate((*KINDS, (NOWHERE, "free"))):
        for place in range(places):
            random = np.random.default_rng((seed, number, place))
            yield cut_query(view, random, appearance, how, size, f"{appearance}-{how}-{place:03d}")


def cut_query(view: GalleryView, random: np.random.Generator, appearance: str, how: str, size: int, name: str) -> Query:
    """Cut a query of ``size`` x ``size`` pixels at a random place and change it."""
    for _ in range(_TRIES):
        cell = view.cells[random.integers(len(view.cells))]
        centre = (np.array([cell.x, cell.y]) + random.uniform(0, 1, 2)) * TILE_SIZE
        matrix = pose(how, random)
        half = size / 2
        outline = np.array([(-half, -half), (half, -half), (half, half), (-half, half)]) @ matrix.T + centre
        if not all(Tile(int(x), int(y), view.zoom) in view.covered_cells for x, y in outline // TILE_SIZE):
            continue
        image, covered = _cut(view, centre, matrix, size)
        if covered >= MIN_COVERED:
            break
    else:
        raise GalleryError(
            f"cutting a query of {size} x {size} pixels from {view.database.path}: {_TRIES} places were tried and none is covered "
            f"to {MIN_COVERED:.0%}; lower gallery.query_pixels, or build a larger gallery"
        )
    if appearance == NOWHERE:
        return Query(name, np.ascontiguousarray(image[:, ::-1]), kind=NOWHERE, nowhere=True)
    changed = APPEARANCES[appearance](image, random)
    return Query(name, changed, view.lnglat(*map(float, centre)), view.corners(outline), f"{appearance} {how}")


def _cut(view: GalleryView, centre: NDArray[np.float64], matrix: NDArray[np.float64], size: int) -> tuple[Image, float]:
    """Resample the world picture around a place; return the picture and the share of it that the gallery covers."""
    import cv2

    reach = int(np.ceil(np.abs(matrix).sum(axis=1).max() * size / 2)) + 2
    left, top = (int(edge) for edge in np.floor(centre) - reach)
    window = view.window(left, top, 2 * reach, 2 * reach)
    # Pixel i has its middle at i + 0.5, both in the query and in the world picture.
    shift = centre - (left, top) - 0.5 - matrix @ np.full(2, size / 2 - 0.5)
    affine = np.column_stack([matrix, shift])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image = cv2.warpAffine(window.image, affine, (size, size), flags=flags)
    covered = cv2.warpAffine(window.covered.astype(np.float32), affine, (size, size), flags=flags)
    return np.asarray(image, np.uint8), float(covered.mean())


def given_queries(folder: Path, view: GalleryView, limit: int | None = None) -> Iterator[Query]:
    """Yield the GeoTIFFs below a folder as queries, in the order of their names, of which the gallery has the place.

    One whose middle is not in the gallery is not asked: nobody can say where it would be found.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".tif", ".tiff"))
    for path in paths[:limit]:
        query = read_query(path, view.zoom)
        if query.truth is None:
            continue
        column, row = WEB_MERCATOR_QUAD.pixel_at(*query.truth, view.zoom)
        if Tile(int(column // TILE_SIZE), int(row // TILE_SIZE), view.zoom) in view.covered_cells:
            yield query


MAX_PIXELS = 8_192
"""Sides of a query beyond this are refused."""


def read_query(path: Path, zoom: int) -> Query:
    """Read a picture; a georeferenced one is laid north up at the zoom's scale, and says where it is.

    Parameters
    ----------
    path : a GeoTIFF, JPEG, PNG or any picture GDAL reads, with 1, 3 or 4 bands of 8 or 16 bits.
    zoom : of the gallery.

    Raises
    ------
    GalleryError
        No picture, too large, or of other bands.
    """
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as source:
                if max(source.shape) > MAX_PIXELS:
                    raise GalleryError(
                        f"locating {path}: it is {source.width} x {source.height} pixels, expected at most {MAX_PIXELS} a side; "
                        "cut a part of it"
                    )
                bands, transform, crs = source.read(), source.transform, source.crs
    except RasterioError as error:
        raise GalleryError(
            f"locating {path}: it is not a picture that can be read ({error}); give a TIFF, JPEG or PNG"
        ) from error
    image = _rgb(bands, path)
    if crs is None or transform.is_identity:
        return Query(path.name, image, kind="given")
    return lay_out(path.name, image, transform, crs, zoom)


def _rgb(bands: NDArray[np.generic], path: Path) -> Image:
    """Make red, green, blue of 8 bits; 16 bits are stretched between their 2nd and 98th percentile."""
    if bands.shape[0] not in (1, 3, 4) or bands.dtype not in (np.uint8, np.uint16):
        raise GalleryError(
            f"locating {path}: it has {bands.shape[0]} bands of {bands.dtype}, expected 1, 3 or 4 bands of uint8 or uint16; "
            "convert it, e.g. with `gdal_translate -ot Byte -b 1 -b 2 -b 3`"
        )
    three = np.moveaxis(bands[:3] if bands.shape[0] >= 3 else np.repeat(bands, 3, axis=0), 0, -1)
    if three.dtype == np.uint16:
        low, high = np.percentile(three, (2, 98))
        three = np.clip((three.astype(np.float32) - low) * (255 / max(high - low, 1)), 0, 255)
    return np.ascontiguousarray(three, np.uint8)


def lay_out(name: str, image: Image, transform: object, crs: object, zoom: int) -> Query:
    """Resample a georeferenced picture to the world picture of the zoom; its true place goes with it."""
    from rasterio.transform import from_origin
    from rasterio.warp import Resampling, reproject, transform_bounds

    height, width = image.shape[:2]
    pixel = 2 * np.pi * 6_378_137.0 / (TILE_SIZE << zoom)
    bounds = _bounds_of(transform, width, height)
    left, bottom, right, top = transform_bounds(crs, "EPSG:3857", *bounds)
    columns, rows = (max(1, round((to - at) / pixel)) for at, to in ((left, right), (bottom, top)))
    out = np.zeros((3, rows, columns), np.uint8)
    grid = from_origin(left, top, (right - left) / columns, (top - bottom) / rows)
    reproject(
        np.moveaxis(image, -1, 0), out, src_transform=transform, src_crs=crs, dst_transform=grid, dst_crs="EPSG:3857",
        resampling=Resampling.average if columns < width else Resampling.bilinear,
    )  # fmt: skip
    edges = transform_bounds("EPSG:3857", "EPSG:4326", left, bottom, right, top)
    west, south, east, north = edges
    _, middle = WEB_MERCATOR_QUAD.lnglat_at(
        0.0, np.mean(WEB_MERCATOR_QUAD.pixel_at(0.0, [south, north], zoom)[1]), zoom
    )
    corners = ((west, north), (east, north), (east, south), (west, south))
    laid = np.ascontiguousarray(np.moveaxis(out, 0, -1))
    return Query(name, laid, ((west + east) / 2, float(middle)), corners, "given north_up")


def _bounds_of(transform: object, width: int, height: int) -> tuple[float, float, float, float]:
    from rasterio.transform import array_bounds

    left, bottom, right, top = array_bounds(height, width, transform)
    return float(left), float(bottom), float(right), float(top)


def query_key(query: Query) -> str:
    """Return a short text that changes with the query's pixels and its truth."""
    digest = hashlib.sha256(query.image.tobytes())
    digest.update(f"{query.name} {query.image.shape} {query.truth} {query.nowhere}".encode())
    return digest.hexdigest()[:16]
