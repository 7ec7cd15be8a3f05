"""Routes of the data sets' pages, pictures and thumbnails."""

from __future__ import annotations

from fastapi import APIRouter

from mosaic_assets.explorer.problems import PROBLEMS

router = APIRouter(prefix="/api", tags=["data sets"], responses=PROBLEMS)
