"""Real pictures and the real sub-sampled scene, read in place, for the tests of the challenges."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mosaic_assets.scenes.challenges.benchmark import Report, run_challenge
from mosaic_assets.scenes.challenges.records import CloudScene
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.conftest import SHARED_DATA

OLCI = SHARED_DATA / "olci"
REAL = ("ne_mixed", "nw_cloud", "sw_land")
"""Cuts of a true-colour render of the White Sea, 2018-08-29, 1024 x 1024."""
SIDE = 160


@cache
def real_picture(name: str) -> NDArray[np.uint8]:
    """The middle of a real picture, 160 x 160, holding cloud, sea and land."""
    with Image.open(OLCI / f"olci_whitesea_20180829_{name}_1024.png") as opened:
        whole = np.asarray(opened.convert("RGB"))
    start = (whole.shape[0] - SIDE) // 2
    return np.ascontiguousarray(whole[start : start + SIDE, start : start + SIDE])


def folder_of_real_pictures(folder: Path) -> Path:
    folder.mkdir()
    for name in REAL:
        Image.fromarray(real_picture(name)).save(folder / f"{name}.png")
    return folder


def settings_for(home: Path, pictures: Path | None = None, **scenes: Any) -> Settings:
    return load_settings(home=home, scenes={"challenge_pictures": pictures, **scenes})


def measured(tmp_path: Path, challenge: str) -> Report:
    """A challenge on the three real pictures."""
    return run_challenge(settings_for(tmp_path / "home", folder_of_real_pictures(tmp_path / "pictures")), challenge)


def mean(report: Report, column: str, **where: Any) -> float:
    """Mean of a column over the rows that have these values."""
    values = [row[column] for row in report.rows if all(row[name] == value for name, value in where.items())]
    return math.fsum(values) / len(values)


@cache
def real_scene() -> CloudScene:
    """The real scene of 2017-03-13 over the Sahara and the Atlantic, every hundredth row and column, with its flags."""
    from scipy.io import netcdf_file

    with netcdf_file(OLCI / "efr_subsampled_41x49.nc", "r", mmap=False) as opened:
        variables = opened.variables
        cosine = np.cos(np.deg2rad(variables["SZA"].data.astype(float)))
        bands = {number: _reflectance(variables, number, cosine) for number in (3, 4, 6, 8, 17)}
        flags = variables["quality_flags"].data.astype(np.int64) & 0xFFFFFFFF
        meanings = variables["quality_flags"].flag_meanings.decode().split()
        masks = np.asarray(variables["quality_flags"].flag_masks, np.int64) & 0xFFFFFFFF
    flag = {name: (flags & mask) != 0 for name, mask in zip(meanings, masks, strict=True)}
    rgb = np.stack([np.nan_to_num(bands[number]) for number in (8, 6, 4)], axis=2)
    return CloudScene(
        "S3A_20170313",
        np.asarray(np.clip(rgb, 0, 1) * 255, np.uint8),
        {f"Oa{number:02d}": band for number, band in bands.items()},
        land=flag["land"],
        bright=flag["bright"],
        valid=~flag["invalid"],
    )


def _reflectance(variables: Any, number: int, cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    radiance = variables[f"Oa{number:02d}_radiance"]
    counts = radiance.data.astype(np.int32) & 0xFFFF
    sun = variables[f"solar_flux_band_{number}"].data.astype(float)
    return np.where(counts == 0xFFFF, np.nan, math.pi * counts * radiance.scale_factor / (sun * cosine))
