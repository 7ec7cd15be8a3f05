"""Five days of a made-up basemap for the stand-in, what should come of them, and how the service tells a failure."""

from __future__ import annotations

import json

import numpy as np

from mosaic_assets.sources.earthengine_graph import Composite, PixelGrid
from mosaic_assets_tests.sources.earthengine_server import CRS, LEFT, PIXEL, TOP, Layer

HEIGHT, WIDTH = 40, 48
GRID = PixelGrid(CRS, LEFT, TOP, PIXEL, PIXEL, WIDTH, HEIGHT)
BASEMAP = Composite("planet/basemap", "2020-01-02", "2020-01-05", ("R", "B"))
METHODS = ("computePixels", "getDownloadURL")


def layers(seed, bands, low=0, high=3_000):
    """Five days of random pixels, three in ten not observed."""
    rng = np.random.default_rng(seed)
    return [
        Layer(
            f"2020-01-0{day}",
            f"scene_{day}",
            {
                band: np.ma.array(rng.integers(low, high, (HEIGHT, WIDTH)), mask=rng.random((HEIGHT, WIDTH)) < 0.3)
                for band in bands
            },
        )
        for day in range(1, 6)
    ]


COLLECTIONS = {
    "planet/basemap": layers(1, "BGR"),
    "scores": [
        Layer(layer.day, layer.index, {"clear": layer.bands["clear"] / 100}) for layer in layers(2, ["clear"], high=100)
    ],
}


def median_of(band, days, rows, columns, hide=None):
    """The composite by numpy alone: median of what was observed, nodata 0, halves rounded up."""
    stack = np.ma.stack([COLLECTIONS["planet/basemap"][day - 1].bands[band] for day in days]).astype("f8")
    if hide is not None:
        stack = np.ma.array(stack, mask=np.ma.getmaskarray(stack) | hide)
    return np.floor(np.ma.filled(np.ma.median(stack, axis=0), 0) + 0.5)[rows, columns]


def error_body(status, message, reason=""):
    details = {"errors": [{"reason": reason}]} if reason else {}
    return json.dumps({"error": {"code": status, "message": message, **details}}).encode()
