"""The page on c-squares shows what the library does today."""

from __future__ import annotations

import doctest
from pathlib import Path

import mosaic_assets.csquares

PAGE = Path(__file__).resolve().parents[2] / "docs" / "csquares.md"


def test_every_example_on_the_page_gives_the_output_shown() -> None:
    result = doctest.testfile(
        str(PAGE), module_relative=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert result.attempted > 20
    assert result.failed == 0


def test_every_public_name_is_on_the_page() -> None:
    text = PAGE.read_text()
    # Returned by the functions or explained with them.
    helpers = {"Covers", "IndexReport", "Page", "SceneIndex", "Square", "Squares", "Where", "read_code"}
    missing = [name for name in mosaic_assets.csquares.__all__ if f"{name}(" not in text and name not in helpers]
    assert missing == []
