"""What leaves a library for its quarantine: what nobody knows, and what there is no room for."""

from __future__ import annotations

import itertools
import shutil

from PIL import Image

from mosaic_assets.library.faults import Fault
from mosaic_assets.library.repair import repair_library
from mosaic_assets_tests.library.painted import ask
from mosaic_assets_tests.library.repair.damages import add_orphan, lose_provenance
from mosaic_assets_tests.library.repair.looks import change, failing_checks, found_in, notes, victim


def test_an_orphan_is_sent_away_whole(home):
    add_orphan(home, victim(home, 2))
    path = victim(home, 2).path.rpartition("/")[0] + "/orphan.png"
    content = (home.home / path).read_bytes()
    assert found_in(repair_library(home)) == [("orphan_file", "quarantined")]
    (note,) = notes(home)
    assert (note["from"], note["row"], note["reason"]) == (path, None, "no row names it")
    assert (home.library / "quarantine" / note["file"]).read_bytes() == content
    assert failing_checks(home) == set()


def test_orphans_of_one_name_do_not_replace_each_other(home):
    for shade in (10, 20, 30):
        path = home.home / victim(home, 2)[1].rpartition("/")[0] / "orphan.png"
        Image.new("RGB", (9, 9), (shade, 0, 0)).save(path)
        repair_library(home)
    shades = [Image.open(home.library / "quarantine" / note["file"]).getpixel((0, 0))[0] for note in notes(home)]
    assert shades == [10, 20, 30]


def test_a_folder_among_the_pictures_is_sent_away(home):
    folder = (home.home / victim(home)[1]).with_name("folder")
    folder.mkdir()
    (folder / "note.txt").write_text("somebody's")
    repair_library(home)
    assert failing_checks(home) == set()
    assert [path.read_text() for path in (home.library / "quarantine").rglob("note.txt")] == ["somebody's"]


def test_of_an_over_full_bucket_the_newest_go(sound, home):
    lower = home.model_copy(update={"bucket_cap": 2})
    report = repair_library(lower)
    assert {finding.fault for finding in report.findings} == {Fault.OVER_FULL_BUCKET}
    assert failing_checks(lower) == set()
    came = "SELECT t.bucket_id, t.id FROM tiles t JOIN provenance p USING (id) JOIN rounds USING (biome, round) "
    rows = ask(sound, came + "ORDER BY t.bucket_id, merge_number, p.round, p.biome, p.position")
    expected = {row[1] for _, group in itertools.groupby(rows, lambda row: row[0]) for row in list(group)[:2]}
    assert {row[0] for row in ask(home, "SELECT id FROM tiles")} == expected
    assert len(notes(home)) == len(rows) - len(expected) > 3


def test_a_tile_whose_bucket_has_no_room_is_sent_away(home):
    """Its row was in another bucket; meanwhile its own was filled by others."""
    bucket = ask(home, "SELECT bucket_id FROM tiles GROUP BY 1 HAVING count(*) = 4 ORDER BY 1 LIMIT 1")[0][0]
    (oldest,) = ask(home, "SELECT id FROM tiles WHERE bucket_id = ? ORDER BY id LIMIT 1", bucket)[0]
    change(home, "UPDATE tiles SET bucket_id = 1 WHERE id = ?", oldest)
    report = repair_library(home.model_copy(update={"bucket_cap": 3}))
    reasons = {note["row"]["id"]: note["reason"] for note in notes(home)}
    assert reasons[oldest] == f"bucket {bucket} holds 3 other tiles"
    assert ("wrong_bucket", "quarantined") in found_in(report)


def test_of_two_tiles_with_one_picture_the_newer_goes(home):
    """The second row names a copy of the first one's picture, and all its values are that picture's."""
    bucket = ask(home, "SELECT bucket_id FROM tiles GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1")[0][0]
    order = "JOIN provenance p USING (id) JOIN rounds USING (biome, round) WHERE bucket_id = ? "
    first, second = ask(
        home,
        f"SELECT id, filepath FROM tiles {order} ORDER BY merge_number, p.round, p.biome, p.position LIMIT 2",
        bucket,
    )
    shutil.copyfile(home.home / first[1], home.home / second[1])
    columns = "phash, mean_l, mean_a, mean_b"
    change(
        home,
        f"UPDATE tiles SET ({columns}) = (SELECT {columns} FROM tiles WHERE id = ?) WHERE id = ?",
        first[0],
        second[0],
    )
    assert ("duplicate", "quarantined") in found_in(repair_library(home))
    assert [note["row"]["id"] for note in notes(home)] == [second[0]]
    assert failing_checks(home) == set()


def test_without_round_files_a_tile_of_no_known_place_is_sent_away(home):
    shutil.rmtree(home.harvest)
    tile, path, _ = victim(home, 3)
    lose_provenance(home, victim(home, 3))
    repair_library(home)
    (note,) = notes(home)
    assert note["row"]["id"] == tile and note["reason"].startswith("nothing says where it comes from")
    assert not (home.home / path).exists() and failing_checks(home) == set()
