"""Pictures made ahead are a head start and nothing else: whatever becomes of them, the library is the same."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from mosaic_assets.core.imaging import encode_png
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.core.storage import TileFormat
from mosaic_assets.errors import SourceUnavailableError
from mosaic_assets.library import publish, staging
from mosaic_assets.library.judge import Judgement
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.store.round_reading import read_header
from mosaic_assets.store.rounds import HEADER_KEY, staged_folder
from mosaic_assets_tests.library.painted import (
    MOMENT,
    answering,
    colourful,
    everything,
    forget_staged,
    harvest,
    one_colour,
    outcomes,
    staged_pictures,
    texture,
)

CAP = 5


def all_of(home):
    """The library, and the very bytes of its pictures."""
    return everything(home), {path.name: path.read_bytes() for path in home.library.glob("bucket_*/*")}


@pytest.fixture(scope="module")
def harvested(lasting_home):
    """Two rounds that wait for their merge."""
    home = lasting_home("harvested", bucket_cap=CAP, round_tiles=30)
    harvest(home, "west", "east")
    return home


@pytest.fixture
def home(harvested, tmp_path):
    shutil.copytree(harvested.home, tmp_path / "home")
    return harvested.model_copy(update={"home": tmp_path / "home"})


@pytest.fixture(scope="module")
def expected(harvested, tmp_path_factory):
    """The library of a merge that makes every picture of the source bytes."""
    folder = tmp_path_factory.mktemp("expected") / "home"
    shutil.copytree(harvested.home, folder)
    home = harvested.model_copy(update={"home": folder})
    forget_staged(home)
    merge_rounds(home)
    return all_of(home)


def agrees(home, expected):
    report = merge_rounds(home)
    assert all_of(home) == expected
    assert list(home.harvest.rglob("*staged*")) == []
    return report


# What a merge makes of them


def test_a_merge_takes_them_and_makes_no_picture_itself(home, expected, monkeypatch):
    made = []
    whole = publish._make_pictures
    monkeypatch.setattr(publish, "_make_pictures", lambda *given: made.append(len(given[2])) or whole(*given))
    report = agrees(home, expected)
    # East is merged first and takes all of its own; of the buckets that both have staged for, west gets what is left.
    assert made == [0, 0]
    assert report.kept > 30 and report.bytes_written == sum(map(len, expected[1].values()))


def swap(pictures):
    one, other = pictures[0].read_bytes(), pictures[1].read_bytes()
    assert one != other
    pictures[0].write_bytes(other)
    pictures[1].write_bytes(one)


def flip(pictures):
    for path in pictures:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def replace_by_folders(pictures):
    for path in pictures:
        path.unlink()
        path.mkdir()


DAMAGE = {
    "a bit flipped": flip,
    "swapped with another": swap,
    "cut short": lambda pictures: [os.truncate(path, path.stat().st_size - 1) for path in pictures],
    "empty": lambda pictures: [path.write_bytes(b"") for path in pictures],
    "grown": lambda pictures: [path.write_bytes(path.read_bytes() + b"\0") for path in pictures],
    "larger than any": lambda pictures: [path.write_bytes(bytes(staging.LARGEST_PICTURE + 1)) for path in pictures],
    "another picture": lambda pictures: [path.write_bytes(encode_png(texture(1))) for path in pictures],
    "every third gone": lambda pictures: [path.unlink() for path in pictures[::3]],
    "a folder": replace_by_folders,
    "all gone": lambda pictures: shutil.rmtree(pictures[0].parent),
    "of another format": lambda pictures: [path.rename(path.with_suffix(".webp")) for path in pictures],
    "one too many": lambda pictures: (pictures[0].parent / "stranger.png").write_bytes(b"?"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_one_that_is_not_what_the_round_says_is_made_anew(home, expected, damage):
    damage(staged_pictures(home))
    agrees(home, expected)


def test_pictures_made_ahead_in_another_format_than_is_wanted_now_are_made_anew(new_home):
    png, webp = new_home("png"), new_home("webp")
    for home, then in ((png, "png"), (webp, "webp")):
        harvest(home.model_copy(update={"tile_format": then}), "west")
        assert {path.suffix for path in staged_pictures(home)} == {f".{then}"}
        merge_rounds(home.model_copy(update={"tile_format": "png"}))
    assert all_of(png) == all_of(webp)


def test_rounds_of_versions_that_made_no_pictures_ahead_are_merged_as_before(home, expected):
    for biome in ("east", "west"):
        path = home.harvest / biome / "round-00001.parquet"
        table = pq.read_table(path)
        pq.write_table(
            table.drop_columns(["staged_bytes", "staged_crc32"]).replace_schema_metadata(
                {HEADER_KEY: pq.read_metadata(path).metadata[HEADER_KEY]}
            ),
            path,
        )
        assert read_header(path).planned == 30
        shutil.rmtree(staged_folder(home.harvest, biome, 1))
    agrees(home, expected)


def test_what_a_merge_could_not_remove_the_next_one_does(home, expected, monkeypatch):
    monkeypatch.setattr("mosaic_assets.library.merge.drop_staged", lambda *_: None)
    merge_rounds(home)
    left = sum(path.stat().st_size for path in staged_pictures(home))
    assert left > 0  # those that the merge found to be too many
    monkeypatch.undo()
    assert agrees(home, expected).leftover_bytes == left
    assert agrees(home, expected).leftover_bytes == 0


# What a harvest makes


def test_no_more_are_made_than_a_bucket_has_room_for(new_home):
    home = new_home(bucket_cap=4)
    harvest(home, "west", paint=one_colour)
    assert len(staged_pictures(home)) == 4
    merge_rounds(home)
    harvest(home, "west", paint=one_colour)
    assert staged_pictures(home) == []


def test_of_one_hash_in_a_bucket_one_is_made(new_home):
    home, body = new_home(), encode_png(texture(7))
    harvest(home, "west", paint=answering(*(body + bytes(n) for n in range(6)), then=one_colour))
    assert len(staged_pictures(home)) == 25
    merge_rounds(home)
    assert outcomes(home) == {"kept": 25, "duplicate": 5}


def test_the_sources_own_bytes_need_no_work(new_home):
    home = new_home(tile_format="source")
    harvest(home, "west")
    merge_rounds(home)
    assert outcomes(home) == {"kept": 30} and list(home.harvest.rglob("*staged*")) == []


def test_a_disk_without_room_for_the_round_is_left_in_peace(new_home, monkeypatch):
    home, usage = new_home(), namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 30 * staging.LARGEST_PICTURE - 1))
    harvest(home, "west")
    assert staged_pictures(home) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 30 * staging.LARGEST_PICTURE))
    harvest(home, "east")
    assert len(staged_pictures(home)) == 30


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("before", [0, 7])
def test_a_disk_that_refuses_them_ends_the_making_and_frees_what_they_took(
    new_home, expected, monkeypatch, reason, before
):
    home, written = new_home(bucket_cap=CAP), []
    whole = staging.write_durably

    def refusing(path, content):
        if len(written) == before:
            raise OSError(reason, "refused", str(path))
        written.append(path)
        whole(path, content)

    monkeypatch.setattr(staging, "write_durably", refusing)
    (report, _) = harvest(home, "west", "east")
    assert report.outcomes == {"candidate": 30}
    assert sum(path.stat().st_size for path in home.harvest.rglob("*staged*/*")) == 0
    agrees(home, expected)


def judged(position, bucket, phash):
    tile = Tile(position, 0, 12)
    return Judgement(Fetched(tile, b"", None, MOMENT), Outcome.CANDIDATE, "", bucket, phash, (1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("offers", "wanted"),
    [
        ([(0, 7, "a"), (1, 7, "b"), (2, 7, "c")], [0, 1]),  # there is room for two
        ([(1, 7, "b"), (2, 7, "c"), (0, 7, "a")], [0, 1, 2]),  # the merge will keep 0 and 1; 2 was there when they came
        ([(1, 7, "b"), (2, 7, "c"), (3, 7, "d")], [1, 2]),
        ([(0, 7, "a"), (1, 7, "a"), (2, 7, "b")], [0, 2]),  # one of each hash
        ([(1, 7, "a"), (0, 7, "a")], [0, 1]),  # of which the merge keeps the first
        ([(0, 7, "a"), (1, 8, "a")], [0]),  # no room in bucket 8
    ],
    ids=str,
)
def test_what_is_staged_is_what_a_merge_will_keep_in_whatever_order_it_is_judged(tmp_path, offers, wanted):
    room = np.zeros(10, np.int64)
    room[7] = 2
    stager = staging.Stager(tmp_path / "staged", [Tile(x, 0, 12) for x in range(4)], room, TileFormat.PNG)
    for offer in offers:
        stager.offer(judged(*offer), np.zeros((256, 256, 3), np.uint8))
    stager.close()
    assert sorted(int(path.name.split("-")[1]) for path in (tmp_path / "staged").iterdir()) == wanted
    assert [x for x in range(4) if stager.staged(Tile(x, 0, 12))] == wanted


def test_a_harvest_that_fails_leaves_none(new_home):
    home = new_home()
    answers = [colourful] * 20
    with pytest.raises(SourceUnavailableError):
        harvest(home, "west", paint=lambda tile: answers.pop()(tile) if answers else SourceUnavailableError("gone"))
    assert list((home.harvest / "west").iterdir()) == []


KILLED = """
import os, signal, sys
from mosaic_assets.library import staging
from mosaic_assets.settings import Settings
from mosaic_assets_tests.library.painted import harvest
whole, written = staging.write_durably, []
def dying(path, content):
    whole(path, content[: len(content) // 2] if len(written) == 12 else content)
    written.append(path)
    if len(written) == 13:
        os.kill(os.getpid(), signal.SIGKILL)
staging.write_durably = dying
harvest(Settings.model_validate_json(sys.argv[1]), "west")
"""


@pytest.mark.parametrize("cleaner", ["the next harvest", "the next merge"])
def test_what_a_killed_harvest_left_goes_with_what_comes_next(new_home, expected, cleaner):
    home = new_home(bucket_cap=CAP)
    killed = subprocess.run([sys.executable, "-c", KILLED, home.model_dump_json()], check=False)
    assert killed.returncode == -signal.SIGKILL
    (folder,) = home.harvest.glob("*/.round-00001.staged.*.tmp")
    held = sum(path.stat().st_size for path in folder.iterdir())
    assert held > 0 and staged_pictures(home) == []
    if cleaner == "the next merge":
        assert merge_rounds(home).leftover_bytes == held
        assert not folder.exists()
    harvest(home, "west")
    assert not folder.exists()
    harvest(home, "east")
    agrees(home, expected)


def test_a_round_published_without_its_staged_pictures_is_merged_all_the_same(home, expected):
    """As a harvest leaves it that is killed between the one and the other."""
    for folder in home.harvest.glob("*/*.staged"):
        folder.rename(folder.with_name(f".{folder.name}.elsewhere-1-00000000.tmp"))
    merge_rounds(home)
    assert all_of(home) == expected
    assert len(list(home.harvest.glob("*/.*.tmp"))) == 2  # of another machine, which may be at work on them
    for folder in home.harvest.glob("*/.*.tmp"):
        os.utime(folder, (0, 0))
    agrees(home, expected)


def test_staged_pictures_of_a_round_that_was_moved_away_are_replaced(new_home, expected):
    home = new_home(bucket_cap=CAP)
    (report,) = harvest(home, "west", paint=one_colour)
    report.path.unlink()
    harvest(home, "west", "east")
    agrees(home, expected)
