"""The pictures that are measured: crops that the pipeline published, a folder, or files somebody names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np

from mosaic_assets.errors import DataError
from mosaic_assets.scenes.challenges.records import GIVEN, CloudScene, Mask, Rgb, Subject
from mosaic_assets.scenes.challenges.scores import SSIM_WINDOW

MASK_SUFFIX = ".cloud.png"
"""A picture ``a.png`` may have a mask ``a.cloud.png`` beside it: white (over 127) where cloud is."""
MIN_SIDE = 16
"""Of a picture, pixels: two SSIM windows and a bit."""
MAX_PIXELS = 64_000_000
"""Of a picture; eight uncropped frames would be more."""


def picture_subject(path: Path, *, synthetic: bool | None = None) -> Subject:
    """Return a picture, and the mask beside it if there is one, as something to measure.

    Raises
    ------
    DataError
        The file cannot be read. What it holds is looked at when it is loaded.
    """
    mask = path.with_name(path.stem + MASK_SUFFIX)
    content = [_content(file) for file in (path, mask) if file == path or file.exists()]
    found = hashlib.sha256(content[0])
    for further in content[1:]:
        found.update(hashlib.sha256(further).digest())
    return Subject(path.stem, found.hexdigest(), synthetic, lambda: load_picture(path))


def load_picture(path: Path) -> CloudScene:
    """Read a picture, and the mask beside it if there is one.

    Raises
    ------
    DataError
        No picture, too small or too large, transparent in places, or a mask of another size.
    """
    mask = path.with_name(path.stem + MASK_SUFFIX)
    truth = read_mask(mask) if mask.exists() else None
    return CloudScene(path.stem, read_picture(path), truth=truth, truth_is=GIVEN)


def read_picture(path: Path) -> Rgb:
    """Read a picture as uint8 (rows, columns, 3), at least 16 pixels a side, read-only.

    Raises
    ------
    DataError
        No picture, too small or too large, or transparent in places.
    """
    from PIL import Image, UnidentifiedImageError

    attempt = f"reading the picture {path} failed"
    try:
        with Image.open(BytesIO(_content(path))) as opened:
            if min(opened.size) < MIN_SIDE or opened.width * opened.height > MAX_PIXELS:
                raise DataError(
                    f"{attempt}: it is {opened.width} x {opened.height}; expected at least {MIN_SIDE} pixels a side "
                    f"(scores look at {SSIM_WINDOW} x {SSIM_WINDOW}) and at most {MAX_PIXELS:,} in all; crop it"
                )
            if opened.mode not in ("RGB", "RGBA", "L", "P", "LA"):
                raise DataError(
                    f"{attempt}: its mode is {opened.mode}; expected 8 bits a band, grey or RGB; convert it"
                )
            rgba = np.asarray(opened.convert("RGBA"))
    except UnidentifiedImageError as error:
        raise DataError(f"{attempt}: it is no picture. Expected a PNG or the like; take it out") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{attempt}: {error}. Expected a PNG or another picture; take it out or mend it") from error
    if (rgba[..., 3] < 255).any():
        raise DataError(f"{attempt}: parts of it are transparent; expected a colour everywhere; crop or fill it")
    picture = np.ascontiguousarray(rgba[..., :3])
    picture.flags.writeable = False  # every method is to get the same
    return picture


def read_mask(path: Path) -> Mask:
    """Read a mask as bool (rows, columns): True where the picture is over 127. Raises `DataError`."""
    return np.asarray(read_picture(path).max(axis=2) > 127)


def sample_paths(paths: Iterable[Path], count: int, seed: int) -> list[Path]:
    """Draw files: the same for the same seed, and most of them again when files are added; sorted by name.

    Examples
    --------
    >>> paths = [Path(f"{letter}.png") for letter in "abcdefgh"]
    >>> [path.stem for path in sample_paths(paths, 3, seed=1)] == [
    ...     path.stem for path in sample_paths(paths[::-1], 3, seed=1)]
    True
    """
    drawn = sorted(paths, key=lambda path: hashlib.sha256(f"{seed} {path.stem}".encode()).digest())
    return sorted(drawn[:count], key=lambda path: path.name)


def pictures_in(folder: Path) -> list[Path]:
    """Return the PNG files of a folder without the masks, sorted.

    Raises
    ------
    DataError
        No such folder, or none in it.
    """
    paths = sorted(p for p in folder.glob("*.png") if not p.name.endswith(MASK_SUFFIX)) if folder.is_dir() else []
    if not paths:
        problem = "it holds no .png" if folder.is_dir() else "there is no such folder"
        raise DataError(
            f"looking for pictures in {folder} failed: {problem}. Put pictures there, or change scenes.challenge_pictures"
        )
    return paths


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"reading the picture {path} failed: {error.strerror or error}; name a file that is there"
        ) from error
