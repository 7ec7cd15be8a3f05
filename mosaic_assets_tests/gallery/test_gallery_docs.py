"""The page on the gallery shows what the code does today."""

from __future__ import annotations

import doctest
from pathlib import Path

from mosaic_assets.gallery.inspecting import inspection_names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gallery.md"


def test_every_example_on_the_page_gives_the_output_shown() -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=flags)
    assert result.attempted >= 4
    assert result.failed == 0


def test_every_inspection_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in inspection_names() if f"`{name}`" not in text] == []
