"""Tiles of the gallery's grid, drawn from a source: its own bytes where the grids agree, resampled where they do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.grids import Grid
from mosaic_assets.core.imaging import decode_tile, encode_jpeg
from mosaic_assets.core.records import Bounds, Fetched, Outcome, Tile
from mosaic_assets.core.tiles import MAX_LAT, TILE_SIZE
from mosaic_assets.gallery.resample import mercator_tiles_under, to_plate_carree
from mosaic_assets.store.gallery_records import MissingTile, StoredTile

if TYPE_CHECKING:
    from mosaic_assets.sources.base import TileSource

Pixels = NDArray[np.uint8]

UNCHANGED = "none: tiles of the source, JPEG bytes unchanged, other formats encoded as JPEG"
READ = "as the source reads its files: pixels unchanged where they lie on the grid, else warped; encoded as JPEG"
ROWS = "rows averaged from WebMercatorQuad tiles of the same zoom and column; columns unchanged"
WARPED = "warped from the file to the grid, bilinear when magnifying, averaged when reducing"

EDGE_PX = 0.01
"""A file that ends this little before a tile does still covers it, pixels."""


def resampling(grid: Grid, kind: str) -> str:
    """Say how tiles of a grid come about from a source of a kind (``embedded``, ``xyz``, ``raster``)."""
    if kind == "raster":
        return READ if grid.is_mercator else WARPED
    return UNCHANGED if grid.is_mercator else ROWS


def draw_tiles(
    source: TileSource, grid: Grid, tiles: Sequence[Tile], time: str, quality: int
) -> Iterator[StoredTile | MissingTile]:
    """Yield one answer for each tile, in order.

    Parameters
    ----------
    source : opened; it is asked for Web-Mercator tiles, or for its files when it is of kind ``raster``.
    grid : the grid that ``tiles`` are of.
    tiles : at most some hundred, neighbours where possible: all of them are in memory together.
    time : ISO date written beside the tiles, or "".
    quality : of JPEGs that are encoded here, 1..100.
    """
    if grid.is_mercator:
        yield from (_kept(answer, time, quality) for answer in source.fetch(tiles))
    elif source.record.kind == "raster":
        yield from (_warped(source, grid, tile, time, quality) for tile in tiles)
    else:
        yield from _resampled(source, tiles, time, quality)


def _kept(answer: Fetched, time: str, quality: int) -> StoredTile | MissingTile:
    """Keep a JPEG as it came; encode anything else."""
    image, outcome, detail = _decoded(answer)
    if image is None or answer.body is None:
        return MissingTile(answer.tile, time, str(outcome), detail)
    is_jpeg = answer.body.startswith(b"\xff\xd8")
    return StoredTile(answer.tile, time, answer.body if is_jpeg else encode_jpeg(image, quality))


def _resampled(
    source: TileSource, tiles: Sequence[Tile], time: str, quality: int
) -> Iterator[StoredTile | MissingTile]:
    needed = sorted({under for tile in tiles for under in mercator_tiles_under(tile)})
    images: dict[Tile, Pixels] = {}
    failures: dict[Tile, MissingTile] = {}
    for answer in source.fetch(needed):
        image, outcome, detail = _decoded(answer)
        if image is None:
            failures[answer.tile] = MissingTile(answer.tile, time, str(outcome), detail)
        else:
            images[answer.tile] = image
    for tile in tiles:
        drawn = to_plate_carree(tile, images)
        yield (
            _why_missing(tile, time, failures) if drawn is None else StoredTile(tile, time, encode_jpeg(drawn, quality))
        )


def _why_missing(tile: Tile, time: str, failures: dict[Tile, MissingTile]) -> MissingTile:
    """Give the reason of a Web-Mercator tile under the missing one; a passing failure first, for it is worth another try."""
    found = [failures[under] for under in mercator_tiles_under(tile) if under in failures]
    if not found:
        return MissingTile(tile, time, str(Outcome.MISSING), f"beyond latitude {MAX_LAT:.2f}, where Web Mercator ends")
    worst = next((one for one in found if one.outcome == Outcome.FETCH_FAILED), found[0])
    return MissingTile(
        tile, time, worst.outcome, f"Web-Mercator tile {tuple(worst.tile)}: {worst.detail or worst.outcome}"
    )


def _decoded(answer: Fetched) -> tuple[Pixels | None, Outcome | None, str]:
    if answer.body is None:
        return None, answer.outcome, answer.detail
    return decode_tile(answer.body)


def _warped(source: Any, grid: Grid, tile: Tile, time: str, quality: int) -> StoredTile | MissingTile:
    """Read a tile of the grid from the first file that covers all of it with valid pixels."""
    from rasterio.errors import RasterioError

    bounds = grid.bounds(tile)
    slack = EDGE_PX * (bounds.east - bounds.west) / TILE_SIZE
    for file in source.files:
        box = file.bounds
        across = box.west <= bounds.west + slack and bounds.east - slack <= box.east
        if across and box.south <= bounds.south + slack and bounds.north - slack <= box.north:
            try:
                pixels = read_box(file.path, file.bands, bounds, TILE_SIZE, grid.crs)
            except (RasterioError, OSError) as error:
                return MissingTile(tile, time, str(Outcome.NOT_AN_IMAGE), f"{file.path} cannot be read: {error}")
            if pixels is not None:
                return StoredTile(tile, time, encode_jpeg(pixels, quality))
    return MissingTile(tile, time, str(Outcome.MISSING), "outside the raster")


def read_box(path: str, bands: Sequence[int], bounds: Bounds, size: int, crs: str) -> Pixels | None:
    """Read a box of a file, warped to ``size`` x ``size`` pixels of ``crs``; None when a pixel of it is not valid.

    ``bounds`` are in the units of ``crs``.
    """
    import rasterio
    from rasterio.enums import ColorInterp, Resampling
    from rasterio.transform import from_bounds
    from rasterio.vrt import WarpedVRT

    with rasterio.open(path) as dataset:
        reducing = _pixel_ratio(dataset, bounds, size, crs) > 1 + 1e-3
        options = {
            "crs": crs,
            "transform": from_bounds(*bounds, size, size),
            "width": size,
            "height": size,
            "resampling": Resampling.average if reducing else Resampling.bilinear,
            "tolerance": 0.01,  # pixels; GDAL's default would show at tile edges
            "add_alpha": ColorInterp.alpha not in dataset.colorinterp,
        }
        with WarpedVRT(dataset, **options) as warped:
            if not warped.dataset_mask().all():
                return None
            read = warped.read(list(bands))
    return np.ascontiguousarray(np.moveaxis(np.repeat(read, 3, axis=0) if len(read) == 1 else read, 0, 2))


def _pixel_ratio(dataset: Any, bounds: Bounds, size: int, crs: str) -> float:
    """Say how many rows of the file a row of the result covers."""
    from rasterio.warp import transform_bounds

    own = transform_bounds(crs, dataset.crs, *bounds)
    return float((own[3] - own[1]) / size / abs(dataset.transform.e))
