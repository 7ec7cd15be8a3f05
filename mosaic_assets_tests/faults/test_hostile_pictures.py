"""Pictures that are unusual are kept as Pillow sees them; those that are bombs cost no memory and little time."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mosaic_assets.core.imaging import MAX_SCANS, decode_tile
from mosaic_assets.core.records import Outcome
from mosaic_assets.library.biomes import find_biome
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.plan import plan_round
from mosaic_assets_tests.faults.conftest import NewHome
from mosaic_assets_tests.faults.control import PROJECT, Remote
from mosaic_assets_tests.faults.memory import TILES
from mosaic_assets_tests.faults.pictures import PICTURES, jpeg_scan_bomb, saved, scene
from mosaic_assets_tests.library.painted import ask

MIB = 1 << 20
UNUSUAL = [
    "grey_jpeg", "cmyk_jpeg", "progressive_jpeg", "rotated_jpeg", "palette_png", "opaque_png", "interlaced_png",
    "gif_animation", "webp_animation", "fat_png",
]  # fmt: skip


def by_pillow(body: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(body)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_unusual_pictures_stand_in_the_library_as_pillow_sees_them(faulty: Remote, lasting_home: NewHome) -> None:
    settings = lasting_home(round_tiles=len(UNUSUAL))
    with faulty.source("told", settings) as source:
        tiles = plan_round(find_biome("west", settings), settings, source.record).tiles
        faulty.tell({tile: [name] for tile, name in zip(tiles, UNUSUAL, strict=True)})
        harvest_round("west", settings, source=source)
    merge_rounds(settings)
    found = {
        (x, y): np.asarray(Image.open(settings.home / path))
        for x, y, path in ask(settings, "SELECT x, y, filepath FROM tiles JOIN provenance USING (id)")
    }
    for tile, name in zip(tiles, UNUSUAL, strict=True):
        np.testing.assert_array_equal(found[tile.x, tile.y], by_pillow(PICTURES[name]()), err_msg=name)


@pytest.mark.parametrize(("name", "seed"), [("grey_png_16_bit", 5), ("rgb_png_16_bit", 6)])
def test_of_16_bits_the_upper_8_are_taken(name: str, seed: int) -> None:
    eight = scene(seed).convert("L").convert("RGB") if "grey" in name else scene(seed)
    np.testing.assert_array_equal(decode_tile(PICTURES[name]())[0], np.asarray(eight))


def grown(faulty: Remote, home: NewHome, *faults: str) -> dict[str, int]:
    """Bytes by which the peaks of a harvest and of its merge grew among faults, in a process of their own."""
    command = [sys.executable, "-m", "mosaic_assets_tests.faults.memory", str(faulty.port), str(home().home), *faults]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert sum(report["outcomes"].values()) == TILES
    growth: dict[str, int] = report["grown"]
    return growth


BOMBS = [
    "gigabyte", "gigabyte_undeclared", "gigabyte_in_chunks", "gzip_bomb", "png_bomb", "jpeg_bomb", "side_30000",
    "png_pixel_bomb", "png_text_bomb", "png_profile_bomb", "jpeg_scan_bomb", "header_flood",
]  # fmt: skip


@pytest.mark.parametrize("faults", [BOMBS, ["fat_png"]], ids=["bombs", "ballast"])
def test_a_round_of_nothing_but_large_answers_takes_little_memory(
    faulty: Remote, lasting_home: NewHome, faults: list[str]
) -> None:
    growth = grown(faulty, lasting_home, *faults)
    assert max(growth.values()) < 200 * MIB, growth


def test_scans_beyond_the_limit_are_not_decoded_and_those_within_are() -> None:
    """Independent of the machine's speed: the number of scans is counted, not the seconds."""
    short = jpeg_scan_bomb(12 * (MAX_SCANS - 50))
    assert decode_tile(short)[1:] == (None, "")
    np.testing.assert_array_equal(decode_tile(short)[0], by_pillow(short))
    assert decode_tile(jpeg_scan_bomb(20 * MAX_SCANS))[1] is Outcome.NOT_AN_IMAGE


def test_many_scan_markers_in_a_comment_of_an_ordinary_jpeg_are_no_scans() -> None:
    body = saved(scene(26), "JPEG", quality=85, comment=b"\xff\xda" * 2 * MAX_SCANS)
    assert decode_tile(body)[1:] == (None, "")
