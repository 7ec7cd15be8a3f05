"""What a README of reference 4's kind says that cannot be so."""

from __future__ import annotations

import re

from mosaic_assets.core.grids import tile_spacing
from mosaic_assets.gallery.inspections import Found
from mosaic_assets.gallery.published import Published


def readme_counts_agree(published: Published) -> Found:
    """The numbers of images that a README gives fit each other."""
    text, wrong = published.readme.replace("*", ""), []
    claimed = re.search(r"contains (\d[\d,]*)\+? high-resolution", text)
    level = re.search(r"\|\s*15\s*\|\s*(\d[\d,]*)\s*\|", text)
    if claimed and level and _number(level[1]) >= 2 * _number(claimed[1]):
        wrong.append(f"{claimed[1]} images are announced, level 15 alone has {level[1]}")
    total, urban, other = (
        re.search(p, text) for p in (r"contains (\d+) images", r"urban \((\d+)", r"non-urban \((\d+)")
    )
    if total and urban and other and int(urban[1]) + int(other[1]) != int(total[1]):
        wrong.append(f"{urban[1]} urban and {other[1]} others are not {total[1]}")
    return wrong, "; ".join(wrong)


def readme_names_exist(published: Published) -> Found:
    """The kinds of files that a README names are in the lists."""
    named = {
        letter for pair in re.findall(r"\((\w)\*(?:/(\w)\*)? files", published.readme) for letter in pair if letter
    }
    there = {row.imgname[0] for _, row in published.all_rows()}
    wrong = [f"{letter}* files are named, and there are none" for letter in sorted(named - there)] if there else []
    wrong += [f"{letter}* files are there, and not named" for letter in sorted(there - named)] if named else []
    return wrong, "; ".join(wrong)


def readme_times_agree(published: Published) -> Found:
    """The range of times of all levels together holds that of each."""
    ranges = {
        name: (_date(first), _date(last or first))
        for name, first, last in re.findall(
            r"^\s*\|\s*(\w+)\s*\|[^|\n]*\|\s*(\d{4}[-/]\d+[-/]\d+)(?: to (\d{4}[-/]\d+[-/]\d+))?\s*\|",
            published.readme,
            re.MULTILINE,
        )
    }
    total = ranges.pop("Total", None)
    wrong = [
        f"level {name} reaches from {first} to {last}, all together from {total[0]} to {total[1]}"
        for name, (first, last) in ranges.items()
        if total and not (total[0] <= first and last <= total[1])
    ] if total else []  # fmt: skip
    return wrong, f"{len(wrong)} levels lie outside"


def readme_spacings_are_right(published: Published) -> Found:
    """The spacing of tiles that a README gives for a level is that of the grid, to the last digit given."""
    rows = re.findall(r"\|\s*(\d+)\s*\|[^|\n]*\|[^|\n]*\|[^|\n]*\|\s*(\d+\.\d+)m?\s*\|", published.readme)
    wrong = [
        f"level {zoom}: {text} m, the grid's is {tile_spacing(int(zoom)):.3f} m"
        for zoom, text in rows
        if abs(float(text) - tile_spacing(int(zoom))) > 0.0015
    ]
    return wrong, "; ".join(wrong)


def readme_code_runs(published: Published) -> Found:
    """Code that reads rows takes as many values as its SELECT gives."""
    wrong = []
    for select, names in re.findall(
        r"select ([\w,\s]+?) from .*?\n\s+([\w,\s]+?)\s*=\s*row\b", published.readme, re.DOTALL
    ):
        given, taken = len(select.split(",")), len(names.split(","))
        if given != taken:
            wrong.append(f"{given} columns are selected, {taken} are unpacked ({names.strip()})")
    return wrong, "; ".join(wrong)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _date(text: str) -> str:
    year, month, day = re.split("[-/]", text)
    return f"{year}-{int(month):02d}-{int(day):02d}"
