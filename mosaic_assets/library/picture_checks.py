"""What must hold of a library's pictures: that they are tiles, and that their rows say what they show."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mosaic_assets.core.checks import CheckResult, Scope, result_of
from mosaic_assets.library.centroids import load_centroids
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_db import LibraryDatabase, open_library
from mosaic_assets.store.library_records import LibraryRow

LAB_TOLERANCE = 1e-9
"""Largest difference between a stored and a recomputed LAB mean: rounding of another order of summation."""

NEWEST_PICTURES = 1_000
"""Pictures decoded after a merge, so that checking never takes longer than harvesting; all of them by night."""

FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".gif": "GIF"}
"""What a tile's file holds, by its suffix."""


def pictures_are_tiles(settings: Settings, scope: Scope) -> CheckResult:
    """Every picture decodes to 256 x 256 RGB (after a merge: at most 1,000 of the newest, drawn by the seed)."""
    with open_library(settings.library) as database:
        rows = _rows_in_scope(database, scope)
        total = database.count()
    if scope is Scope.NEWEST and len(rows) > NEWEST_PICTURES:
        rows = random.Random(settings.seed).sample(rows, NEWEST_PICTURES)  # noqa: S311
    with ThreadPoolExecutor(settings.workers) as pool:
        found = pool.map(partial(_picture_problem, settings.home), rows, chunksize=64)
        problems = [problem for problem in found if problem]
    return result_of(problems, f"{len(rows):,} of {total:,} pictures decoded ({scope})")


def stored_values_are_recomputable(settings: Settings, scope: Scope) -> CheckResult:
    """LAB mean, bucket and perceptual hash equal a recomputation by other code (skimage, imagehash) on a sample."""
    with open_library(settings.library) as database:
        rows = _rows_in_scope(database, scope)
    sample = random.Random(settings.seed).sample(rows, min(settings.check_sample, len(rows)))  # noqa: S311
    tree = load_centroids(settings.library).tree()
    problems = [problem for row in sample if (problem := _value_problem(settings.home, row, tree))]
    return result_of(problems, f"{len(sample):,} tiles recomputed ({scope})")


def _rows_in_scope(database: LibraryDatabase, scope: Scope) -> list[LibraryRow]:
    if scope is Scope.ALL:
        return database.rows()
    newest = "SELECT biome, round FROM rounds WHERE merge_number = (SELECT max(merge_number) FROM rounds)"
    return database.rows(f"(biome, round) IN ({newest})")


def _picture_problem(home: Path, row: LibraryRow) -> str | None:
    from PIL import Image

    try:
        with Image.open(home / row.filepath) as picture:
            if problem := _shape_problem(home, row, picture):
                return problem
            picture.load()
    except Exception as error:  # decoders raise what they like
        return f"{row.filepath} does not decode: {error}"
    return None


def _shape_problem(home: Path, row: LibraryRow, picture: Any) -> str | None:
    path = home / row.filepath
    # The source's own bytes, kept as they came, may be of another colour model.
    colours = picture.mode == "RGB" or hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
    if colours and picture.format == FORMATS.get(path.suffix) and picture.size == (256, 256):
        return None
    return f"{row.filepath} is {picture.format} {picture.mode} {picture.size[0]} x {picture.size[1]}"


def _value_problem(home: Path, row: LibraryRow, tree: Any) -> str | None:
    import imagehash
    from PIL import Image
    from skimage.color import rgb2lab

    try:
        with Image.open(home / row.filepath) as picture:
            if problem := _shape_problem(home, row, picture):
                return problem
            colours = picture.convert("RGB")
            small, code = np.asarray(colours.reduce(4)), str(imagehash.phash(colours))
    except Exception as error:  # decoders raise what they like
        return f"{row.filepath} does not decode: {error}"
    lab = rgb2lab((small.reshape(-1, 3).mean(axis=0) / 255)[None, None])[0, 0]
    stored = (row.mean_l, row.mean_a, row.mean_b)
    if not np.abs(lab - np.array(stored, float)).max() <= LAB_TOLERANCE:  # a missing value is NaN, and no less wrong
        return f"{row.filepath}: stored LAB {stored}, recomputed {tuple(lab.tolist())}"
    if (bucket := int(tree.query(lab)[1])) != row.bucket_id:
        return f"{row.filepath}: stored bucket {row.bucket_id}, recomputed {bucket}"
    return f"{row.filepath}: stored hash {row.phash}, recomputed {code}" if code != row.phash else None
