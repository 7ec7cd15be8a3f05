from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from mosaic_assets.core.checks import Scope
from mosaic_assets.gallery.localize.checks import (
    localization_accepts_nothing_that_is_nowhere,
    localization_answers_are_possible,
)
from mosaic_assets.gallery.localize.evaluate import results_folder
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.gallery.test_evaluate import asked


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings(home=tmp_path / "home")
    results_folder(settings.gallery_folder).mkdir(parents=True)
    return settings


def keep(settings: Settings, *answers: Any, name: str = "m-0123456789abcdef.json") -> Path:
    path = results_folder(settings.gallery_folder) / name
    path.write_text(json.dumps({str(number): asdict(one) for number, one in enumerate(answers)}))
    return path


def test_answers_that_can_be_pass(settings: Settings) -> None:
    keep(settings, asked(), asked(None, 0.0, None), asked(None, 0.2, None, nowhere=True))
    assert localization_answers_are_possible(settings, Scope.ALL).summary == "3 answer(s) of 1 file(s) (all)"
    found = localization_accepts_nothing_that_is_nowhere(settings, Scope.ALL)
    assert (found.passed, found.summary) == (True, "1 answer(s) to queries that are nowhere (all)")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"confidence": 1.5}, "its confidence is 1.5"),
        ({"error_m": -1.0}, "it is -1.0 m off"),
        ({"error_m": float("inf")}, "it is inf m off"),
        ({"error_m": 3.0, "rank": None, "nowhere": True}, "of a place that is nowhere"),
        ({"rank": 0}, "its rank is 0"),
        ({"method": "other"}, "is by the method 'other'"),
        ({"seconds": -0.1}, "its time is negative"),
    ],
)
def test_an_answer_that_cannot_be_is_told(settings: Settings, wrong: dict[str, Any], words: str) -> None:
    keep(settings, asked(**wrong))
    found = localization_answers_are_possible(settings, Scope.ALL)
    assert not found.passed and words in found.summary


def test_a_damaged_file_is_told_with_its_remedy(settings: Settings) -> None:
    keep(settings, asked()).write_text("{")
    found = localization_answers_are_possible(settings, Scope.ALL)
    assert not found.passed and "remove the file" in found.summary


def test_an_accepted_answer_to_a_query_that_is_nowhere_is_told(settings: Settings) -> None:
    keep(settings, asked(None, 0.9, None, nowhere=True))
    found = localization_accepts_nothing_that_is_nowhere(settings, Scope.ALL)
    assert not found.passed and "m is 0.90 sure of q" in found.summary


def test_after_a_run_only_what_it_measured_is_looked_at(settings: Settings) -> None:
    old = keep(settings, asked(rank=0), name="m-aaaaaaaaaaaaaaaa.json")
    os.utime(old, (1, 1))
    keep(settings, asked(), name="m-bbbbbbbbbbbbbbbb.json")
    assert localization_answers_are_possible(settings, Scope.NEWEST).passed
    assert not localization_answers_are_possible(settings, Scope.ALL).passed
