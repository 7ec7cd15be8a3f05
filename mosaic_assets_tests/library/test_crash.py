"""A merge that ends at any step, and the next one: the library equals that of a merge nobody disturbed."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from mosaic_assets.core.imaging import encode_png
from mosaic_assets.core.tiles import tile_distance
from mosaic_assets.library import merge, publish, staging
from mosaic_assets.library.biomes import find_biome
from mosaic_assets.library.choose import DISTANT_TILES
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.plan import plan_round
from mosaic_assets.store.library_db import LibraryDatabase, open_library
from mosaic_assets.store.round_reading import has_bodies
from mosaic_assets.store.rounds import published_rounds, round_path
from mosaic_assets_tests.library.painted import (
    RECORD,
    ask,
    colourful,
    everything,
    forget_staged,
    harvest,
    staged_pictures,
    texture,
)

PLACARD = texture(99, (200, 200, 205))


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours may catch it."""


def prepare(home):
    """A merged wave that left a placard, and an unmerged one of two biomes that shows it for what it is.

    Of the pictures made ahead every second is lost, so that a merge moves some and makes some.
    """
    body = encode_png(PLACARD)
    tiles = plan_round(find_biome("west", home), home, RECORD).tiles
    harvest(home, "west", paint=lambda tile: body if tile == tiles[0] else colourful(tile))
    merge_rounds(home)
    rest = plan_round(find_biome("west", home), home, RECORD).tiles
    far = next(tile for tile in rest if tile_distance(tiles[0], tile) >= DISTANT_TILES)
    harvest(home, "west", "east", paint=lambda tile: body if tile == far else colourful(tile))
    forget_staged(home, every=2)
    assert ask(home, "SELECT count(*) FROM provenance WHERE sha256 = ?", hashlib.sha256(body).hexdigest()) == [(1,)]


@pytest.fixture(scope="module")
def prepared(lasting_home):
    """A prepared home of small rounds, to be copied."""
    home = lasting_home("prepared", round_tiles=12, bucket_cap=3)
    prepare(home)
    return home


@pytest.fixture(scope="module")
def expected(prepared, tmp_path_factory):
    """What an undisturbed merge makes of it."""
    home = copied(prepared, tmp_path_factory.mktemp("undisturbed") / "home")
    merge_rounds(home)
    found = everything(home)
    assert found["pending"] == found["temp"] == []
    assert ask(home, "SELECT count(*) FROM discards WHERE outcome = 'placeholder'") == [(2,)]
    return found


@pytest.fixture
def home(prepared, tmp_path):
    return copied(prepared, tmp_path / "home")


def copied(settings, folder):
    shutil.copytree(settings.home, folder)
    return settings.model_copy(update={"home": folder})


def agrees(home, expected):
    """Merge again and compare; every row has its file and every file its row."""
    merge_rounds(home)
    found = everything(home)
    assert found == expected
    assert {row[2] for row in found["tiles"]} == set(found["pictures"])
    bodies = [
        has_bodies(round_path(home.harvest, biome, number))
        for biome, numbers in published_rounds(home.harvest).items()
        for number in numbers
    ]
    assert bodies == [False] * 3
    assert [*home.harvest.rglob("*.tmp"), *home.harvest.rglob("*.staged")] == []


DATABASE_STEPS = ("announce", "remove_tiles", "add_placeholders", "add_tiles", "add_hits", "add_discards", "add_round",
                  "clear_pending", "mark_pending")  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", DATABASE_STEPS)
def test_a_merge_that_ends_at_a_step_of_the_database_is_made_up_for(home, expected, monkeypatch, step, when):
    whole = getattr(LibraryDatabase, step)

    def ending(*arguments):
        if when == "after":
            whole(*arguments)
        raise Killed

    monkeypatch.setattr(LibraryDatabase, step, ending)
    with pytest.raises(Killed):
        merge_rounds(home)
    monkeypatch.undo()
    agrees(home, expected)


FILE_STEPS = ((merge, "write_pictures"), (publish, "write_picture"), (publish, "sync"), (merge, "remove_pictures"),
              (merge, "_drop_merged_bodies"), (merge, "drop_bodies"), (publish, "take_staged"), (staging, "_take"),
              (merge, "drop_staged"))  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 4])
@pytest.mark.parametrize("step", FILE_STEPS, ids=lambda step: step[1])
def test_a_merge_that_ends_at_a_step_of_the_files_is_made_up_for(home, expected, monkeypatch, step, call, when):
    """It ends before or after the step's first, second or fourth call; some steps come only once or twice."""
    module, name = step
    whole, numbers, killed = getattr(module, name), itertools.count(1), False

    def ending(*arguments):
        number = next(numbers)  # of this call: pictures are written by several threads
        if number == call and when == "before":
            raise Killed
        result = whole(*arguments)
        if number == call:
            raise Killed
        return result

    monkeypatch.setattr(module, name, ending)
    try:
        merge_rounds(home)
    except Killed:
        killed = True
    monkeypatch.undo()
    assert killed or next(numbers) <= call
    agrees(home, expected)


def test_what_stands_in_temp_is_removed_by_the_next_merge(home, expected):
    (home.library / "temp" / "of-a-tile-that-will-not-be-kept.png").write_bytes(b"half")
    agrees(home, expected)


def test_an_announced_picture_that_has_its_row_stays(home):
    merge_rounds(home)
    before = everything(home)
    with open_library(home.library, write=True) as database:
        database.announce([before["tiles"][0][2]])
    agrees(home, before)


def test_a_picture_half_written_is_made_up_for(home, expected, monkeypatch):
    whole = os.write

    def half(descriptor, content):
        whole(descriptor, content[: len(content) // 2])
        raise Killed

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(Killed):
        merge_rounds(home)
    monkeypatch.undo()
    assert list((home.library / "temp").iterdir())
    agrees(home, expected)


_ENDING = {"at": None}
_CHANGES = frozenset(("os.rename", "os.remove", "os.mkdir", "os.link"))


def _end_at_a_change(event, arguments):
    """Count what changes the disk; at the chosen one, end."""
    if _ENDING["at"] is None or (event not in _CHANGES and not (event == "open" and _writes(arguments))):
        return
    _ENDING["at"] -= 1
    if _ENDING["at"] < 0:
        raise Killed


def _writes(arguments):
    return isinstance(arguments[1], str) and arguments[1][0] in "wxa"


@pytest.fixture
def ending_at():
    """Set the number of changes of the disk before the end; the system tells of each beforehand (an audit hook)."""
    if "hooked" not in _ENDING:
        sys.addaudithook(_end_at_a_change)  # cannot be taken off again, hence the switch
        _ENDING["hooked"] = True

    def choose(number):
        _ENDING["at"] = number

    yield choose
    _ENDING["at"] = None


def test_a_merge_may_end_before_any_change_of_the_disk(home, expected, ending_at):
    for number in range(200):
        ending_at(number)
        try:
            merge_rounds(home)
        except Killed:
            continue
        else:
            break
        finally:
            ending_at(None)
    assert 10 < number < 199  # it came one change further each time, and through in the end
    agrees(home, expected)


FORKING = """
import os, sys
import mosaic_assets.core.imaging, scipy.spatial, pyarrow.parquet, simplejpeg, PIL.Image, isal.isal_zlib
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.settings import Settings
for line in sys.stdin:
    times, _, settings = line.partition(" ")
    merging = []
    for _ in range(int(times)):
        merging.append(os.fork())
        if merging[-1] == 0:
            try:
                merge_rounds(Settings.model_validate_json(settings))
                os._exit(0)
            finally:
                os._exit(1)
    print(*merging, flush=True)
    sys.stdin.readline()  # until then their numbers stay theirs, though they may have ended
    print(*(os.waitpid(one, 0)[1] for one in merging), flush=True)
"""


class Merging:
    """A process that forks others to merge, so that each of them starts at once."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, home, times=1):
        """Start merging; the ids of the processes."""
        self._process.stdin.write(f"{times} {json.dumps(home.model_dump(mode='json'))}\n")
        self._process.stdin.flush()
        return [int(number) for number in self._process.stdout.readline().split()]

    def ends(self):
        """Wait for them; how each ended: 0, or the number of a signal."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [int(status) for status in self._process.stdout.readline().split()]

    def close(self):
        self._process.communicate()


@pytest.fixture(scope="module")
def merging():
    processes = Merging()
    yield processes
    processes.close()


@pytest.fixture
def unmerged(new_home):
    """Two homes, equal, with a wave of 180 tiles to merge."""
    homes = [new_home(name, round_tiles=60) for name in ("undisturbed", "home")]
    harvest(homes[0], *homes[0].biomes)
    shutil.copytree(homes[0].harvest, homes[1].harvest)
    forget_staged(homes[1], every=2)
    assert len(staged_pictures(homes[0])) >= 170
    return homes


def count_pictures(home):
    """Pictures in temp/ and in the buckets."""
    return sum(len(list(folder.iterdir())) for folder in home.library.glob("[bt]*") if folder.is_dir())


def wait_until(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_merge_killed_at_random_moments_is_made_up_for(unmerged, merging):
    undisturbed, home = unmerged
    moments, killed = random.Random(5), 0
    for _ in range(6):
        before = count_pictures(home)
        more = moments.randint(1, 20)  # 6 times at most 20 of 180: there is always something left to disturb
        (process,) = merging.start(home)
        wait_until(lambda before=before, more=more: count_pictures(home) >= before + more)
        time.sleep(moments.uniform(0, 0.005))
        os.kill(process, signal.SIGKILL)
        killed += merging.ends() == [signal.SIGKILL]
    assert killed >= 3
    merge_rounds(undisturbed)
    merge_rounds(home)
    assert everything(home) == everything(undisturbed)


def test_two_merges_at_once_give_what_one_gives(unmerged, merging):
    undisturbed, home = unmerged
    merging.start(home, times=2)
    assert merging.ends() == [0, 0]
    merge_rounds(undisturbed)
    assert everything(home) == everything(undisturbed)


def test_a_harvest_killed_leaves_no_round_and_its_temporary_file_goes_with_the_next(new_home):
    home = new_home()
    script = """
import sys, time
from mosaic_assets.settings import Settings
from mosaic_assets.store.rounds import writing_round
from pathlib import Path
with writing_round(Path(sys.argv[1]), "west", 1):
    print("ready", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script, str(home.harvest)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    (temporary,) = (home.harvest / "west").iterdir()
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert temporary.exists() and published_rounds(home.harvest) == {}
    harvest(home, "west")
    assert sorted(path.name for path in (home.harvest / "west").iterdir()) == [
        "round-00001.parquet",
        "round-00001.staged",
    ]
