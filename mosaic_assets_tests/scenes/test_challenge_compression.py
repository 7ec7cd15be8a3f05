"""Codecs: lossless ones give pixels back, lossy ones trade bits for likeness, on real pictures and drawn ones."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mosaic_assets.errors import DataError
from mosaic_assets.scenes.challenges.benchmark import Report
from mosaic_assets.scenes.challenges.compression import _decode_zfp
from mosaic_assets.scenes.challenges.methods import Codec
from mosaic_assets.scenes.challenges.registry import CODECS, load_methods
from mosaic_assets.scenes.challenges.tables import compression_table
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.scenes.challenge_samples import REAL, SIDE, mean, measured, real_picture

load_methods()
ALL = {codec.name: codec for codec in CODECS.select(None)}
LOSSLESS = [name for name, codec in ALL.items() if codec.lossless]
LOSSY = [name for name, codec in ALL.items() if not codec.lossless]
MAGIC = {
    "png": b"\x89PNG", "png_fast": b"\x89PNG", "webp_lossless": b"RIFF", "webp": b"RIFF", "jpeg": b"\xff\xd8\xff",
    "jpegxl_lossless": b"\xff\x0a", "jpegxl": b"\xff\x0a", "jpeg2000": b"\0\0\0\x0cjP  ",
    "jpeg2000_lossless": b"\0\0\0\x0cjP  ",
}  # fmt: skip
"""First bytes by each format's specification; JPEG XL as a bare codestream."""


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", MAGIC)
def test_a_codec_writes_the_format_it_is_named_after(name: str) -> None:
    codec = ALL[name]
    assert codec.encode(noise(32, 32), codec.levels[0]).startswith(MAGIC[name])


def test_avif_is_avif() -> None:
    assert ALL["avif"].encode(noise(32, 32), 50)[4:12] == b"ftypavif"


@pytest.mark.parametrize("name", LOSSLESS)
@given(rows=st.integers(16, 40), columns=st.integers(16, 40), seed=st.integers(0, 99))
def test_lossless_codecs_give_every_pixel_back(name: str, rows: int, columns: int, seed: int) -> None:
    picture, codec = noise(rows, columns, seed), ALL[name]
    for level in codec.levels:
        assert np.array_equal(codec.decode(codec.encode(picture, level)), picture)


@pytest.mark.parametrize("name", LOSSY)
@pytest.mark.parametrize("shape", [(16, 16), (33, 57)])
def test_lossy_codecs_give_a_picture_of_the_same_size_back(name: str, shape: tuple[int, int]) -> None:
    codec = ALL[name]
    for level in codec.levels:
        found = codec.decode(codec.encode(noise(*shape), level))
        assert (found.shape, found.dtype) == ((*shape, 3), np.uint8)


def test_a_cut_zfp_file_is_refused() -> None:
    with pytest.raises(DataError, match="3 bytes"):
        _decode_zfp(b"abc")


# From here on: the middles of the three real pictures.


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return measured(tmp_path_factory.mktemp("compression"), "compression")


@needs_shared_data
def test_every_codec_is_measured_at_every_level_on_every_picture(report: Report) -> None:
    wanted = {(picture, codec.name, level) for picture in REAL for codec in ALL.values() for level in codec.levels}
    assert {(row["picture"], row["method"], row["level"]) for row in report.rows} == wanted
    assert report.failed == []


@needs_shared_data
def test_lossless_rows_are_equal_and_lossy_ones_are_not(report: Report) -> None:
    assert all(row["equal"] == row["lossless"] for row in report.rows)
    assert {(row["psnr"], row["ssim"]) for row in report.rows if row["lossless"]} == {(None, 1.0)}


@needs_shared_data
def test_lossless_sizes_rank_as_on_other_olci_renders(report: Report) -> None:
    # On a 640 x 640 cut of another render: PNG 11.6 bits a pixel, WebP 8.0, JPEG 2000 7.8, JPEG XL 7.0 and 6.5.
    bits = {
        (codec, level): mean(report, "bits_a_pixel", method=codec, level=level)
        for codec, level in [("png", 0), ("webp_lossless", 0), ("jpeg2000_lossless", 0)]
        + [("jpegxl_lossless", effort) for effort in (3, 7)]
    }
    assert bits["jpegxl_lossless", 7] < bits["jpegxl_lossless", 3] < bits["jpeg2000_lossless", 0] < bits["png", 0]
    assert bits["webp_lossless", 0] < 0.8 * bits["png", 0]
    assert all(4 < found < 16 for found in bits.values())


@needs_shared_data
@pytest.mark.parametrize("name", LOSSY)
def test_more_bits_bring_more_likeness(report: Report, name: str) -> None:
    points = sorted(
        tuple(mean(report, column, method=name, level=level) for column in ("bits_a_pixel", "psnr", "ssim"))
        for level in ALL[name].levels
    )
    for better, worse in zip(points[1:], points, strict=False):
        assert better[0] > 1.1 * worse[0] and better[1] > worse[1] + 1 and better[2] > worse[2]


def psnr_at(report: Report, codec: Codec, bits: float) -> float:
    """PSNR of a codec at so many bits a pixel, between its points on a line over the logarithm of the bits."""
    points = sorted(
        (
            mean(report, "bits_a_pixel", method=codec.name, level=level),
            mean(report, "psnr", method=codec.name, level=level),
        )
        for level in codec.levels
    )
    return float(np.interp(np.log(bits), np.log([point[0] for point in points]), [point[1] for point in points]))


@needs_shared_data
def test_curves_rank_as_on_other_olci_renders(report: Report) -> None:
    # There: at 0.5 to 0.7 bits a pixel AVIF 34.2, WebP 33.7, JPEG 33.1 dB; zfp has 33.0 at 4.8 bits.
    jpeg, webp, avif, jp2 = (psnr_at(report, ALL[name], 0.6) for name in ("jpeg", "webp", "avif", "jpeg2000"))
    assert avif > webp > jpeg and jp2 > jpeg
    assert psnr_at(report, ALL["zfp"], 3.5) < psnr_at(report, ALL["jpeg"], 1.5)


@needs_shared_data
def test_a_row_of_jpeg_equals_what_pillow_and_scikit_image_say() -> None:
    from skimage import metrics

    from mosaic_assets.scenes.challenges.measuring import measure, plan
    from mosaic_assets.scenes.challenges.records import CloudScene, Subject

    picture = real_picture("sw_land")
    scene = CloudScene("sw_land", picture)
    (task,) = (
        t for t in plan("compression", Subject("x", "0", None, lambda: scene), ["jpeg"], 0) if t.key["level"] == 60
    )
    row = measure(task, scene)
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=60, optimize=True)
    decoded = np.asarray(Image.open(buffer))
    assert row["bits_a_pixel"] == 8 * len(buffer.getvalue()) / SIDE**2
    assert row["psnr"] == pytest.approx(metrics.peak_signal_noise_ratio(picture, decoded))
    assert row["ssim"] == pytest.approx(metrics.structural_similarity(picture, decoded, channel_axis=2))


@needs_shared_data
def test_the_table_has_the_smallest_lossless_codec_first_and_curves_in_order(report: Report) -> None:
    table = compression_table(report.rows)
    lossless = [row["bits_a_pixel"] for row in table if row["lossless"]]
    assert lossless == sorted(lossless)
    assert [row["codec"] for row in table[len(lossless) :]] == [name for name in LOSSY for _ in ALL[name].levels]
