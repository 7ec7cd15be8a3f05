"""Synthetic products: what the source ``embedded`` offers for a day, made here and said to be so.

A product has the names, files, dimensions, attributes, chunks and scale factors of a real one. Colours come from Blue
Marble, finer detail and clouds are made up, and the centre in its name is ``SYN``. Beside it lies the mask of the
clouds that were drawn. It is smaller than a real scene (1,091 x 1,217 pixels instead of 4,091 x 4,865), has no
``removed_pixels.nc`` and no uncertainties.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import StoreError
from mosaic_assets.scenes.footprint import footprint_of_ring
from mosaic_assets.scenes.names import parse_name
from mosaic_assets.scenes.records import SAFE_SUFFIX, ProductName
from mosaic_assets.scenes.synthetic_ground import Frame

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

CENTRE = "SYN"
"""The centre in the name of a synthetic product."""

ROWS, COLUMNS = 1_091, 1_217
"""Size of an embedded product: a little more than a crop."""
SMALL_ROWS = 640
"""Rows of the product that is too small for a crop."""
ROW_S = 0.044
"""Time between two rows, seconds."""

LAND = (
    (-100.0, 40.0), (-110.5, 34.5), (-106.0, 44.5), (-92.0, 37.0), (-60.0, -8.0), (-50.0, -13.0), (-62.0, -27.0),
    (-65.5, -35.0), (-103.0, 25.0), (-64.5, -17.0), (-112.0, 51.0), (-84.5, 33.5), (-54.5, -24.0), (-116.5, 40.0),
)  # fmt: skip
COAST = (
    (-81.3, 27.5), (-90.0, 30.0), (-122.0, 37.7), (-70.4, -22.0), (-43.5, -22.6), (-57.5, -35.5), (-77.0, -11.5),
    (-89.5, 20.7), (-75.0, 40.3), (-97.3, 27.5), (-50.0, 0.3), (-113.2, 29.5),
)  # fmt: skip
SEA = ((-130.0, 20.0), (-40.0, 30.0), (-100.0, -12.0), (-28.0, -25.0), (-60.0, 30.0), (-138.0, 33.0), (-45.0, 14.0))

KINDS: tuple[tuple[str, tuple[tuple[float, float], ...], float, float], ...] = (
    ("land", LAND, 0.02, 0.25),
    ("coast", COAST, 0.02, 0.3),
    ("edge", LAND, 0.05, 0.3),
    ("land", LAND, 0.1, 0.5),
    ("cloud", LAND + COAST, 0.86, 0.94),
    ("sea", SEA, 0.0, 0.01),
    ("small", LAND, 0.05, 0.3),
)
"""What a day has: name, places, least and most cloud. Of ``edge`` and the second ``land``, a day has one."""


@dataclass(frozen=True, slots=True)
class SyntheticSpec:
    """All that determines a synthetic product."""

    name: ProductName
    kind: str
    """``land``, ``coast``, ``cloud``, ``sea``, ``edge`` (half of it beyond the swath) or ``small``."""
    frame: Frame
    cloud: float
    """Share of cloud to draw, 0..1."""
    seed: int
    bands: tuple[int, ...] = tuple(range(1, 22))
    """Bands that are written, 1..21."""

    @property
    def footprint(self) -> BaseGeometry:
        """The outline, longitude and latitude."""
        return footprint_of_ring(self.frame.outline())


def products_of_day(day: date, seed: int) -> list[SyntheticSpec]:
    """Return the six products of a day, by start of sensing; the same day and seed, the same products.

    Every outcome of screening shows: of six, two or three are kept.

    Examples
    --------
    >>> [(spec.kind, spec.name.centre) for spec in products_of_day(date(2024, 6, 1), 1)][:3]
    [('land', 'SYN'), ('coast', 'SYN'), ('small', 'SYN')]
    """
    left_out = 2 if day.toordinal() % 2 else 3
    rng = np.random.default_rng([seed, day.toordinal()])
    specs = [_spec(day, number, rng) for number in range(len(KINDS)) if number != left_out]
    return sorted(specs, key=lambda spec: (spec.name.start, spec.name.text))


def _spec(day: date, number: int, rng: np.random.Generator) -> SyntheticSpec:
    kind, places, least, most = KINDS[number]
    lng, lat = places[int(rng.integers(len(places)))]
    lng, lat = (round(float(value + rng.uniform(-0.4, 0.4)), 3) for value in (lng, lat))
    frame = Frame(SMALL_ROWS if kind == "small" else ROWS, COLUMNS, lng, lat)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=10 - lng / 15, seconds=number)
    name = product_name(start, frame.rows, mission="S3A" if number % 2 else "S3B", number=number)
    return SyntheticSpec(name, kind, frame, float(rng.uniform(least, most)), int(rng.integers(1 << 31)))


def product_name(start: datetime, rows: int, *, mission: str = "S3A", number: int = 1) -> ProductName:
    """Return the name of a synthetic product of this start and height.

    Products sensed before 27 April 2023 are of collection 002, with a flag of saturation for each band; later ones are of
    004, with one flag for all and fill where a band is saturated.

    >>> product_name(datetime(2024, 6, 1, 14, 5, 6, tzinfo=UTC), 1091).text
    'S3A_OL_1_EFR____20240601T140506_20240601T140554_20240602T140506_0048_112_001_2101_SYN_D_NT_004'
    """
    start = start.replace(microsecond=0)
    seconds = round(rows * ROW_S)
    moments = start, start + timedelta(seconds=seconds), start + timedelta(days=1)
    texts = "_".join(f"{moment:%Y%m%dT%H%M%S}" for moment in moments)
    cycle = (start.date() - date(2016, 2, 16)).days // 27 % 1000
    orbit = number % 385 or 385
    collection = "004" if start >= datetime(2023, 4, 27, tzinfo=UTC) else "002"
    along = (2_000 + 101 * number) % 10_000
    return parse_name(
        f"{mission}_OL_1_EFR____{texts}_{seconds:04d}_{cycle:03d}_{orbit:03d}_{along:04d}_{CENTRE}_D_NT_{collection}"
    )


def write_product(spec: SyntheticSpec, folder: Path) -> Path:
    """Write a product unless it is there; return its folder ``<name>.SEN3``.

    It appears whole or not at all, also when several processes write it at a time.
    """
    from mosaic_assets.scenes.synthetic_product import publish_product

    path = folder / spec.name.folder
    if not path.is_dir():
        publish_product(spec, path)
    return path


def truth_path(product: Path) -> Path:
    """Return where the mask of the drawn clouds lies: beside the folder of the product, for it is no part of it."""
    return product.with_name(product.name.removesuffix(SAFE_SUFFIX) + ".cloud_truth.png")


def read_truth(product: Path) -> NDArray[np.bool_]:
    """Return where clouds were drawn into a product, bool (rows, columns) of the whole scene.

    Raises
    ------
    StoreError
        There is no such mask, or it cannot be read.
    """
    from PIL import Image

    path = truth_path(product)
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return np.asarray(picture.convert("L")) > 127
    except (OSError, ValueError, SyntaxError) as error:
        raise StoreError(
            f"reading the drawn clouds of {product.name} failed: {path}: {error}; delete the product and its mask to have both "
            "written again"
        ) from error
