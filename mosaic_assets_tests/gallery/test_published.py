"""What is inconsistent in reference 4's published files; the counts are those of the facts, measured independently."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.checks import GALLERY_CHECKS
from mosaic_assets.gallery.importing import ImportReport, import_queries
from mosaic_assets.gallery.inspecting import inspect, inspection_names
from mosaic_assets.gallery.manifest import read_manifest
from mosaic_assets.gallery.published import Finding, Published, read_published
from mosaic_assets.gallery.query_files import QueryRow, read_csv
from mosaic_assets.settings import Settings
from mosaic_assets_tests.gallery.conftest import SHARED_RSLOC, needs_rsloc, settings_at

README = """
The dataset contains **82,000+** high-resolution remote sensing images.

    | Zoom level | Tile Count | Time Range               | Resolution (m/px) | Tile Spacing |
    |------------|------------|--------------------------|-------------------|--------------|
    | 13         | 66,144     | 2020/12/31               | 19.109            | 4891.970m    |
    | 15     | 824,796| 1991-12-31 to 2023-8-16     | 4.777             | 1222.991m    |
    | 16          | 3,216,120  | 1991-12-31 to 2023-8-16  | 2.389             | 611.494m     |
    | Total       | 4,347,460  | 1985-12-31 to 2020-12-31 | -                 | -            |

The query set contains ***500*** images, ***urban (48 images)*** and ***non-urban (352 images)***.
Urban (F* files), non-urban (a*/b* files).

    sql = "select rowid,zoom_level,time_ from ge_tiles"
    for row in rows:
        rowid,zoom_level, time,tile_data = row
"""
"""In the words that the inspections look for, with the published README's contradictions."""

ROW = QueryRow("a1_L15_arcgis.tiff", 48.5, 1.5, 15, 256, 256, 4.777, "arcgis", 1.0, 48.0, 2.0, 49.0)


@pytest.fixture(scope="module")
def published() -> Published:
    return replace(read_published(SHARED_RSLOC / "RSimages"), readme=README)


@pytest.fixture(scope="module")
def findings(published: Published) -> dict[str, Finding]:
    return {finding.name: finding for finding in inspect(published)}


@needs_rsloc
@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        ("type_matches_name", 212, "212 of test400 say mapbox, by name arcgis"),
        ("width_and_height_are_whole_tiles", 93, "no multiple of 256"),
        ("resolution_matches_bounds", 93, "4.7752 to 4.7794 m"),
        ("origin_lies_on_the_grid", 442, "x: a part of a tile off 90, aligned 154, one pixel off 256"),
        ("origin_lies_on_the_grid", 442, "one pixel off 304"),
        ("centre_is_the_middle_of_the_bounds", 500, "lat by up to 2.1 m"),
        # The facts count 40: one pair meets in a strip of 2e-14 degrees, which is rounding.
        ("splits_share_no_ground", 39, "10 by more than half, 82% at most"),
        ("boxes_are_different", 1, "a61_L15_arcgis.tiff and m196_L15_mapbox.tiff"),
        ("names_differ_in_more_than_case", 48, "48 pairs"),
        ("every_row_has_its_tiff", 495, "495 of 500"),
        ("readme_counts_agree", 2, "48 urban and 352 others are not 500"),
        ("readme_counts_agree", 2, "82,000 images are announced, level 15 alone has 824,796"),
        ("readme_names_exist", 3, "b* files are named, and there are none"),
        ("readme_times_agree", 2, "levels lie outside"),
        ("readme_spacings_are_right", 1, "611.494 m, the grid's is 611.496 m"),
        ("readme_code_runs", 1, "3 columns are selected, 4 are unpacked"),
    ],
)
def test_every_known_inconsistency_is_found(findings: dict[str, Finding], name: str, count: int, words: str) -> None:
    assert findings[name].count == count
    assert words in findings[name].summary


@needs_rsloc
def test_what_is_consistent_is_not_complained_about(findings: dict[str, Finding]) -> None:
    assert set(inspection_names()) - set(findings) == {"rows_agree_with_tiffs", "every_tiff_has_its_row"}


def test_a_consistent_set_has_no_findings(built: Settings) -> None:
    found = [one.name for one in inspect(read_published(built.gallery_folder / "queries"))]
    # Ours are cut anywhere, in a size that is no mosaic's, and lat is the picture's middle.
    assert found == [
        "width_and_height_are_whole_tiles",
        "origin_lies_on_the_grid",
        "centre_is_the_middle_of_the_bounds",
    ]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"width": 129}, "rows_agree_with_tiffs"),
        ({"lon_min": 0.1}, "rows_agree_with_tiffs"),
        ({"level": 13}, "rows_agree_with_tiffs"),
        ({"imgname": "other_L14_embedded.tiff"}, "every_tiff_has_its_row"),
        ({"resolution": 9.6}, "resolution_matches_bounds"),
    ],
)
def test_a_line_that_disagrees_with_its_tiff_is_found(built: Settings, change: dict[str, object], name: str) -> None:
    true = read_published(built.gallery_folder / "queries")
    first, *rest = true.rows["test"]
    wrong = replace(true, rows={**true.rows, "test": [replace(first, **change), *rest]})  # type: ignore[arg-type]
    assert [one.count for one in inspect(wrong) if one.name == name] == [1]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, ImportReport]:
    settings = settings_at(tmp_path_factory.mktemp("imported"))
    return settings, import_queries(settings, SHARED_RSLOC / "RSimages")


@needs_rsloc
def test_lists_are_repaired_where_the_tiffs_prove_it(imported: tuple[Settings, ImportReport]) -> None:
    settings, report = imported
    assert report.repaired == {"lon": 2, "resolution": 2, "type": 1}
    rows = {row.imgname: row for name in ("test100", "test400") for row in read_csv(report.folder / f"{name}.csv")}
    assert rows["F4_L15_arcgis.tiff"].type == "arcgis"  # published as mapbox
    assert rows["f1_L15_arcgis.tiff"].resolution == 4.775618380614691  # of the TIFF; published as 4.7773
    assert {query.row.imgname: query.scene_class for query in read_manifest(settings)} == {
        "F4_L15_arcgis.tiff": "urban", "m53_L15_mapbox.tiff": "non-urban", "f1_L15_arcgis.tiff": "",
        "f20_L15_arcgis.tiff": "", "f66_L15_arcgis.tiff": "",
    }  # fmt: skip


@needs_rsloc
def test_what_was_taken_over_passes_the_checks(imported: tuple[Settings, ImportReport]) -> None:
    from mosaic_assets.core.checks import Scope, run_check

    settings, _ = imported
    assert [one.name for one in GALLERY_CHECKS if not run_check(one, settings, Scope.ALL).passed] == []


@needs_rsloc
def test_importing_again_changes_no_byte(imported: tuple[Settings, ImportReport]) -> None:
    settings, report = imported
    before = {path: path.read_bytes() for path in report.folder.rglob("*") if path.is_file()}
    import_queries(settings, SHARED_RSLOC / "RSimages")
    assert {path: path.read_bytes() for path in report.folder.rglob("*") if path.is_file()} == before


def test_a_folder_without_queries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="no folder of TIFFs"):
        read_published(tmp_path)
    with pytest.raises(GalleryError, match="is no folder"):
        read_published(tmp_path / "nothing")


def test_a_list_alone_is_inspected_but_not_imported(tmp_path: Path) -> None:
    from mosaic_assets.gallery.query_files import write_csv

    write_csv(tmp_path / "test.csv", [ROW])
    assert "every_row_has_its_tiff" in {one.name for one in inspect(read_published(tmp_path))}
    with pytest.raises(GalleryError, match="the list alone proves nothing"):
        import_queries(settings_at(tmp_path / "home"), tmp_path)


def test_an_unusable_tiff_is_reported_with_its_reason(tmp_path: Path) -> None:
    from mosaic_assets.gallery.query_files import write_csv

    write_csv(tmp_path / "test.csv", [ROW])
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / ROW.imgname).write_bytes(b"no tiff")
    found = {one.name: one for one in inspect(read_published(tmp_path))}
    assert "no picture that can be read" in found["every_row_has_its_tiff"].examples[0]
