"""Where a chip's files go: by its id, or as reference 3 named them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from mosaic_assets.chips.records import Chip

if TYPE_CHECKING:
    from mosaic_assets.settings import Chips

ENDINGS = {"geotiff": ".tif", "zipped_geotiff": ".zip", "npy": ".npy", "png": ".png", "jpg": ".jpg"}
WITH_MASK = {"png", "jpg"}
"""Formats that keep the label in a file of its own."""
MASK_ENDING = "_mask.png"


def name_files(chips: list[Chip], settings: Chips) -> list[Chip]:
    """Return the chips with paths, relative to the folder of chips.

    ``id``: ``images/<split>/<id>.tif``. ``reference``: ``Chips/<domain>/fold<k>/<split>/<domain>_<split>_imgs_00000.tif``,
    numbered within fold and split in the order given.
    """
    numbers: Counter[tuple[int, str]] = Counter()
    named = []
    for chip in chips:
        stem = f"images/{chip.split}/{chip.id}"
        if settings.naming == "reference":
            number = numbers[chip.fold, chip.split]
            numbers[chip.fold, chip.split] += 1
            folder = f"Chips/{settings.domain}/fold{chip.fold}/{chip.split}"
            stem = f"{folder}/{settings.domain}_{chip.split}_imgs_{number:05d}"
        mask = f"{stem}{MASK_ENDING}" if settings.format in WITH_MASK else ""
        named.append(replace(chip, path=stem + ENDINGS[settings.format], mask_path=mask))
    return named
