"""Where is this picture? One query, one method, an answer with a confidence and a picture of it."""

from __future__ import annotations

import time
from pathlib import Path

from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.localize.cutting import read_query
from mosaic_assets.gallery.localize.gallery import Gallery, chosen_zoom, opening_gallery
from mosaic_assets.gallery.localize.index import Progress
from mosaic_assets.gallery.localize.metrics import ground_distance
from mosaic_assets.gallery.localize.plots import match_picture
from mosaic_assets.gallery.localize.records import ACCEPTED_FROM, Image, Location, Query
from mosaic_assets.gallery.localize.registry import Method, method_named
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import open_gallery

SMALLEST_PX = 64
"""Sides of a query below this are refused."""

BLANK_BELOW = 2.0
"""A query whose grey levels have a standard deviation below this is blank, of 255."""


def locate(
    picture: Path | Image, settings: Settings, *, method: str | None = None, progress: Progress | None = None
) -> Location:
    """Find a picture in the gallery.

    Parameters
    ----------
    picture : a file, or uint8 (h, w, 3), red, green, blue. Of a georeferenced file, scale and north are used to lay it out;
        its place is only used to say how far off the answer is.
    method : name of a method; default: the first of ``gallery.localize_methods``.
    progress : told how the index is built when there is none yet.

    Returns
    -------
    Location
        ``accepted`` is False when the method does not stand by its answer; then the rest is its best guess, if any.

    Raises
    ------
    GalleryError
        There is no gallery, or the picture is blank, too small or no picture.
    """
    chosen = method_named(method or settings.gallery.localize_methods[0], settings.gallery.localize_modules)
    query = _query(picture, settings)
    refuse_blank(query)
    with opening_gallery(settings, progress) as gallery:
        return located(query, gallery, chosen)


def located(query: Query, gallery: Gallery, method: Method) -> Location:
    """Find a query in an opened gallery."""
    start = time.perf_counter()
    candidates = method.run(query, gallery)
    seconds = time.perf_counter() - start
    first = candidates[0] if candidates else None
    picture = match_picture(query, first, gallery.view, f"{query.name} by {method.name}")
    if first is None:
        return Location(
            query.name, method.name, False, None, None, None, 0.0, 0, seconds, picture, synthetic=gallery.view.synthetic
        )
    error = None if query.truth is None else ground_distance(query.truth, (first.lng, first.lat))
    return Location(
        query.name, method.name, first.confidence >= ACCEPTED_FROM, first.lng, first.lat, first.footprint, first.confidence,
        first.inliers, seconds, picture, tuple(candidates), error, gallery.view.synthetic,
    )  # fmt: skip


def refuse_blank(query: Query) -> None:
    """Refuse a query that is too small or shows nothing.

    Raises
    ------
    GalleryError
        It has a side of less than `SMALLEST_PX`, or one colour only.
    """
    height, width = query.image.shape[:2]
    if min(height, width) < SMALLEST_PX:
        raise GalleryError(
            f"locating {query.name}: it is {width} x {height} pixels at the gallery's scale, expected at least {SMALLEST_PX} "
            "a side; give a picture of a larger place"
        )
    spread = float(query.image.mean(axis=2).std())
    if spread < BLANK_BELOW:
        raise GalleryError(
            f"locating {query.name}: the picture is blank (its grey levels have a standard deviation of {spread:.1f} of 255), so "
            "it could be anywhere; give one that shows something"
        )


def _query(picture: Path | Image, settings: Settings) -> Query:
    if not isinstance(picture, Path):
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != "uint8":
            raise GalleryError(
                f"locating a picture of shape {picture.shape} and type {picture.dtype}: expected uint8 (h, w, 3), red, green, blue"
            )
        return Query("picture", picture, kind="given")
    if not picture.is_file():
        raise GalleryError(f"locating {picture}: there is no such file; check the path")
    with open_gallery(settings.gallery_folder) as database:
        zoom = chosen_zoom(database, settings.gallery)
    return read_query(picture, zoom)
