"""Kill a growing library at random moments, look at what is left, let it grow to the end, and compare."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.library.painted import PLACES, ZOOM, ask, everything, forget_staged

CAP = 4
"""Tiles a bucket may hold: few, so that the cap matters."""
CHANGES_TO_THE_DISK = 245
"""About as many as an undisturbed run makes: a moment to die is drawn from so many."""


@dataclass
class Tally:
    """What was tried, and what was found."""

    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    """How often a process died, by what it was about: ``harvesting``, ``pictures out, rows not``, ``merging`` ..."""
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The tally as text."""
        where = [f"  {count:4} {what}" for what, count in self.kills.most_common()]
        verdict = self.problems[:20] or ["no problem: every library passed its looks and equals the undisturbed one"]
        return [f"{self.runs} runs, killed {self.kills.total()} times with SIGKILL:", *where, *verdict]


class Grower:
    """The process that forks the children to be killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "mosaic_assets_tests.torture.grower"]
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)

    def run(self, settings: Settings, die_at: int | None = None, kill_after_s: float | None = None) -> bool:
        """Let a child grow the library, and perhaps kill it; True if it came to its end."""
        child = int(self._say(json.dumps({"settings": settings.model_dump(mode="json"), "die_at": die_at})))
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            os.kill(child, signal.SIGKILL)
        status = int(self._say(""))
        if status not in (0, signal.SIGKILL):
            raise RuntimeError(f"the child ended with status {status}; see its traceback above")
        return status == 0

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _say(self, text: str) -> str:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def growing() -> Iterator[Grower]:
    """A `Grower` for the length of a block."""
    grower = Grower()
    try:
        yield grower
    finally:
        grower.close()


def torture(
    kills: int, folder: Path, centroids: Path, seed: int = 1, progress: Callable[[int], Any] | None = None
) -> Tally:
    """Grow libraries, each killed up to three times on the way, and compare each with an undisturbed one.

    Parameters
    ----------
    kills : how many there are to be at least.
    folder : an empty folder for the libraries.
    centroids : the folder of published centroids.
    """
    moments, tally = random.Random(seed), Tally()
    with growing() as grower:
        undisturbed = _home(folder / "undisturbed", centroids)
        began = time.perf_counter()
        grower.run(undisturbed)
        lasts_s = time.perf_counter() - began
        expected = everything(undisturbed)
        for number in itertools.takewhile(lambda _: tally.kills.total() < kills, itertools.count()):
            home = _home(folder / str(number), centroids)
            _kill_repeatedly(grower, home, moments, lasts_s, tally)
            grower.run(home)
            tally.problems += [f"run {number}: {problem}" for problem in problems_at_the_end(home)]
            if everything(home) != expected:
                tally.problems.append(f"run {number}: the library differs from that of an undisturbed run")
            tally.runs += 1
            shutil.rmtree(home.home)
            if progress:
                progress(tally.kills.total())
    return tally


def _kill_repeatedly(grower: Grower, home: Settings, moments: random.Random, lasts_s: float, tally: Tally) -> None:
    for attempt in range(moments.randint(1, 3)):
        if moments.random() < 0.5:
            ended = grower.run(home, die_at=moments.randrange(CHANGES_TO_THE_DISK) // (attempt + 1))
        else:
            ended = grower.run(home, kill_after_s=moments.uniform(0, lasts_s) / (attempt + 1))
        if ended:  # it was faster than its death
            return
        tally.kills[state_of(home)] += 1
        tally.problems += [f"after a kill: {problem}" for problem in problems_of(home)]
        if moments.random() < 0.5:  # so that some pictures are moved and others made
            forget_staged(home, every=2)


def state_of(home: Settings) -> str:
    """What a killed process was about, by what it left."""
    if any(home.harvest.rglob("*.staged.*.tmp")):
        return "making pictures ahead of their round"
    if not (home.library / "tiles.db").exists():
        return "before there was a library"
    if ask(home, "SELECT count(*) FROM pending")[0][0]:
        there = sum((home.home / path).exists() for (path,) in ask(home, "SELECT filepath FROM pending"))
        return (
            f"a round's pictures announced, {'some in their buckets,' if there else 'none in its bucket,'} no row yet"
        )
    if any((home.harvest).rglob("*.tmp")):
        return "writing a round file"
    return "between two steps"


def problems_of(home: Settings) -> list[str]:
    """What must never be, not even at the moment of a kill."""
    if not (home.library / "tiles.db").exists():
        return []
    found = [f"integrity_check: {row[0]}" for row in ask(home, "PRAGMA integrity_check") if row[0] != "ok"]
    rows = {path for (path,) in ask(home, "SELECT filepath FROM tiles")}
    files = {path.relative_to(home.home).as_posix() for path in home.library.glob("bucket_*/*")}
    announced = {path for (path,) in ask(home, "SELECT filepath FROM pending")}
    found += [f"no file for row {path}" for path in sorted(rows - files)]
    found += [f"a file without a row that was not announced: {path}" for path in sorted(files - rows - announced)]
    over = ask(home, "SELECT bucket_id FROM tiles GROUP BY bucket_id HAVING count(*) > ?", home.bucket_cap)
    return found + [f"bucket {bucket} holds more than {home.bucket_cap}" for (bucket,) in over]


def problems_at_the_end(home: Settings) -> list[str]:
    """What must not be once a process came to its end."""
    found = problems_of(home)
    found += [f"left in temp: {path.name}" for path in (home.library / "temp").iterdir()]
    left = [*home.harvest.rglob("*.tmp"), *home.harvest.rglob("*.staged")]
    found += [f"left beside the rounds: {path.name}" for path in left]
    return found + [f"still announced: {path}" for (path,) in ask(home, "SELECT filepath FROM pending")]


def _home(folder: Path, centroids: Path) -> Settings:
    settings = load_settings(
        home=folder, builtin_biomes=False, biomes=PLACES, zoom=ZOOM, round_tiles=24, bucket_cap=CAP, workers=2
    )
    shutil.copytree(centroids, settings.library)
    return settings
