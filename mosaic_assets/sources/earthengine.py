"""Imagery from Google Earth Engine, by windows of a pixel grid; needs an account and the extra ``earthengine``.

A median composite is computed on Google's side and comes as GeoTIFF, whose grid is compared with the one asked for: an
answer shifted by half a pixel is an error, not a chip. Windows larger than a request may be are fetched in pieces.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from mosaic_assets.errors import SourceError
from mosaic_assets.settings import Network
from mosaic_assets.sources.earthengine_calls import HIGH_VOLUME, Caller, Transport, load_client, start_session
from mosaic_assets.sources.earthengine_graph import Composite, Piece, PixelGrid, median_image, pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

Method = Literal["computePixels", "getDownloadURL"]

SHIFT_PX = 1e-6
"""How far the corner of an answer may lie from the one asked for, pixels: what is lost in writing numbers."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What one request may ask for."""

    megabytes: int
    """Uncompressed pixels, millions of bytes."""
    longest_side: int
    """Pixels."""
    bands: int


LIMITS: dict[Method, RequestLimits] = {
    "computePixels": RequestLimits(megabytes=48, longest_side=32_000, bands=1024),
    "getDownloadURL": RequestLimits(megabytes=32, longest_side=10_000, bands=1024),
}


class EarthEngineImagery:
    """A composite on a pixel grid, read window by window; use it as a context manager.

    Reading is safe from many threads; at most 40 requests are under way at a time.

    Parameters
    ----------
    composite, grid
        What to compute, and on which pixels.
    network
        Timeouts, retries, contact.
    project
        The Google Cloud project that is charged.
    licence, attribution
        Of the collection; its page in the Earth Engine catalogue gives both.
    method
        ``computePixels``: one request a piece. ``getDownloadURL``: two, one for the address and one for the pixels.
    credentials
        As in `start_session`.
    endpoint
        Address of the service; replaced in tests.
    caller, transport
        How requests are paced and sent; replaced in tests.

    Raises
    ------
    SourceError
        The client is not installed, or more bands are named than a request may ask for.
    """

    def __init__(
        self,
        composite: Composite,
        grid: PixelGrid,
        network: Network,
        *,
        project: str,
        licence: str,
        attribution: str,
        method: Method = "computePixels",
        credentials: Any = "persistent",
        endpoint: str = HIGH_VOLUME,
        caller: Caller | None = None,
        transport: Any = None,
    ) -> None:
        if method not in LIMITS:
            raise SourceError(f"Earth Engine has no way {method!r} to fetch pixels; choose one of {', '.join(LIMITS)}")
        if len(composite.bands) > LIMITS[method].bands:
            raise SourceError(
                f"{len(composite.bands)} bands are asked of Earth Engine, which gives at most {LIMITS[method].bands} "
                "at a time; name fewer"
            )
        self.composite, self.grid = composite, grid
        self.licence, self.attribution = licence, attribution
        self._method: Method = method
        self._ee = load_client()
        self._start = (project, credentials, endpoint)
        self._call = caller or Caller(network)
        agent = f" (+{network.contact})" if network.contact else ""
        self._transport = transport or Transport(network.timeout_s, agent=agent)
        self._image: Any = None
        self._lock = threading.Lock()

    @property
    def crs(self) -> str:
        """The grid's coordinate reference system: a code, or WKT."""
        return self.grid.crs

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """The affine transform (a, b, c, d, e, f) of the grid, as rasterio writes it."""
        return self.grid.transform

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the grid, pixels."""
        return self.grid.height, self.grid.width

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands, in the order in which they are read."""
        return self.composite.bands

    @property
    def dtype(self) -> str:
        """Type of the pixels."""
        return self.composite.dtype

    @property
    def nodata(self) -> float:
        """Value of pixels without any clear observation."""
        return self.composite.nodata

    @property
    def identity(self) -> str:
        """Digest of what is asked for; collections that Google reprocesses keep it."""
        return f"earthengine:{self.composite.collection}:{self.composite.identity(self.grid)}"

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Fetch a window of the grid.

        Parameters
        ----------
        row, column
            First pixel, counted from the grid's upper left corner, >= 0.
        height, width
            Pixels, >= 1; the window lies in the grid.

        Returns
        -------
        array of shape (bands, height, width) and type `dtype`

        Raises
        ------
        SourceError
            A window outside the grid, a refusal, or an answer on other pixels than asked for.
        SourceUnavailableError
            Passing failures outlasted the retries.
        """
        window = Piece(row, column, height, width)
        inside = row >= 0 and column >= 0 and row + height <= self.grid.height and column + width <= self.grid.width
        if not inside or height < 1 or width < 1:
            raise SourceError(
                f"reading {window} failed: the grid has {self.grid.height} x {self.grid.width} pixels; ask for a window "
                "inside it"
            )
        limits = LIMITS[self._method]
        pixel_bytes = len(self.bands) * np.dtype(self.dtype).itemsize
        most_pixels = limits.megabytes * 1_000_000 // pixel_bytes
        pixels = np.empty((len(self.bands), height, width), self.dtype)
        for piece in pieces(window, most_pixels=most_pixels, longest_side=limits.longest_side):
            rows = slice(piece.row - row, piece.row - row + piece.height)
            columns = slice(piece.column - column, piece.column - column + piece.width)
            pixels[:, rows, columns] = self._fetch(piece)
        return pixels

    def _fetch(self, piece: Piece) -> NDArray[Any]:
        image = self._composite_image()
        fetch: Callable[[Any, Piece], bytes] = self._compute if self._method == "computePixels" else self._download
        what = f"fetching {piece.height} x {piece.width} pixels at row {piece.row}, column {piece.column}"
        body = self._call(f"{what} of {self.composite.collection}", lambda: fetch(image, piece))
        return self._decode(body, piece)

    def _composite_image(self) -> Any:
        """Start the session and build the graph at the first read, so that opening costs nothing."""
        with self._lock:
            if self._image is None:
                project, credentials, endpoint = self._start
                start_session(self._ee, self._call, project, self._transport, credentials, endpoint)
                self._image = median_image(self._ee, self.composite, self.grid)
            return self._image

    def _compute(self, image: Any, piece: Piece) -> bytes:
        asked = {
            "expression": image,
            "fileFormat": "GEO_TIFF",
            "bandIds": list(self.bands),
            "grid": self.grid.of(piece),
        }
        return bytes(self._ee.data.computePixels(asked))

    def _download(self, image: Any, piece: Piece) -> bytes:
        a, _, _, _, e, _ = self.transform
        x, y = self.grid.corner(piece)
        asked = {
            "format": "GEO_TIFF",
            "filePerBand": False,
            "bands": list(self.bands),
            "crs": self.crs,
            "crs_transform": [a, 0.0, x, 0.0, e, y],
            "dimensions": [piece.width, piece.height],
        }
        address = image.getDownloadURL(asked)
        return bytes(self._transport.get(address))

    def _decode(self, body: bytes, piece: Piece) -> NDArray[Any]:
        """Return the pixels of an answer, after comparing its grid with the one asked for."""
        import rasterio
        from rasterio.errors import RasterioError

        try:
            # One byte more than none: rasterio takes an empty file for one to be written.
            with rasterio.MemoryFile(body or b"\0") as memory, memory.open() as dataset:
                wrong = self._difference(dataset, piece)
                pixels: NDArray[Any] = dataset.read() if not wrong else np.empty(0)
        except RasterioError as error:
            raise SourceError(
                f"Earth Engine answered {piece} of {self.composite.collection} with {len(body)} bytes that are no "
                f"GeoTIFF ({error}); run again, and look for a proxy between here and there if it stays so"
            ) from error
        if wrong:
            raise SourceError(
                f"Earth Engine answered {piece} of {self.composite.collection} on other pixels than asked for: {wrong}. "
                "Nothing was kept; check the grid's CRS and transform"
            )
        return pixels

    def _difference(self, dataset: Any, piece: Piece) -> str:
        """Say how an answer differs from what was asked for, or ''."""
        from rasterio.crs import CRS

        x, y = self.grid.corner(piece)
        got = dataset.transform
        shift = max(abs(got.c - x) / self.grid.pixel_width, abs(got.f - y) / self.grid.pixel_height)
        stretch = max(abs(got.a / self.grid.pixel_width - 1), abs(got.e / -self.grid.pixel_height - 1))
        if (dataset.count, dataset.height, dataset.width) != (len(self.bands), piece.height, piece.width):
            return f"{dataset.count} bands of {dataset.height} x {dataset.width}"
        if set(dataset.dtypes) != {self.dtype}:
            return f"pixels of type {', '.join(sorted(set(dataset.dtypes)))} instead of {self.dtype}"
        if shift > SHIFT_PX or stretch * max(piece.height, piece.width) > SHIFT_PX or got.b or got.d:
            return f"transform {tuple(got)[:6]}, whose first pixel is {shift:.3g} pixels off"
        # WKT is written in many ways; only codes can be compared safely.
        if self.grid.has_code and dataset.crs != CRS.from_user_input(self.crs):
            return f"CRS {dataset.crs} instead of {self.crs}"
        return ""

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
