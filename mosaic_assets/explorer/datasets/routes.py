"""Routes of the data sets' pages, pictures and thumbnails."""

from __future__ import annotations

from fastapi import APIRouter

from mosaic_assets.explorer.datasets import assets, benchmarks, chips, crops, gallery, pictures, queries, tiles

router = APIRouter()
for _routes in (pictures, crops, chips, gallery, queries, tiles, benchmarks, assets):
    router.include_router(_routes.router)
