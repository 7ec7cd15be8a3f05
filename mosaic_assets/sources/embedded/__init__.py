"""Deterministic, offline, seamless stand-in for satellite imagery, zoom 0 to 19.

Colour comes from NASA's Blue Marble; everything finer than its 7 km pixels is synthetic.
"""

from mosaic_assets.sources.embedded.paint import render
from mosaic_assets.sources.embedded.source import EMBEDDED, EmbeddedSource

__all__ = ["EMBEDDED", "EmbeddedSource", "render"]
