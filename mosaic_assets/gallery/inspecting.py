"""Every inspection of a published query set by name, with what is done about it.

They look and tell; what the TIFFs prove is repaired by `mosaic_assets.gallery.importing`, which writes a list anew.
"""

from __future__ import annotations

from collections.abc import Callable

from mosaic_assets.gallery import inspections
from mosaic_assets.gallery import readme_inspections as readme
from mosaic_assets.gallery.published import Finding, Published

NOT_OURS = "none: the README is not ours"

INSPECTIONS: tuple[tuple[Callable[[Published], inspections.Found], str], ...] = (
    (inspections.type_matches_name, "written anew from the name"),
    (inspections.width_and_height_are_whole_tiles, "none needed: the TIFF's own size is written"),
    (inspections.resolution_matches_bounds, "written anew: the TIFF's own pixel width; its height is in the manifest"),
    (inspections.origin_lies_on_the_grid, "none: the TIFFs say so themselves, and nothing else is known"),
    (inspections.centre_is_the_middle_of_the_bounds, "written anew: the middle of the picture"),
    (inspections.splits_share_no_ground, "queries of the later split are set aside, unless --keep-overlapping"),
    (inspections.boxes_are_different, "both are kept; a benchmark counts the place twice"),
    (
        inspections.names_differ_in_more_than_case,
        "none: splits have folders of their own; do not put them into one on a case-insensitive disk",
    ),
    (inspections.every_row_has_its_tiff, "the line is left out of the list; it is proved by nothing"),
    (inspections.every_tiff_has_its_row, "the TIFF is taken; its line is written from it"),
    (inspections.rows_agree_with_tiffs, "written anew from the TIFF"),
    (readme.readme_counts_agree, NOT_OURS),
    (readme.readme_names_exist, NOT_OURS),
    (readme.readme_times_agree, NOT_OURS),
    (
        readme.readme_spacings_are_right,
        "none: the README is not ours; `mosaic_assets.core.grids.tile_spacing` has the figures",
    ),
    (readme.readme_code_runs, "none: the README is not ours; `mosaic_assets.gallery.stitch` does the same"),
)
"""(inspection, remedy) in the order in which they are told."""


def inspection_names() -> list[str]:
    """Names of all inspections, in their order."""
    return [function.__name__ for function, _ in INSPECTIONS]


def inspect(published: Published) -> list[Finding]:
    """Run every inspection; return those that found something."""
    findings = []
    for function, remedy in INSPECTIONS:
        problems, summary = function(published)
        if problems:
            what = (function.__doc__ or "").strip().splitlines()[0]
            findings.append(Finding(function.__name__, what, len(problems), summary, tuple(problems[:5]), remedy))
    return findings
