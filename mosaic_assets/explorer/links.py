"""Addresses that answers hand out."""

from __future__ import annotations

from urllib.parse import urlencode

CONTRIBUTED = ("tiles", "crops", "chips", "queries", "gallery")
"""Data sets of the pipeline; each is its own platform in the index. All other platforms are satellites of the archive."""
DATASETS = ("scenes", *CONTRIBUTED)
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
"""How the names of pictures end."""


def dataset_of(platform: str) -> str:
    """Return the data set of a scene by its platform.

    Examples
    --------
    >>> dataset_of("NOAA-12"), dataset_of("crops")
    ('scenes', 'crops')
    """
    return platform if platform in CONTRIBUTED else "scenes"


def thumbnail_link(dataset: str, number: str, size: int = 128) -> str:
    """Return the address of a small picture of a scene of a data set.

    Examples
    --------
    >>> thumbnail_link("gallery", "WebMercatorQuad/3/4/5")
    '/api/thumbnail?dataset=gallery&id=WebMercatorQuad%2F3%2F4%2F5&size=128'
    """
    return f"/api/thumbnail?{urlencode({'dataset': dataset, 'id': number, 'size': size})}"


def picture_link(dataset: str, number: str) -> str:
    """Return the address of a scene's picture as a browser can show it.

    Examples
    --------
    >>> picture_link("chips", "R1_00012")
    '/api/picture?dataset=chips&id=R1_00012'
    """
    return f"/api/picture?{urlencode({'dataset': dataset, 'id': number})}"
