"""The picture of a tile: where it stands, and what it says when it is read and measured."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import lab_of
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.phash import phash, to_hex
from mosaic_assets.core.storage import TileFormat, suffix_of
from mosaic_assets.errors import StoreError
from mosaic_assets.library.judge import assign_buckets
from mosaic_assets.library.picture_checks import LAB_TOLERANCE
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_repair import Values

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

_BUCKET_FOLDER = re.compile(r"bucket_\d{4}")


class Measured(NamedTuple):
    """What a picture says of its tile."""

    bucket_id: int
    phash: str
    lab: tuple[float, float, float]

    def fits_colour(self, values: Values) -> bool:
        """Whether a row has this colour."""
        stored = [as_number(values[name]) for name in ("mean_l", "mean_a", "mean_b")]
        return all(abs(a - b) <= LAB_TOLERANCE for a, b in zip(self.lab, stored, strict=True))

    def fits(self, values: Values) -> bool:
        """Whether a row has this colour and this hash."""
        return values["phash"] == self.phash and self.fits_colour(values)


class Look(NamedTuple):
    """A picture's file as it was found."""

    there: bool
    image: NDArray[np.uint8] | None
    problem: str
    """Why there is no picture, or why it cannot stay as it is though there is one."""


def measure(images: Sequence[NDArray[np.uint8] | None], tree: cKDTree) -> list[Measured | None]:
    """Measure pictures, uint8 (256, 256, 3) each; None stays None."""
    pictures = [image for image in images if image is not None]
    if not pictures:
        return [None] * len(images)
    batch = np.stack(pictures)
    lab = lab_of(batch)
    values = zip(assign_buckets(lab, tree).tolist(), to_hex(phash(batch)), map(tuple, lab.tolist()), strict=True)
    return [None if image is None else Measured(*next(values)) for image in images]


def look_at(path: Path, sha256: object = None) -> Look:
    """Read and decode a picture.

    Parameters
    ----------
    sha256 : of the tile's source bytes. A picture of just these bytes is in order whatever its colour model.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Look(False, None, "there is no file")
    except IsADirectoryError:
        return Look(True, None, "a folder")
    except OSError as error:
        raise StoreError(
            f"reading {path} failed: {error.strerror}. Nothing was changed; give permission or look after the disk, then "
            f"run again"
        ) from error
    image, _, detail = decode_tile(content)
    return Look(True, image, detail or _oddness(content, path.suffix, sha256))


def picture_path(settings: Settings, filepath: object) -> Path | None:
    """Where a row's picture stands; None where the text is not a file of a bucket, and is not to be touched.

    Examples
    --------
    >>> picture_path(Settings(home="/data"), "mosaic_library/bucket_0042/a.png").as_posix()
    '/data/mosaic_library/bucket_0042/a.png'
    >>> picture_path(Settings(home="/data"), "mosaic_library/bucket_0042/../a.png") is None
    True
    """
    parts = PurePosixPath(filepath).parts if isinstance(filepath, str) else ()
    if len(parts) != 3 or parts[0] != settings.library.name or not _BUCKET_FOLDER.fullmatch(parts[1]):
        return None
    return None if parts[2] == ".." else settings.home.joinpath(*parts)


def place_of(settings: Settings, bucket_id: int, name: str) -> str:
    """The ``filepath`` of a picture that is called ``name`` in a bucket.

    Examples
    --------
    >>> place_of(Settings(home="/data"), 42, "88037979-de86-4fbc-910e-6aee2047553a.png")
    'mosaic_library/bucket_0042/88037979-de86-4fbc-910e-6aee2047553a.png'
    """
    return f"{settings.library.name}/bucket_{bucket_id:04d}/{name}"


def _oddness(content: bytes, suffix: str, sha256: object) -> str:
    """Tell why a picture that decodes cannot stay; tiles are 8-bit RGB, or the very bytes of the source."""
    kind = suffix_of(content, TileFormat.SOURCE)
    if kind != suffix.lower().replace(".jpeg", ".jpg"):
        return f"a picture of the kind {kind} under the suffix {suffix!r}"
    bits_and_colours = content[24:26]  # of a PNG; 2 is RGB, https://www.w3.org/TR/png-3/#11IHDR
    if kind == ".png" and bits_and_colours != b"\x08\x02" and hashlib.sha256(content).hexdigest() != sha256:
        return "a PNG that is not 8-bit RGB"
    return ""


def as_number(value: Any) -> float:
    """Read a value of a row as a number; NaN, which is near nothing, for one that is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
