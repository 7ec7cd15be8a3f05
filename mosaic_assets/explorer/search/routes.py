"""All routes of the search."""

from __future__ import annotations

from fastapi import APIRouter

from mosaic_assets.explorer.search import compat_routes, density_routes, scene_routes, stac_routes

router = APIRouter()
for _routes in (scene_routes, density_routes, stac_routes, compat_routes):
    router.include_router(_routes.router)
