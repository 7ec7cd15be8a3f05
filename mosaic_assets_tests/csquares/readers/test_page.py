"""The page on scene files says what the readers do today."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from mosaic_assets.csquares.readers import delimited, fields, records

PAGE = Path(__file__).resolve().parents[3] / "docs" / "scenes.md"


def test_every_example_on_the_page_gives_the_output_shown() -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=options)
    assert (result.failed, result.attempted) == (0, 7)


@pytest.mark.parametrize("name", [name for names in fields.NAMES.values() for name in names] + list(delimited.OUTLINES))
def test_every_name_that_is_looked_for_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", fields.NAMES)
def test_names_stand_on_the_page_and_in_the_code_in_the_order_they_are_tried(kind: str) -> None:
    start = f"| {kind.replace('_', ' ')} | "
    (row,) = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(start))
    for text in (row.removeprefix(start), (fields.__doc__ or "").split(f"``{kind}``", 1)[1]):
        words = re.findall(r"[\w/]+", text)
        at = 0
        for name in fields.NAMES[kind]:
            at = words.index(name, at) + 1


def test_limits_stand_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for limit in (records.MAX_VERTICES, records.MAX_ID_CHARACTERS, records.MAX_TEXT_CHARACTERS, records.MAX_REJECTIONS):
        assert f" {limit:,}" in text
    assert (records.MAX_BYTES, records.MAX_RECORD_CHARACTERS) == (1 << 30, 16 << 20)
    assert "1 GiB" in text and "16 Mi " in text
