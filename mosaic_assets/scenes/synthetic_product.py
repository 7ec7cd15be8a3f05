"""Writing a synthetic product: each file, then the manifest with their sizes and MD5, then the folder gets its name."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.scenes.records import MANIFEST_FILE
from mosaic_assets.scenes.synthetic import SyntheticSpec, truth_path
from mosaic_assets.scenes.synthetic_files import chunk_shape
from mosaic_assets.scenes.synthetic_manifest import manifest_xml
from mosaic_assets.scenes.synthetic_scene import Drawn, draw, draw_flags, flag_masks, saturated
from mosaic_assets.scenes.synthetic_sky import Sky, Surface, top_of_atmosphere
from mosaic_assets.scenes.synthetic_small_files import SOLAR_FLUX, product_file, write_small_files
from mosaic_assets.store.files import explaining_refusals, holding, make_folder, sync, write_bytes

FILL = 65_535
NOISE = 0.0001
"""Standard deviation of the noise, as a share of the radiance: it makes files as large as real ones, 24 to 27 MB a band."""

FINE_BANDS = (3, 4, 6, 8, 17)
"""Bands with all their pixels; of the others every fourth row and column is computed and repeated, to save time."""

SCALES = {
    "002": (
        0.013946459628641605, 0.013387260027229786, 0.012148120440542698, 0.011519820429384708, 0.010095260106027126,
        0.012353800237178802, 0.008791609667241573, 0.008765390142798424, 0.009510300122201443, 0.007733779959380627,
        0.006755230017006397, 0.007199599873274565, 0.007496839854866266, 0.008651199750602245, 0.005267790053039789,
        0.005302669946104288, 0.004930039867758751, 0.0054996199905872345, 0.005028469953685999, 0.003263779915869236,
        0.0032411799766123295,
    ),
    "004": (
        0.013634907081723213, 0.011490973643958569, 0.012588496319949627, 0.011396283283829689, 0.012233924120664597,
        0.010038239881396294, 0.01056649163365364, 0.008974685333669186, 0.009690877981483936, 0.008986380882561207,
        0.008361034095287323, 0.007491027936339378, 0.007861301302909851, 0.007529641035944223, 0.00788309145718813,
        0.007152478210628033, 0.006055756937712431, 0.0060341269709169865, 0.0055409627966582775, 0.005095385946333408,
        0.004291551187634468,
    ),
}  # fmt: skip
"""Radiance of a step, mW m-2 sr-1 nm-1, of each band, as seen in real files of two collections."""


def publish_product(spec: SyntheticSpec, path: Path) -> None:
    """Write a product to a folder of another name, make it durable, rename it; one process at a time."""
    with holding(make_folder(path.parent) / f".{spec.name.text}.lock", f"writing {spec.name.text}", wait_s=300.0):
        if path.is_dir():
            return
        building = path.with_name(f".{path.name}.part")
        shutil.rmtree(building, ignore_errors=True)
        make_folder(building)
        with explaining_refusals(f"writing the synthetic product {spec.name.text}", path):
            _write(spec, building, path)
            building.rename(path)
            sync(path.parent)


def _write(spec: SyntheticSpec, building: Path, path: Path) -> None:
    from mosaic_assets.core.imaging import encode_png

    drawn = draw(spec)
    truth = np.repeat((drawn.sky.truth & ~drawn.invalid)[..., None], 3, axis=2)
    write_bytes(truth_path(path), encode_png(truth.astype(np.uint8) * np.uint8(255)), "writing the drawn clouds")
    flags = draw_flags(drawn)
    write_small_files(drawn, flags, building)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda band: _write_band(drawn, band, building), spec.bands))
    files = {file.name: (file.stat().st_size, _md5(file)) for file in sorted(building.iterdir())}
    masks = {name: float((flags & mask != 0).mean()) for name, mask in flag_masks(spec).items()}
    (building / MANIFEST_FILE).write_text(manifest_xml(spec, files, masks), encoding="utf-8")
    for file in sorted(building.iterdir()):
        sync(file)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _write_band(drawn: Drawn, band: int, folder: Path) -> None:
    spec = drawn.spec
    scale = np.float32(SCALES[spec.name.collection][band - 1])
    steps = _steps(drawn, band, float(scale))
    if spec.name.collection == "004" and band in (4, 6, 8):
        steps[saturated(drawn)] = FILL
    steps[drawn.invalid] = FILL
    name = f"Oa{band:02d}_radiance"
    with product_file(spec, folder / f"{name}.nc", f"Radiance Oa{band:02d} Data Set") as file:
        file.variable(
            name,
            ("rows", "columns"),
            steps,
            chunks=chunk_shape(*steps.shape),
            level=1,
            _FillValue=np.uint16(FILL),
            ancillary_variables=f"{name}_err",
            scale_factor=scale,
            add_offset=np.float32(0),
            long_name=f"TOA radiance for OLCI acquisition band Oa{band:02d}",
            standard_name="toa_upwelling_spectral_radiance",
            units="mW.m-2.sr-1.nm-1",
            valid_min=np.uint16(0),
            valid_max=np.uint16(FILL - 1),
        )


def _steps(drawn: Drawn, band: int, scale: float) -> NDArray[np.uint16]:
    """Return the radiances of a band in steps of its scale, uint16 (rows, columns)."""
    coarse = 1 if band in FINE_BANDS else 4
    surface = Surface(*(plane[::coarse, ::coarse] for plane in drawn.surface))
    sky = Sky(*(plane[::coarse, ::coarse] for plane in drawn.sky))
    rho = top_of_atmosphere(band, surface, sky)
    rho *= drawn.sun[::coarse, ::coarse] * np.float32(SOLAR_FLUX[band - 1] / np.pi / scale)
    rho *= _noise(rho.shape, drawn.spec.seed, band)
    steps = np.rint(rho, out=rho).clip(0, FILL - 1, out=rho).astype(np.uint16)
    if coarse > 1:
        steps = steps.repeat(coarse, 0).repeat(coarse, 1)
    return steps[: drawn.sun.shape[0], : drawn.sun.shape[1]].copy()


def _noise(shape: tuple[int, ...], seed: int, band: int) -> NDArray[np.float32]:
    """Return factors near 1; a patch of noise laid side by side, for noise costs more time than all the rest."""
    patch = np.random.default_rng([seed, 2]).standard_normal((251, 257)).astype(np.float32)
    patch = 1 + np.float32(NOISE) * np.roll(patch, (17 * band, 31 * band), (0, 1))
    return np.tile(patch, (shape[0] // 251 + 1, shape[1] // 257 + 1))[: shape[0], : shape[1]]
