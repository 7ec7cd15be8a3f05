"""Pixels of chips from a georeferenced file."""

from __future__ import annotations

import hashlib
import threading
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mosaic_assets.chips.records import Transform
from mosaic_assets.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mosaic_assets.settings import Chips

WHOLE = 1 << 30
"""Bytes up to which a raster's identity is made of all of them: a gigabyte takes a second or two, once a process."""
ENDS = 1 << 20
"""Bytes at the beginning and at the end that stand for a larger one, with its size and time of change."""


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
