"""Where the pixels of chips come from: a file, a tile source, Earth Engine; all behind `ChipImagery`."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mosaic_assets.chips.records import ChipImagery, Transform, Window
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.core.tiles import EARTH_RADIUS_M, TILE_SIZE
from mosaic_assets.errors import SettingsError, SourceError, SourceUnavailableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mosaic_assets.settings import Chips, Settings
    from mosaic_assets.sources.base import TileSource

WHOLE = 1 << 30
"""Bytes up to which a raster's identity is made of all of them: a gigabyte takes a second or two, once a process."""
ENDS = 1 << 20
"""Bytes at the beginning and at the end that stand for a larger one, with its size and time of change."""
KEPT_TILES = 256
"""Decoded tiles that are kept for the neighbours that need them too; 50 MB."""


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


class RasterImagery:
    """Windows of a georeferenced file, on its own pixels or warped to another CRS; each thread has a handle of its own."""

    nodata = None

    def __init__(self, chips: Chips) -> None:
        if chips.raster is None:
            raise SettingsError(
                "chips.imagery is raster, but chips.raster names no file; set it to a GeoTIFF, COG or VRT"
            )
        self.path, self._target, self._wanted = chips.raster, chips.crs, chips.bands
        self.licence, self.attribution = chips.licence, chips.attribution
        self._local, self._opened, self._lock = threading.local(), list[Any](), threading.Lock()
        dataset = self._dataset()
        self._indexes = _chosen_bands(dataset, chips)
        self.crs, self.transform = _place(dataset, self.path)
        self.size: tuple[int, int] = (dataset.height, dataset.width)
        self.bands = tuple(dataset.descriptions[index - 1] or f"band{index}" for index in self._indexes)
        self.dtype = _common_type(dataset, self._indexes, self.path)
        self.identity = f"raster:{_digest(self.path)}:{chips.crs or ''}:{','.join(map(str, self._indexes))}"

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Return (bands, height, width) pixels, masked where the file has no imagery."""
        from rasterio.errors import RasterioError
        from rasterio.windows import Window as RasterWindow

        window = RasterWindow(column, row, width, height)
        try:
            pixels: NDArray[Any] = self._dataset().read(list(self._indexes), window=window, masked=True)
        except RasterioError as error:
            raise SourceError(
                f"reading {height} x {width} pixels at row {row}, column {column} of {self.path} failed: {error}. The file is damaged "
                "there; get it anew"
            ) from error
        return pixels

    def _dataset(self) -> Any:
        """Return this thread's handle, warped if need be: GDAL's are not to be shared between threads."""
        import rasterio
        from rasterio.enums import ColorInterp, Resampling
        from rasterio.errors import RasterioError
        from rasterio.vrt import WarpedVRT

        if not hasattr(self._local, "dataset"):
            try:
                dataset = rasterio.open(self.path)
                opened = [dataset]
                if self._target:
                    # Without nodata or alpha, corners that the warp leaves empty would look like black imagery.
                    alpha = dataset.nodata is None and ColorInterp.alpha not in dataset.colorinterp
                    opened.append(WarpedVRT(dataset, crs=self._target, resampling=Resampling.bilinear, add_alpha=alpha))
            except (RasterioError, ValueError) as error:
                raise SourceError(
                    f"opening the raster {self.path} failed: {error}. Expected a file that GDAL reads, and chips.crs "
                    f"({self._target or 'not set'}) to be a CRS such as EPSG:32734"
                ) from error
            self._local.dataset = opened[-1]
            with self._lock:
                self._opened += opened
        return self._local.dataset

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for dataset in reversed(self._opened):
            dataset.close()


def _chosen_bands(dataset: Any, chips: Chips) -> tuple[int, ...]:
    from rasterio.enums import ColorInterp

    if wrong := [index for index in chips.bands if not 1 <= index <= dataset.count]:
        raise SettingsError(
            f"chips.bands = {list(wrong)} are not in {chips.raster}, which has bands 1 to {dataset.count}"
        )
    colours = [index for index, meaning in enumerate(dataset.colorinterp, 1) if meaning != ColorInterp.alpha]
    return chips.bands or tuple(colours)


def _place(dataset: Any, path: Path) -> tuple[str, Transform]:
    transform = tuple(float(number) for number in tuple(dataset.transform)[:6])
    if dataset.crs is None or transform[1] or transform[3] or transform[0] <= 0 or transform[4] >= 0:
        problem = "has no CRS" if dataset.crs is None else f"is not north up: its transform is {transform}"
        raise SourceError(
            f"the raster {path} {problem}, so its pixels are on no grid; give it one with GDAL, or warp it by setting chips.crs"
        )
    code = dataset.crs.to_epsg()
    a, b, c, d, e, f = transform
    return (f"EPSG:{code}" if code else dataset.crs.to_wkt()), (a, b, c, d, e, f)


def _common_type(dataset: Any, indexes: tuple[int, ...], path: Path) -> str:
    types = {dataset.dtypes[index - 1] for index in indexes}
    if len(types) > 1:
        raise SourceError(
            f"bands of {path} have different types ({', '.join(sorted(types))}); a chip has one: choose bands of one with chips.bands"
        )
    kind = np.dtype(types.pop())
    if kind.kind not in "uif" or (kind.itemsize == 1 and kind.kind == "i"):
        raise SourceError(f"pixels of {path} are {kind}, which cannot hold the label 255; convert them with GDAL")
    return str(kind.name)


def _digest(path: Path) -> str:
    """Return a digest of a file: of every byte, or of a very large one of its ends, its size and the time of its last change."""
    found = path.stat()
    return _digest_once(path, found.st_size, found.st_mtime_ns)


@cache
def _digest_once(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        if size <= WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
        found = hashlib.sha256(f"{size} {changed_ns} ".encode() + file.read(ENDS))
        file.seek(size - ENDS)
        found.update(file.read())
    return str(found.hexdigest())[:32]


class TileImagery:
    """The Web-Mercator tiles of a source at one zoom as one picture of the world: 256 * 2**zoom pixels a side."""

    crs, bands, dtype, nodata = "EPSG:3857", ("red", "green", "blue"), "uint8", None

    def __init__(self, source: TileSource, zoom: int) -> None:
        self._source, self.zoom = source, zoom
        self.record = source.record
        side = TILE_SIZE << zoom
        half = np.pi * EARTH_RADIUS_M
        pixel = 2 * half / side
        self.size = (side, side)
        self.transform: Transform = (pixel, 0.0, -half, 0.0, -pixel, half)
        self.licence, self.attribution = source.record.licence, source.record.attribution
        self.identity = f"tiles:{'/'.join(source.record.identity)}:{source.record.name}:{zoom}"
        self._tiles: OrderedDict[Tile, NDArray[np.uint8] | None] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, windows: Iterable[Window]) -> None:
        """Fetch the tiles of some windows together, as many at a time as the source allows."""
        with self._lock:
            self._fetch([tile for window in windows for tile in self._tiles_of(window)])

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Return (3, height, width) pixels, masked where the source has no tile.

        Raises
        ------
        SourceUnavailableError
            A tile failed although it was asked for again and again; running again later may help.
        SourceError
            A tile that is no picture, or refused.
        """
        window = Window(row, column, height, width)
        pixels: Any = np.ma.array(np.zeros((3, height, width), np.uint8), mask=True)
        with self._lock:
            tiles = self._tiles_of(window)
            self._fetch(tiles)
            held = [(tile, self._tiles[tile]) for tile in tiles]
        for tile, picture in held:
            if picture is not None:
                _paste(pixels, picture, tile.y * TILE_SIZE - row, tile.x * TILE_SIZE - column)
        answer: NDArray[Any] = pixels
        return answer

    def _tiles_of(self, window: Window) -> list[Tile]:
        rows = range(window.row // TILE_SIZE, -(-(window.row + window.height) // TILE_SIZE))
        columns = range(window.column // TILE_SIZE, -(-(window.column + window.width) // TILE_SIZE))
        side = 1 << self.zoom
        return [Tile(x, y, self.zoom) for y in rows for x in columns if x < side and y < side]

    def _fetch(self, tiles: list[Tile]) -> None:
        wanted = list(dict.fromkeys(tiles))
        for tile in wanted:
            if tile in self._tiles:
                self._tiles.move_to_end(tile)
        missing = [tile for tile in wanted if tile not in self._tiles]
        if missing:
            with closing(self._source.fetch(missing)) as answers:
                for answer in answers:
                    self._tiles[answer.tile] = self._picture(answer)
        while len(self._tiles) > max(KEPT_TILES, len(wanted)):
            self._tiles.popitem(last=False)

    def _picture(self, answer: Fetched) -> NDArray[np.uint8] | None:
        outcome, detail, image = answer.outcome, answer.detail, None
        if answer.body is not None:
            image, outcome, detail = decode_tile(answer.body)
        if outcome in (None, Outcome.MISSING, Outcome.PLACEHOLDER):
            return image
        where = f"tile x={answer.tile.x} y={answer.tile.y} z={answer.tile.z} of {self.record.name}"
        if outcome is Outcome.FETCH_FAILED:
            raise SourceUnavailableError(
                f"fetching {where} failed: {detail}. Chips cut so far are kept; run again later"
            )
        raise SourceError(
            f"{where} cannot be used: {outcome} ({detail}); mend or change chips.source. Chips cut so far are kept"
        )

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.__exit__(kind, error, trace)


def _paste(pixels: Any, picture: NDArray[np.uint8], top: int, left: int) -> None:
    """Put a tile into a window at a place that may lie partly outside."""
    height, width = pixels.shape[1:]
    rows = slice(max(0, top), min(height, top + TILE_SIZE))
    columns = slice(max(0, left), min(width, left + TILE_SIZE))
    part = picture[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    pixels[:, rows, columns] = np.moveaxis(part, 2, 0)


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
