"""Twenty thousand damaged pictures: the judge never raises, never crashes, and always says what it saw."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial import cKDTree

from mosaic_assets.core.records import Outcome
from mosaic_assets.library.judge import judge
from mosaic_assets_tests.faults.control import PROJECT
from mosaic_assets_tests.faults.fuzz import answer
from mosaic_assets_tests.faults.mutations import mutant, seeds

MIB = 1 << 20
COUNT = 10_000


@pytest.mark.parametrize("seed", [1, 2])
def test_no_damaged_picture_makes_the_judge_raise_or_crash(seed: int) -> None:
    command = [sys.executable, "-m", "mosaic_assets_tests.faults.fuzz", str(seed), str(COUNT)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    last = done.stdout.splitlines()[-1] if done.stdout else "nothing"
    assert done.returncode == 0, (
        f"the process ended with {done.returncode} after printing {last}; mutations.mutant({seed}, number) makes the "
        f"pictures, of that batch the number and the 63 that follow. {done.stderr[-2000:]}"
    )
    report = json.loads(last)
    assert sum(report["outcomes"].values()) == COUNT
    # Each kind is met often: had the mutations only made rubbish, nothing would have been tried.
    assert {name: count > COUNT / 200 for name, count in report["outcomes"].items()} == dict.fromkeys(
        ["candidate", "not_an_image", "wrong_size", "missing"], True
    )
    assert report["grown"] < 100 * MIB


def test_mutants_are_the_same_on_every_machine_and_not_all_alike() -> None:
    first = [mutant(1, number) for number in range(200)]
    assert first == [mutant(1, number) for number in range(200)]
    assert len({*first}) > 190
    assert sum(body in seeds() for body in first) < 10


def outcome_of(body: bytes) -> Outcome:
    (judged,) = judge([answer(0, body)], cKDTree(np.zeros((1, 3))), frozenset())
    return judged.outcome


def test_every_seed_is_a_picture_before_it_is_damaged() -> None:
    outcomes = [outcome_of(body) for body in seeds()]
    assert outcomes.count(Outcome.CANDIDATE) == len(seeds()) - 3
    assert outcomes.count(Outcome.MISSING) == 2  # the transparent ones
    assert outcomes.count(Outcome.WRONG_SIZE) == 1


HUGE = 2**31 - 1


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"", Outcome.NOT_AN_IMAGE),
        (b"\0", Outcome.NOT_AN_IMAGE),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", HUGE, HUGE), Outcome.WRONG_SIZE),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 0, 0), Outcome.WRONG_SIZE),
        (b"GIF89a" + struct.pack("<HH", 65_535, 65_535), Outcome.WRONG_SIZE),
        (b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, 65_535, 65_535, 3), Outcome.WRONG_SIZE),
        (b"\xff\xd8" + b"\xff" * 1_000_000, Outcome.NOT_AN_IMAGE),
        (b"\xff\xd8" + b"\xff\xe1\0\0" * 250_000, Outcome.NOT_AN_IMAGE),
        (b"\xff\xd8" + b"\xff\xe1\0\2" * 250_000, Outcome.NOT_AN_IMAGE),
        (b"RIFF\xff\xff\xff\xffWEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff" * 6, Outcome.WRONG_SIZE),
    ],
    ids=["nothing", "one byte", "PNG 2**31", "PNG 0", "GIF 65535", "JPEG 65535", "only markers", "segments of no length",
         "a million empty segments", "WebP 2**24"],
)  # fmt: skip
def test_extreme_headers_are_only_outcomes(body: bytes, outcome: Outcome) -> None:
    assert outcome_of(body) is outcome
