"""What the chips domain speaks of: grid windows, chips, label files, and the seam behind which imagery comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from mosaic_assets.chips.leakage import IGNORE, Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BACKGROUND = 0
"""Label of pixels that lie in no polygon."""
HIGHEST_CLASS = 254
"""Classes are 1 to this; `IGNORE` is the next."""

__all__ = [
    "BACKGROUND", "HIGHEST_CLASS", "IGNORE", "Chip", "ChipImagery", "CutChip", "Reject", "Transform", "Window",
]  # fmt: skip

Transform = tuple[float, float, float, float, float, float]
"""Affine transform (a, b, c, d, e, f) from column and row to x and y, as rasterio writes it; b and d are 0, e < 0."""


class ChipImagery(Protocol):
    """Imagery on one integer grid of pixels, read window by window; use it as a context manager.

    Every back end has the same few members, so that the cutter knows none of them. `read` may be called from many threads.
    """

    @property
    def crs(self) -> str:
        """Coordinate reference system of the grid: a code such as ``EPSG:3857``, or WKT."""
        ...

    @property
    def transform(self) -> Transform:
        """North up: from column and row to x and y in the CRS."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the grid, pixels."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands, in the order in which they are read."""
        ...

    @property
    def dtype(self) -> str:
        """Type of the pixels, a name that numpy knows."""
        ...

    @property
    def nodata(self) -> float | None:
        """Value of pixels without imagery in a plain answer; None: only a mask tells."""
        ...

    @property
    def identity(self) -> str:
        """Text that changes when the pixels may; chips of another identity are fetched again."""
        ...

    @property
    def licence(self) -> str:
        """Of the imagery."""
        ...

    @property
    def attribution(self) -> str:
        """The line that its provider wants to see."""
        ...

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Return (bands, height, width) pixels of a window inside the grid; masked where there is no imagery."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Chip:
    """One chip as planned: where it lies, what it belongs to, and where its files go."""

    id: str
    """``<epsg>_<x>_<y>_<size>``, x and y in pixels of the CRS: the same place on the same grid has the same id for ever."""
    region: str
    split: str
    fold: int
    """1 to ``chips.folds``."""
    row: int
    column: int
    size: int
    """Side, pixels. The window may reach past the south and east edge of the imagery."""
    positive: bool
    """True when a pixel of a class is taught."""
    path: str
    """Of the imagery, relative to the folder of chips; with the label as last band unless ``mask_path`` is given."""
    mask_path: str
    """Of the label, for formats that keep it apart; else empty."""
    label_digest: str
    """SHA-256 of the label band as planned, before pixels without imagery are ignored."""

    @property
    def window(self) -> Window:
        """Pixels of the imagery's grid."""
        return Window(self.row, self.column, self.size, self.size)


@dataclass(frozen=True, slots=True)
class CutChip:
    """What is known of a chip once its files are written."""

    id: str
    key: str
    """Digest of everything the files depend on; a chip with the same key is not fetched again."""
    sha256: str
    mask_sha256: str
    size_bytes: int
    """Of both files."""
    pixels: dict[str, int] = field(default_factory=dict)
    """Pixels by label value, as text; ``"0"`` background, ``"255"`` ignored. Empty: no imagery there, nothing was written."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A label that could not be used as it was."""

    row: int
    """Position in the file, from 0."""
    action: str
    """``repaired`` (used, mended), ``ignored`` (its pixels are 255), ``dropped`` (not used at all)."""
    reason: str


def pixels_and_gaps(imagery: ChipImagery, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a window that may reach past the edges; return its pixels and where there is no imagery.

    Returns
    -------
    pixels : (bands, height, width) of the imagery's type; 0, or its nodata value, where there is none.
    gaps : bool (height, width), True where no band has a value.
    """
    import numpy as np

    height, width = imagery.size
    fill = imagery.nodata if imagery.nodata is not None else 0
    pixels = np.full((len(imagery.bands), window.height, window.width), fill, imagery.dtype)
    gaps = np.ones((window.height, window.width), bool)
    top, left = max(0, window.row), max(0, window.column)
    bottom, right = min(height, window.row + window.height), min(width, window.column + window.width)
    if bottom <= top or right <= left:
        return pixels, gaps
    answer = imagery.read(top, left, bottom - top, right - left)
    there = slice(top - window.row, bottom - window.row), slice(left - window.column, right - window.column)
    pixels[:, there[0], there[1]] = np.ma.filled(answer, fill) if np.ma.isMaskedArray(answer) else answer
    gaps[there] = _missing(answer, imagery.nodata)
    return pixels, gaps


def _missing(answer: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Tell where all bands are masked, nodata, or not a number."""
    import numpy as np

    data = np.ma.getdata(answer)
    missing = np.ma.getmaskarray(answer).copy()
    if nodata is not None:
        missing |= data == nodata
    if data.dtype.kind == "f":
        missing |= np.isnan(data)
    return np.asarray(missing.all(axis=0))
