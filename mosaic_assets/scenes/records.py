"""What travels between the catalogue, the products, the crops and their manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

MANIFEST_FILE = "xfdumanifest.xml"
"""The one file of a product that lists the others; it has no checksum itself."""

SAFE_SUFFIX = ".SEN3"
"""What the folder of a product ends in; a `ProductName.text` does not have it."""

TIMELINESS = ("NR", "ST", "NT")
"""Near real time, short time critical, non-time-critical: later ones are better calibrated and supersede earlier ones."""

SceneKey = tuple[str, datetime, int, int]
"""Mission, start of sensing, relative orbit, frame: what two editions of one scene share."""


@dataclass(frozen=True, slots=True)
class ProductName:
    """The fields of a product's name, as in ``S3A_OL_1_EFR____20211021T073827_..._LN1_O_NR_002``."""

    text: str
    """The whole name, 94 characters, without ``.SEN3``."""
    mission: str
    """``S3A`` or ``S3B``; ``S3C`` and ``S3D`` are to follow."""
    product_type: str
    """``EFR___``: the six characters after ``OL_1_``."""
    start: datetime
    """Start of sensing, UTC, aware, whole seconds."""
    stop: datetime
    created: datetime
    duration_s: int
    cycle: int
    relative_orbit: int
    frame: int
    """Along-track coordinate of the frame, seconds since the ascending node."""
    centre: str
    """Where it was made, three characters: ``LN1``, ``MAR``, ``PS1``, ``ESA``."""
    platform: str
    """``O`` operational, ``F`` reference, ``D`` development, ``R`` reprocessing."""
    timeliness: str
    """One of `TIMELINESS`."""
    collection: str
    """Baseline collection, three digits."""

    @property
    def scene_key(self) -> SceneKey:
        """What all editions of one scene share."""
        return self.mission, self.start, self.relative_orbit, self.frame

    @property
    def rank(self) -> tuple[int, int, datetime, str]:
        """Sorts editions of one scene: timeliness, then collection, then creation; the best is the largest."""
        return TIMELINESS.index(self.timeliness), int(self.collection), self.created, self.text

    @property
    def folder(self) -> str:
        """Name of the product's folder: with ``.SEN3``."""
        return self.text + SAFE_SUFFIX

    @property
    def day(self) -> date:
        """The day (UTC) in which sensing began: the scene's partition."""
        return self.start.date()


@dataclass(frozen=True, slots=True)
class ProductFile:
    """A file of a product, as its manifest lists it."""

    name: str
    """Relative to the product's folder, without ``./``."""
    size_bytes: int
    md5: str
    """32 hexadecimal digits, lower case."""


@dataclass(frozen=True, slots=True)
class ProductManifest:
    """What ``xfdumanifest.xml`` says of a product."""

    name: ProductName
    files: Mapping[str, ProductFile]
    footprint: BaseGeometry
    """Polygon or, over the date line, multipolygon: longitude, latitude, degrees."""
    rows: int
    columns: int
    percentages: Mapping[str, float]
    """0..100, of pixels: ``saline_water``, ``coastal``, ``fresh_inland_water``, ``tidal_region``, ``bright``,
    ``invalid``, ``cosmetic``, ``duplicated``, ``saturated``, ``dubious``; those that the manifest has."""
    start: datetime
    """UTC, aware, microseconds."""
    stop: datetime


@runtime_checkable
class Product(Protocol):
    """A product that can be read, wherever it lies."""

    @property
    def name(self) -> ProductName:
        """Its parsed name."""

    @property
    def synthetic(self) -> bool:
        """True for a product that was made here and shows no real place at no real time."""

    @property
    def bytes_fetched(self) -> int:
        """Bytes read from the source so far."""

    def manifest(self) -> ProductManifest:
        """Return its manifest, read once. Raises `ProductError`."""

    def open(self, file: str) -> BinaryIO:
        """Open a file of it, seekable; a product on a server fetches by ranges what is read.

        The handle may also be a `RangeReader` or a `NearReader`. Raises `ProductError` (``missing``) when the product
        has no such file.
        """

    def close(self) -> None:
        """Let go of connections and temporary files."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *exc: object) -> None:
        """Close."""


@runtime_checkable
class RangeReader(Protocol):
    """A handle that can fetch several ranges at a time; near ones are joined into one request."""

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each ``(offset, size)``, in their order."""


@runtime_checkable
class NearReader(Protocol):
    """A handle to a file on this machine: reading a little more costs less than looking twice."""

    def read_at(self, place: int, room: NDArray[np.uint8]) -> None:
        """Fill a room with the bytes from a place; several threads may do so at a time. Raises OSError at the file's end."""


class SceneOutcome(StrEnum):
    """What became of a scene. Every scene of a day's catalogue ends with exactly one."""

    KEPT = "kept"
    """Cropped and published."""
    SCREENED_CLOUD = "screened_cloud"
    """Too much of it, or of its crop, is cloud."""
    SCREENED_WATER = "screened_water"
    """Open water without texture."""
    SCREENED_INVALID = "screened_invalid"
    """Too many invalid pixels by the manifest or the quality flags."""
    SCREENED_FILL = "screened_fill"
    """Too much of the crop is without data: swath edge, or fill not explained by saturation."""
    FLAT = "flat"
    """Texture or luma entropy below the floor."""
    TOO_SMALL = "too_small"
    """Fewer than 1,024 rows or columns."""
    CORRUPT = "corrupt"
    """A file cannot be read as what it should be."""
    MISSING_BAND = "missing_band"
    """A file or variable that the crop needs is not there."""
    CHECKSUM = "checksum"
    """A file is not the one that the manifest lists."""
    REFUSED = "refused"
    """The source refuses this product for good (403, 404, 410)."""
    UNAVAILABLE = "unavailable"
    """Passing failures outlasted the retries; the day is incomplete and the scene is tried again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a scene or crop is discarded; shares are 0..1. Built from `settings.scenes`."""

    max_fill: float = 0.02
    max_cloud: float = 0.7
    max_water: float = 0.9
    min_texture: float = 0.02
    """Standard deviation of the Laplacian of luma (0..1) below which a crop with much water is discarded."""
    min_entropy: float = 4.5
    """Bits of luma entropy below which any crop is discarded."""


@dataclass(frozen=True, slots=True)
class SceneNumbers:
    """What was measured of a scene, or of its crop where there is one; None where nothing was."""

    fill: float | None = None
    """Share of pixels without data that saturation does not explain, 0..1."""
    saturated: float | None = None
    cloud: float | None = None
    water: float | None = None
    texture: float | None = None
    entropy: float | None = None


@dataclass(frozen=True, slots=True)
class SceneRecord:
    """A row of a day's manifest: what became of one scene."""

    name: ProductName
    outcome: SceneOutcome
    detail: str = ""
    numbers: SceneNumbers = field(default_factory=SceneNumbers)
    scene_footprint: BaseGeometry | None = None
    crop_footprint: BaseGeometry | None = None
    """Only of a kept scene."""
    rows: int | None = None
    columns: int | None = None
    row_offset: int | None = None
    column_offset: int | None = None
    centre: tuple[float, float] | None = None
    """Longitude, latitude of the crop's centre, degrees."""
    corners: tuple[tuple[float, float], ...] = ()
    """Longitude, latitude of the crop's corner pixels: first row first and last column, last row last and first."""
    recipe: str = ""
    sha256: str = ""
    """Of the PNG."""
    size_bytes: int | None = None
    """Of the PNG."""
    bytes_fetched: int = 0
    """Read from the source for this scene, manifest and flags included."""
    source: str = ""
    """``embedded``, ``folder`` or ``copernicus``."""
    synthetic: bool = False
    licence: str = ""
    attribution: str = ""
