"""Routes of the colour page."""

from __future__ import annotations

from fastapi import APIRouter

from mosaic_assets.explorer.problems import PROBLEMS

router = APIRouter(prefix="/api", tags=["colours"], responses=PROBLEMS)
