"""One day of synthetic products, worked through once, and products some of whose files are altered."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import BinaryIO

import h5py

from mosaic_assets.scenes.crop import CropResult, crop_scene
from mosaic_assets.scenes.crop_manifest import write_manifest
from mosaic_assets.scenes.local import LocalProduct, MissingFileError
from mosaic_assets.scenes.publish import publish_crop
from mosaic_assets.scenes.records import SceneOutcome, SceneRecord
from mosaic_assets.scenes.synthetic import products_of_day, write_product
from mosaic_assets.settings import Settings, load_settings

DAY = date(2024, 6, 1)
SEED = 20_240_615


class Day:
    """Products of a day by kind, what became of them, and the home where they were published."""

    def __init__(self, home: Path) -> None:
        self.settings: Settings = load_settings(home=home)
        specs = products_of_day(DAY, SEED)
        self.folders = {
            spec.kind: write_product(replace(spec, bands=(4, 6, 8)), home / "products") for spec in specs
        }  # three bands, to save time
        self.crops: dict[str, CropResult] = {}
        self.records: dict[str, SceneRecord] = {}
        for kind, folder in self.folders.items():
            with LocalProduct(folder, synthetic=True) as product:
                crop, manifest = crop_scene(product, "reflectance"), product.manifest()
                found = SceneRecord(
                    product.name,
                    SceneOutcome.UNAVAILABLE,
                    scene_footprint=manifest.footprint,
                    rows=manifest.rows,
                    columns=manifest.columns,
                    source="embedded",
                    synthetic=True,
                    bytes_fetched=product.bytes_fetched,
                )
            self.crops[kind] = crop
            self.records[kind] = publish_crop(self.settings, found, crop)
        write_manifest(self.settings, DAY, self.records.values())


class Altered(LocalProduct):
    """A product some of whose files hold other bytes, or are gone (None)."""

    def __init__(self, folder: Path, **files: bytes | None) -> None:
        super().__init__(folder, synthetic=True, verify=False)
        self._altered = {f"{name}.nc": content for name, content in files.items()}

    def open(self, file: str) -> BinaryIO:
        if file in self._altered:
            content = self._altered[file]
            if content is None:
                raise MissingFileError(f"opening {file}: gone")
            return io.BytesIO(content)
        return super().open(file)


def edited(path: Path, change: Callable[[h5py.File], None]) -> bytes:
    buffer = io.BytesIO(path.read_bytes())
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()
