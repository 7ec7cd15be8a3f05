"""What the inbox cannot use: reports on bad records, and messages that say what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import shapely

from mosaic_assets.csquares.inbox import take_inbox, take_reports, unfinished_take
from mosaic_assets.csquares.readers import ReadFile, SceneFootprint
from mosaic_assets.csquares.uploading import uploading
from mosaic_assets.errors import HomeNotWritableError, StoreError
from mosaic_assets.store.csquare_db import Scene
from mosaic_assets_tests.csquares.archived import archive, drop, footprint, ids_of, later, read_lines, take


def test_a_file_with_bad_records_gives_its_good_ones_and_a_report_on_the_others(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    original = drop(settings, "mixed.csv", "a", "bad-1", "b", "bad-2").read_bytes()
    report = take(settings)
    assert ids_of(settings, next(iter(report.batches))) == ["a", "b"]
    folder = tmp_path / "inbox" / "rejected"
    assert (folder / "mixed.csv").read_bytes() == original
    told = json.loads((folder / "mixed.csv.report.json").read_text())
    assert told["rejected"] == [
        {"record": "line 2", "reason": "bad-1 is bad"},
        {"record": "line 4", "reason": "bad-2 is bad"},
    ]
    assert (told["file"], told["format"], told["accepted"], told["take"]) == ("mixed.csv", "lines", 2, 1)
    assert (tmp_path / told["original"]).read_bytes() == original
    assert "line 4: bad-2 is bad\n" in (folder / "mixed.csv.report.txt").read_text()


def test_a_file_without_bad_records_is_not_among_the_rejected(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "good", "a")
    take(settings)
    assert not (tmp_path / "inbox" / "rejected").exists()


def test_a_reader_that_breaks_over_a_file_does_not_keep_the_others(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    (settings.inbox / "poison").write_text("{")
    drop(settings, "good", "a")
    report = take(settings)
    assert {file.name: (file.accepted, file.rejected) for file in report.files} == {"poison": (0, 1), "good": (1, 0)}
    assert "JSONDecodeError" in (tmp_path / "inbox/rejected/poison.report.txt").read_text()


@pytest.mark.parametrize(
    ("outline", "reason"),
    [
        (shapely.Polygon(), "covers no square"),
        (shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]), "Self-intersection"),
    ],
)
def test_a_footprint_without_squares_is_rejected_and_does_not_stop_its_batch(
    tmp_path: Path, outline: Any, reason: str
) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "x")
    bad = SceneFootprint(Scene("h1awj"), outline)
    report = take_inbox(settings, later(0), lambda _: ReadFile("lines", [bad, footprint("a")], []))
    assert report and report.batches == {"scenes-000001-00001": 1}
    (told,) = json.loads((tmp_path / "inbox/rejected/one.report.json").read_text())["rejected"]
    assert told["record"] == "scene h1awj" and reason in told["reason"]


def test_a_product_folder_is_moved_whole_and_not_copied_to_the_rejected(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    folder = settings.inbox / "S3A.SEN3"
    folder.mkdir()
    (folder / "xfdumanifest.xml").write_text('"bad"')
    take_inbox(settings, later(0), lambda path: read_lines(path / "xfdumanifest.xml"))
    assert (tmp_path / "inbox/taken/000001/files/S3A.SEN3/xfdumanifest.xml").exists()
    assert sorted(path.name for path in (tmp_path / "inbox" / "rejected").iterdir()) == [
        "S3A.SEN3.report.json",
        "S3A.SEN3.report.txt",
    ]


def test_an_inbox_that_cannot_be_moved_from_says_so_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = archive(tmp_path)
    path = drop(settings, "one", "a")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(HomeNotWritableError, match="permission is denied"):
        take(settings)
    monkeypatch.undo()
    assert path.exists() and unfinished_take(settings)
    assert take(settings).batches == {"scenes-000001-00001": 1}


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"take": 1, "files": 3}'])
def test_a_damaged_record_of_a_take_is_named_with_a_remedy(tmp_path: Path, content: str) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "a")
    take(settings)
    (tmp_path / "inbox/taken/000001/report.json").write_text(content)
    with pytest.raises(StoreError, match=r"report\.json.*drop the files"):
        list(take_reports(settings))
    (tmp_path / "inbox/taken/000001/report.json").unlink()
    (tmp_path / "inbox/taken/000001/plan.json").write_text(content)
    with pytest.raises(StoreError, match=r"plan\.json.*drop the files"):
        uploading(settings)
