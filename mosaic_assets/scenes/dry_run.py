"""The requests that a day would make of Copernicus, without making any: to look at before an account is at stake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from mosaic_assets.scenes.catalog import bounds_of_day
from mosaic_assets.scenes.crop import INSTRUMENT_FILE
from mosaic_assets.scenes.names import EXAMPLE
from mosaic_assets.scenes.recipes import RGB_BANDS
from mosaic_assets.scenes.records import MANIFEST_FILE, SAFE_SUFFIX
from mosaic_assets.scenes.region import load_region, rings_to_search
from mosaic_assets.scenes.screen import FLAGS_FILE
from mosaic_assets.scenes.ties import TIE_GEOMETRIES, TIE_PLACES
from mosaic_assets.settings import Settings
from mosaic_assets.sources.copernicus import MAX_RING, file_url, search_url

PLACEHOLDER_ID = "00000000-0000-0000-0000-000000000000"
"""Stands for the id that the search answers with."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request that would be made."""

    step: str
    method: str
    url: str
    account: str
    """``none``, ``user and password``, or ``token``."""
    when: str


def planned_requests(settings: Settings, days: Sequence[date]) -> Iterator[PlannedRequest]:
    """Yield the searches of some days, then what one scene takes; nothing is sent. Raises `SettingsError`.

    Examples
    --------
    >>> from mosaic_assets.settings import load_settings
    >>> [one.step for one in planned_requests(load_settings(), [date(2024, 6, 1)])][:4]
    ['search', 'token', 'manifest', 'screening']
    """
    scenes = settings.scenes
    for ring in rings_to_search(load_region(settings), MAX_RING):
        for day in days:
            url = search_url(scenes.catalogue_url, ring, *bounds_of_day(day))
            yield PlannedRequest("search", "GET", url, "none", "each day; then its next pages")
    yield PlannedRequest("token", "POST", scenes.token_url, "user and password", "once, and when the token ends")
    for step, files, when in _STEPS:
        for file in files:
            url = file_url(scenes.download_url, PLACEHOLDER_ID, EXAMPLE + SAFE_SUFFIX, file)
            yield PlannedRequest(step, "GET", url, "token", when)


_STEPS = (
    ("manifest", (MANIFEST_FILE,), "each scene"),
    ("screening", (FLAGS_FILE,), "each scene that its manifest does not rule out; ranges"),
    (
        "crop",
        (*(f"{band}_radiance.nc" for band in RGB_BANDS), INSTRUMENT_FILE, TIE_GEOMETRIES, TIE_PLACES),
        "each scene that its flags do not rule out; ranges",
    ),
)
