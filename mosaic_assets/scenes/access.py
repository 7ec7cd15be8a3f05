"""From a row of the catalogue to a product that can be read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Protocol

from mosaic_assets.errors import StoreError
from mosaic_assets.scenes.catalog import CatalogueRow, products_folder
from mosaic_assets.scenes.local import LocalProduct
from mosaic_assets.scenes.records import Product
from mosaic_assets.scenes.remote import RemoteProduct
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import holding

EMBEDDED_BANDS = (3, 4, 6, 8, 17)
"""Bands that synthetic products are written with: those of the crop, and those that find clouds."""

ACCOUNT_WAIT_S = 4 * 3600.0
"""How long a day waits for another that uses the account's connections, seconds."""


class Opener(Protocol):
    """Opens the product of a row."""

    def __call__(self, row: CatalogueRow) -> Product:
        """Return the product; nothing is read yet."""


@contextmanager
def opening_products(settings: Settings) -> Iterator[Opener]:
    """Yield what opens products of the source in force; connections are closed behind it.

    Raises
    ------
    SettingsError
        The folder is not there, or there is no account for Copernicus.
    """
    if settings.scenes.source == "embedded":
        yield lambda row: _embedded(settings, row)
    elif settings.scenes.source == "folder":
        folder = products_folder(settings)
        yield lambda row: LocalProduct(folder / row.name.folder)
    else:
        from mosaic_assets.sources.copernicus import open_files

        http, scenes = open_files(settings), settings.scenes
        fetching = fetching_folder(settings)
        # The account's connections are for all runs together, so one day at a time uses them.
        with (
            holding(fetching / ".lock", "fetching from Copernicus", wait_s=ACCOUNT_WAIT_S),
            closing(http),
        ):
            yield lambda row: RemoteProduct(
                http, scenes.download_url, row.id, row.name, fetching / row.name.text, connections=scenes.connections
            )


def discard_fetched(settings: Settings, day: date) -> None:
    """Remove what runs that were killed left of a day's products: every scene has its outcome."""
    for folder in fetching_folder(settings).glob(f"S3?_OL_1_EFR____{day:%Y%m%d}T*"):
        shutil.rmtree(folder, ignore_errors=True)


def fetching_folder(settings: Settings) -> Path:
    """Return where files of products at Copernicus lie while their scenes are worked on."""
    return settings.smcefr_folder / "fetching"


def _embedded(settings: Settings, row: CatalogueRow) -> LocalProduct:
    """Write a synthetic product unless it is there; its checksums were just made."""
    from mosaic_assets.scenes.synthetic import products_of_day, write_product

    spec = next((one for one in products_of_day(row.name.day, settings.seed) if one.name.text == row.name.text), None)
    if spec is None:
        raise StoreError(
            f"making the synthetic product {row.name.text} failed: the day's products are others with seed = {settings.seed}; "
            f"run `mosaic scenes catalog --day {row.name.day}` again"
        )
    path = write_product(replace(spec, bands=EMBEDDED_BANDS), embedded_folder(settings))
    return LocalProduct(path, synthetic=True, verify=False)


def embedded_folder(settings: Settings) -> Path:
    """Return where synthetic products lie, each with the mask of its drawn clouds beside it."""
    return settings.smcefr_folder / "synthetic"
