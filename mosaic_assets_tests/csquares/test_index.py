"""The index: equal answers however it came about."""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from shapely import Geometry, points

from mosaic_assets.csquares import cover_many, encode
from mosaic_assets.csquares import rebuild as rebuild_module
from mosaic_assets.csquares.index import IndexReport, index_path, rebuild_index, update_index
from mosaic_assets.csquares.pair_writing import write_pairs
from mosaic_assets.csquares.pairs import pairs_path, read_batch
from mosaic_assets.csquares.search import open_index
from mosaic_assets.store.csquare_db import open_csquare_db
from mosaic_assets.store.csquare_packing import BLOCK
from mosaic_assets.store.csquare_records import Scene
from mosaic_assets_tests.csquares.published import AREAS, START, answers, model_answers, publish, scenes


def test_an_index_of_one_batch_says_what_the_squares_say(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(6), AREAS)
    assert update_index(tmp_path) == IndexReport(1, added=6, changed=0, removed=0, scenes=6, rebuilt=False)
    assert answers(tmp_path) == model_answers(
        {scene.id: (scene, area) for scene, area in zip(scenes(6), AREAS, strict=True)}
    )


Publication = tuple[str, dict[int, tuple[int, int]]]
"""A batch and its scenes: number -> (area, variant of the record); no scenes at all: the batch is withdrawn."""

publications = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.dictionaries(st.integers(0, 7), st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=5),
    ),
    min_size=1,
    max_size=8,
)


def variant(number: int, kind: int) -> Scene:
    """Return a scene as one edition of it may be: unchanged, on another platform, at another time, without one."""
    scene = scenes(8)[number]
    return [
        scene,
        replace(scene, platform="NOAA-9"),
        replace(scene, time=START - timedelta(days=1)),
        replace(scene, time=None),
    ][kind]


@given(publications, st.integers(0, 3))
@hypothesis_settings(max_examples=60)
def test_batches_added_changed_and_withdrawn_in_any_order_answer_as_a_rebuild_does(
    steps: list[Publication], every: int
) -> None:
    """The model: a scene is as the batch published last has it."""
    with tempfile.TemporaryDirectory() as name:
        folder, held = Path(name), dict[str, dict[int, tuple[int, int]]]()
        for edition, (batch, content) in enumerate(steps):
            held.pop(batch, None)
            if content:
                held[batch] = content  # to the end: it is the newest now
                numbers = list(content)
                publish(
                    folder,
                    batch,
                    [variant(number, content[number][1]) for number in numbers],
                    [AREAS[content[number][0]] for number in numbers],
                    edition=edition,
                )
            else:
                pairs_path(folder, batch).unlink(missing_ok=True)
            if every and edition % every == 0:
                update_index(folder)
        update_index(folder)
        expected: dict[str, tuple[Scene, Geometry]] = {}
        for content in held.values():
            for number, (area, kind) in content.items():
                expected[f"h{number:04d}"] = variant(number, kind), AREAS[area]
        appended = answers(folder)
        assert appended == model_answers(expected)
        rebuild_index(folder)
        assert answers(folder) == appended


def test_a_batch_named_alone_brings_what_it_gives_up_back_from_the_others(tmp_path: Path) -> None:
    old, new = scenes(1), [replace(scenes(1)[0], platform="renamed")]
    publish(tmp_path, "a", old, AREAS[:1], edition=0)
    publish(tmp_path, "b", new, AREAS[1:2], edition=1)
    update_index(tmp_path)
    publish(tmp_path, "b", scenes(2)[1:], AREAS[1:2], edition=2)
    report = update_index(tmp_path, ["b"])
    assert (report.added, report.changed, report.removed) == (1, 1, 0)
    with open_index(tmp_path) as index:
        assert index.search().scenes == [*old, scenes(2)[1]]


def test_what_the_index_has_already_is_left_alone(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(6), AREAS)
    update_index(tmp_path)
    before = index_path(tmp_path).read_bytes()
    assert update_index(tmp_path) == IndexReport(0, 0, 0, 0, scenes=6, rebuilt=False)
    assert index_path(tmp_path).read_bytes() == before


def test_the_same_batch_published_again_changes_no_scene(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(6), AREAS)
    update_index(tmp_path)
    publish(tmp_path, "one", scenes(6), AREAS, edition=1)
    assert update_index(tmp_path) == IndexReport(1, added=0, changed=0, removed=0, scenes=6, rebuilt=False)


def test_scene_numbers_follow_time_also_when_batches_do_not(tmp_path: Path) -> None:
    every = scenes(6)
    publish(tmp_path, "late", every[3:], AREAS[3:])
    publish(tmp_path, "early", every[:3], AREAS[:3])
    for batch in ("late", "early"):
        update_index(tmp_path, [batch])
    with open_index(tmp_path) as index:
        assert index.scenes(np.arange(6)) == every
        assert index.numbers(codes="3414:100:1").tolist() == [0, 1, 2, 3, 4]


def test_more_scenes_than_a_block_holds(tmp_path: Path) -> None:
    """Points every half degree: scene n has one square, so the answer to a square is known by arithmetic."""
    count = BLOCK + 1_500
    lng, lat = -179.75 + np.arange(count) % 720 * 0.5, -89.75 + np.arange(count) // 720 * 0.5
    codes = encode(lng, lat, 0.5)
    half = BLOCK - 700
    for batch, which in (("a", slice(half)), ("b", slice(half, None))):
        listed = [Scene(id=f"s{n}", time=START + timedelta(seconds=n)) for n in range(count)[which]]
        write_pairs(tmp_path, batch, listed, cover_many(points(lng[which], lat[which]), 0.5), published_at=START)
        update_index(tmp_path, [batch])
    probes = [0, half - 1, half, BLOCK - 1, BLOCK, BLOCK + 1, count - 1]

    def check() -> None:
        with open_index(tmp_path) as index:
            assert [index.numbers(codes=[str(codes[probe])]).tolist() for probe in probes] == [[n] for n in probes]
            assert index.count(codes=str(codes[BLOCK])[:4]) == int(
                np.sum(np.strings.startswith(codes, codes[BLOCK][:4]))
            )
            span = index.ids(start=START + timedelta(seconds=BLOCK - 2), end=START + timedelta(seconds=BLOCK + 2))
            assert span.tolist() == [f"s{n}" for n in range(BLOCK - 2, BLOCK + 2)]

    check()
    assert rebuild_index(tmp_path).scenes == count
    check()


def test_a_rebuild_in_several_groups_of_blocks_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild_module, "_PAIRS_AT_ONCE", 1)
    test_more_scenes_than_a_block_holds(tmp_path)


def test_many_changed_scenes_lead_to_a_rebuild(tmp_path: Path) -> None:
    listed = [Scene(id=f"s{n}", time=START + timedelta(seconds=n)) for n in range(1_100)]
    publish(tmp_path, "one", listed, [AREAS[3]] * 1_100)
    update_index(tmp_path)
    publish(tmp_path, "one", listed, [AREAS[2]] * 1_100, edition=1)
    assert update_index(tmp_path) == IndexReport(1, added=0, changed=1_100, removed=0, scenes=1_100, rebuilt=True)
    with open_index(tmp_path) as index:
        assert index.numbers(codes="3414:100:2").tolist() == list(range(1_100))


def test_a_reader_sees_an_update_whole_in_its_next_search(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(3), AREAS[:3])
    update_index(tmp_path)
    with open_index(tmp_path) as index:
        assert index.count(codes="3414:100:1") == 3
        publish(tmp_path, "two", scenes(6)[3:], AREAS[3:])
        update_index(tmp_path)
        assert index.count(codes="3414:100:1") == 5


def test_plain_sqlite_reads_the_scenes(tmp_path: Path) -> None:
    """The columns that the issue lists, in a file that any SQLite opens."""
    publish(tmp_path, "one", scenes(1), AREAS[:1])
    update_index(tmp_path)
    connection = sqlite3.connect(index_path(tmp_path))
    columns = "id, platform, instrument, time, image_location, thumbnail, source, licence"
    row = connection.execute(f"SELECT {columns} FROM scenes").fetchone()
    connection.close()
    assert row == (
        "h0000", "NOAA-12", "AVHRR", "2003-06-21T06:23:00.000000Z", "tape/0", "gif/0.gif", "CSIRO", "CC-BY-4.0",
    )  # fmt: skip


def test_a_footprint_in_the_index_is_the_one_in_the_pairs(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(6), AREAS)
    update_index(tmp_path)
    batch = read_batch(tmp_path, "one")
    with open_csquare_db(index_path(tmp_path)) as db:
        kept = [db.footprint(slot).tolist() for slot in range(6)]
    assert kept == [batch.keys_of(number).tolist() for number in range(6)]


def test_a_new_index_has_pages_that_bitsets_share(tmp_path: Path) -> None:
    update_index(tmp_path)
    with open_csquare_db(index_path(tmp_path)) as db:
        assert db.query("PRAGMA page_size") == [(16_384,)]
        assert db.query("PRAGMA journal_mode") == [("wal",)]


def test_an_open_index_sees_what_was_published_meanwhile(tmp_path: Path) -> None:
    update_index(tmp_path)
    later = {"start": START + timedelta(seconds=1)}
    with open_index(tmp_path) as index:
        questions: list[dict[str, Any]] = [{}, {"codes": "3414"}, {"point": (141, -40.2)}, {"codes": "3414", **later}]
        assert [index.count(**where) for where in questions] == [0, 0, 0, 0]
        publish(tmp_path, "one", scenes(2), AREAS[:2])
        update_index(tmp_path)
        seen = [index.count(**where) for where in questions]
        assert [len(index.numbers(**where)) for where in questions] == seen
        assert seen[:3] == [2, 2, 2]
        publish(tmp_path, "two", scenes(4)[2:], AREAS[2:4])
        update_index(tmp_path)
        assert index.ids(codes="3414:100:1").tolist() == [scene.id for scene in scenes(4)]
        (tmp_path / "pairs" / "one.parquet").unlink()
        update_index(tmp_path)
        assert index.ids(codes="3414").tolist() == [scene.id for scene in scenes(4)[2:]]
        assert index.count(codes="3414", platform=scenes(4)[3].platform) >= 1
