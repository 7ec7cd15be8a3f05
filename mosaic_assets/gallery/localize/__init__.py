"""Localization: where in the gallery a picture is, and how well methods find out.

>>> from mosaic_assets.gallery.localize import method_named
>>> method_named("sift_vlad").description
'SIFT-VLAD retrieval, its first cells verified by RANSAC: any turn, half to double scale.'
"""

from __future__ import annotations

from mosaic_assets.gallery.localize.evaluate import BenchmarkReport, run_benchmark
from mosaic_assets.gallery.localize.gallery import Gallery
from mosaic_assets.gallery.localize.locate import locate
from mosaic_assets.gallery.localize.records import Candidate, Location, Match, Query
from mosaic_assets.gallery.localize.registry import method, method_named

__all__ = [
    "BenchmarkReport",
    "Candidate",
    "Gallery",
    "Location",
    "Match",
    "Query",
    "locate",
    "method",
    "method_named",
    "run_benchmark",
]
