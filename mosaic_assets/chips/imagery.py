"""Where the pixels of chips come from: a file, a tile source, Earth Engine; all behind `ChipImagery`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mosaic_assets.chips.raster_imagery import RasterImagery
from mosaic_assets.chips.records import ChipImagery
from mosaic_assets.chips.tile_imagery import TileImagery
from mosaic_assets.errors import SettingsError

if TYPE_CHECKING:
    from mosaic_assets.settings import Settings


def open_imagery(settings: Settings) -> ChipImagery:
    """Open the imagery that the settings name.

    Raises
    ------
    SettingsError
        A setting that the back end needs is missing.
    SourceError
        The file cannot be read, has no place on Earth, or the source's terms are not acknowledged.
    """
    chips = settings.chips
    if chips.imagery == "raster":
        return RasterImagery(chips)
    if chips.imagery == "earthengine":
        return _earth_engine(settings)
    from mosaic_assets.sources.registry import open_source

    name = "embedded" if chips.imagery == "embedded" else chips.source
    # The zoom of the chips, not that of the harvest, is what the source must have.
    source = open_source(name, settings.model_copy(update={"zoom": chips.zoom}))
    return TileImagery(source, chips.zoom)


def is_synthetic(settings: Settings) -> bool:
    """Tell whether the imagery or the labels of the settings are made up."""
    chips = settings.chips
    if chips.imagery in ("raster", "earthengine"):
        return False
    from mosaic_assets.sources.registry import source_record

    name = "embedded" if chips.imagery == "embedded" else chips.source
    return source_record(name, settings).synthetic or chips.labels is None


def _earth_engine(settings: Settings) -> ChipImagery:
    from mosaic_assets.sources.earthengine import EarthEngineImagery
    from mosaic_assets.sources.earthengine_graph import Composite, PixelGrid

    chips = settings.chips
    needed = ("collection", "collection_bands", "begin", "end", "project", "crs", "grid")
    if missing := [f"chips.{name}" for name in needed if not getattr(chips, name)]:
        raise SettingsError(
            f"chips.imagery is earthengine, but {', '.join(missing)} are not set; see docs/earthengine.md"
        )
    left, bottom, right, top, pixel = chips.grid or (0.0,) * 5
    size = (right - left) / pixel, (top - bottom) / pixel
    if min(size) < 1 or any(abs(side - round(side)) > 1e-6 for side in size):
        raise SettingsError(
            f"chips.grid = {chips.grid} is {size[0]:.3f} x {size[1]:.3f} pixels; expected left, bottom, right, top a whole number of "
            "pixels apart"
        )
    composite = Composite(
        chips.collection, chips.begin, chips.end, tuple(chips.collection_bands), dtype=chips.collection_dtype
    )
    grid = PixelGrid(chips.crs or "", left, top, pixel, pixel, round(size[0]), round(size[1]))
    return EarthEngineImagery(
        composite, grid, settings.network, project=chips.project, licence=chips.licence, attribution=chips.attribution
    )
