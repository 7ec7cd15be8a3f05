"""The index: equal answers however it came about, and the old one or the new one after a crash."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from shapely import Geometry, box, points

from mosaic_assets.csquares import cover, cover_many, encode
from mosaic_assets.csquares import rebuild as rebuild_module
from mosaic_assets.csquares.index import IndexReport, index_path, rebuild_index, update_index
from mosaic_assets.csquares.lists import LIST_BITS, TOUCH, flags_of, lists_of
from mosaic_assets.csquares.pairs import codes_of_keys, pairs_path, read_batch, write_pairs
from mosaic_assets.csquares.search import keys_of_codes, open_index
from mosaic_assets.errors import DatabaseError, StoreError, UnknownNameError
from mosaic_assets.store.csquare_db import CsquareDatabase, open_csquare_db
from mosaic_assets.store.csquare_packing import (
    BITS,
    BLOCK,
    extend_places,
    pack_keys,
    pack_places,
    unpack_keys,
    unpack_places,
)
from mosaic_assets.store.csquare_records import Scene, sort_key
from mosaic_assets_tests.csquares.test_pairs import START, publish, scenes

AREAS = [
    box(140, -50, 150, -40),  # one code of 10 degrees
    box(140, -45, 145, -40),  # one of 5
    box(140, -41, 141, -40),  # one of 1
    box(140, -40.5, 140.5, -40),  # one of 0.5
    box(138.2, -47.3, 146.9, -38.1),  # some of each
    box(-3.3, -2.2, 4.4, 7.7),
]
SQUARES = ["3414", "3414:1", "3414:100", "3414:100:1", "3414:227:4", "3313:4", "1000", "7000:1", "3414:205", "1817"]


def answers(folder: Path) -> dict[str, Any]:
    """Return all that the index says."""
    with open_index(folder) as index:
        found: dict[str, Any] = {code: index.ids(codes=code).tolist() for code in SQUARES}
        found["scenes"] = index.search(limit=1000).scenes
        found["squares"] = {scene.id: index.squares_of(scene.id) for scene in found["scenes"]}
        found["span"] = index.ids(start=START + timedelta(hours=2), end=START + timedelta(hours=5)).tolist()
        found["platforms"] = {name: index.count(codes="3414", platform=name) for name in index.platforms()}
    return found


def model_answers(held: dict[str, tuple[Scene, Geometry]]) -> dict[str, Any]:
    """Return what the index should say, from lists of plain codes."""
    ordered = sorted((scene for scene, _ in held.values()), key=sort_key)
    squares = {scene.id: cover(held[scene.id][1], 0.5) for scene in ordered}

    def includes(scene: Scene, code: str) -> bool:
        return any(square.startswith(code) for square in squares[scene.id])

    names = sorted({scene.platform for scene in ordered})
    span = (START + timedelta(hours=2), START + timedelta(hours=5))
    return {
        **{code: [scene.id for scene in ordered if includes(scene, code)] for code in SQUARES},
        "scenes": ordered,
        "squares": squares,
        "span": [scene.id for scene in ordered if scene.time and span[0] <= scene.time < span[1]],
        "platforms": {name: sum(includes(s, "3414") for s in ordered if s.platform == name) for name in names},
    }


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


def _die_while_updating(folder: Path, step: str) -> None:
    def die(*_: object) -> None:
        os._exit(9)

    setattr(CsquareDatabase, step, die)
    (rebuild_index if step == "sorted_catalogue" else update_index)(folder)


@pytest.mark.parametrize("step", ["put_footprints", "put_catalogue", "sorted_catalogue"])
def test_a_process_killed_while_writing_leaves_the_old_index(tmp_path: Path, step: str) -> None:
    publish(tmp_path, "one", scenes(3), AREAS[:3])
    update_index(tmp_path)
    before = answers(tmp_path)
    publish(tmp_path, "two", scenes(6)[3:], AREAS[3:])
    process = multiprocessing.get_context("spawn").Process(target=_die_while_updating, args=(tmp_path, step))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert answers(tmp_path) == before
    assert update_index(tmp_path).scenes == 6
    appended = answers(tmp_path)
    rebuild_index(tmp_path)
    assert answers(tmp_path) == appended


def test_a_reader_sees_an_update_whole_in_its_next_search(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(3), AREAS[:3])
    update_index(tmp_path)
    with open_index(tmp_path) as index:
        assert index.count(codes="3414:100:1") == 3
        publish(tmp_path, "two", scenes(6)[3:], AREAS[3:])
        update_index(tmp_path)
        assert index.count(codes="3414:100:1") == 5


def test_a_batch_that_cannot_be_read_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    publish(tmp_path, "one", scenes(3), AREAS[:3])
    update_index(tmp_path)
    before = answers(tmp_path)
    publish(tmp_path, "two", scenes(6)[3:], AREAS[3:])
    path = pairs_path(tmp_path, "two")
    path.write_bytes(path.read_bytes()[:-50])
    for attempt in (update_index, rebuild_index):
        with pytest.raises(StoreError, match=r"two\.parquet"):
            attempt(tmp_path)
        assert answers(tmp_path) == before


def test_a_batch_nobody_published_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'nowhere'"):
        update_index(tmp_path, ["nowhere"])


def test_no_index_a_foreign_one_and_a_damaged_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="there is none yet"), open_index(tmp_path):
        pass
    with sqlite3.connect(index_path(tmp_path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(DatabaseError, match="another program"):
        rebuild_index(tmp_path)
    index_path(tmp_path).write_bytes(b"nothing of the kind" * 500)
    with pytest.raises(DatabaseError, match="move it away"):
        rebuild_index(tmp_path)
    index_path(tmp_path).unlink()
    publish(tmp_path, "one", scenes(3), AREAS[:3])
    assert rebuild_index(tmp_path).scenes == 3


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


def subsets(most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, most), min_size=1, unique=True).map(sorted)


@given(subsets(4 * 259_200 - 1))
def test_packed_keys_come_back(keys: list[int]) -> None:
    assert unpack_keys(pack_keys(np.array(keys))).tolist() == keys


@given(subsets(BLOCK - 1))
def test_packed_places_come_back_in_no_more_than_a_bit_a_place_or_two_bytes_each(places: list[int]) -> None:
    kind, packed = pack_places(np.array(places))
    assert unpack_places(kind, packed).tolist() == places
    assert len(packed) <= min(2 * len(places), places[-1] // 8 + 1)


@given(subsets(BLOCK - 1), st.data())
def test_places_added_to_packed_ones_come_back_with_them(places: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(places)))
    kind, packed = pack_places(np.array(places[:cut]))
    if places[cut:]:
        kind, packed = extend_places(kind, packed, np.array(places[cut:]))
    assert unpack_places(kind, packed).tolist() == places


@pytest.mark.parametrize("gap", [1, 2, 9, 15, 16, 17, 100, 254, 255, 256, 257, 510, 511, 700])
def test_places_at_even_distances_take_a_bit_a_place_or_a_byte_or_two_each(gap: int) -> None:
    places = np.arange(gap - 1, BLOCK, gap)
    kind, packed = pack_places(places)
    assert unpack_places(kind, packed).tolist() == places.tolist()
    # A step of up to 255 places is one byte, of up to 510 two; more than one place in 16 is a bit a place.
    assert len(packed) == (places[-1] // 8 + 1 if gap < 16 else len(places) if gap <= 255 else 2 * len(places))


@pytest.mark.parametrize("gap", [3, 15, 16, 17, 100, 254, 255, 256, 257, 510, 511, 700])
@pytest.mark.parametrize("step", [1, 7, 200])
def test_long_lists_grown_bit_by_bit_are_those_packed_at_once(gap: int, step: int) -> None:
    places = np.arange(gap - 1, BLOCK, gap)
    kind, packed = pack_places(places[:1])
    for start in range(1, len(places), step):
        kind, packed = extend_places(kind, packed, places[start : start + step])
    assert unpack_places(kind, packed).tolist() == places.tolist()
    assert kind == BITS or (kind, packed) == pack_places(places)  # a bitset stays one, however thin it gets


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 900), st.integers(0, 99)), max_size=8),
    st.integers(0, 3 * BLOCK),
    st.integers(0, 3 * BLOCK),
)
@example([(1, 0, 900, 0)], 0, BLOCK)  # a list of a block behind a range of whole blocks
@example([(0, 0, 900, 0)], BLOCK, 2 * BLOCK)  # and of one before it
def test_scenes_on_any_lists_in_any_range_of_slots(
    lists: list[tuple[int, int, int, int]], one: int, other: int
) -> None:
    low, high = sorted((one, other))
    held: set[int] = set()
    packed = []
    for block, key, gap, first in lists:
        places = np.arange(first, BLOCK, gap)
        packed.append((block << LIST_BITS | key, *pack_places(places)))
        held |= {block * BLOCK + place for place in places.tolist()}
    found = flags_of(packed, low, high)
    assert found.shape == (high - low,)
    assert set((np.flatnonzero(found) + low).tolist()) == {slot for slot in held if low <= slot < high}


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


def _squares() -> Iterator[str]:
    for lng, lat in ((147.3, -42.8), (-0.1, 0.0), (179.9, 89.9), (-180, -90), (0, 0)):
        for resolution in (10, 5, 1, 0.5):
            yield encode(lng, lat, resolution)


@pytest.mark.parametrize("code", list(_squares()))
def test_the_lists_of_a_square_are_those_around_and_inside(code: str) -> None:
    """Texts as the judge: a compressed code around or inside shares its digits."""
    (key,) = keys_of_codes(code)
    numbers = [number for number in lists_of(key) if number < TOUCH]
    named = {text.rstrip(":*") for text in codes_of_keys(np.array(numbers, np.int64)).tolist()}
    around = {code[:length] for length in range(4, len(code), 2)}
    inside = {code, *(f"{code}:{place}" for place in range(1, 5))} if len(code) == 8 else {code} - {code[:6]}
    touching = [number for number in lists_of(key) if number >= TOUCH]
    assert named == around | inside
    assert touching == ([TOUCH | key] if len(code) <= 6 else [])
