"""Round files: what is written is read back, and a published one never changes but for its bytes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import asdict, replace

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.errors import RoundExistsError, StoreError
from mosaic_assets.store import round_reading, rounds
from mosaic_assets.store.round_reading import (
    drop_bodies,
    has_bodies,
    read_bodies,
    read_header,
    read_places,
    read_round,
    read_rows,
)
from mosaic_assets.store.rounds import RoundHeader, published_rounds, round_path, round_schema, writing_round

HEADER = RoundHeader(
    biome="natron", round=1, plan_key="k", start=0, planned=2, exhausted=False, source="s", imagery="i", release="1",
    zoom=8, licence="CC0", attribution="me", synthetic=True, repeats_are_placeholders=False, terms_acknowledged="",
    centroids_sha256="c", colour_method="m", code_version="0", seconds=1.5, bytes_fetched=7,
    published_at="2026-01-01T00:00:00+00:00", outcomes={"candidate": 1, "missing": 1},
)  # fmt: skip


def row(position, **given):
    values = dict.fromkeys(round_schema().names)
    return {**values, "position": position, "z": 8, "x": 1, "y": 2, "outcome": "missing", **given}


def columns(rows):
    return {name: [one[name] for one in rows] for name in round_schema().names}


def write(harvest, rows, header=HEADER):
    with writing_round(harvest, header.biome, header.round) as writer:
        writer.append(columns(rows))
        writer.finish(header)
    return round_path(harvest, header.biome, header.round)


def read(path, bodies=True):
    return [row for batch in read_rows(path, bodies=bodies) for row in batch]


def test_header_and_rows_come_back(tmp_path):
    rows = [row(0, outcome="candidate", body=b"\x00\xff", mean_l=0.1 + 0.2, bucket_id=42), row(1, detail="é")]
    path = write(tmp_path, rows)
    assert read_header(path) == HEADER
    assert read(path) == rows


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "detail": st.text(max_size=20) | st.none(),
                "body": st.binary(max_size=50) | st.none(),
                "bucket_id": st.integers(0, 4999) | st.none(),
                "mean_a": st.floats(-128, 128) | st.none(),
                "west": st.floats(-180, 180),
            }
        ),
        max_size=8,
    ),
    st.integers(1, 4),
)
def test_any_rows_come_back_in_their_order_whatever_the_batches(tmp_path_factory, contents, batch):
    rows = [row(position, **content) for position, content in enumerate(contents)]
    folder = tmp_path_factory.mktemp("rounds")
    with writing_round(folder, "natron", 1) as writer:
        for start in range(0, len(rows), batch):
            writer.append(columns(rows[start : start + batch]))
        writer.finish(HEADER)
    path = round_path(folder, "natron", 1)
    assert read(path) == rows
    drop_bodies(path)
    assert read(path) == [{k: v for k, v in one.items() if k != "body"} for one in rows]


@pytest.mark.parametrize(("group_rows", "group_bytes"), [(1, 10**6), (4, 10**6), (100, 12), (100, 10**6)])
def test_the_bodies_asked_for_come_in_order_whatever_the_row_groups(tmp_path, monkeypatch, group_rows, group_bytes):
    monkeypatch.setattr(rounds, "GROUP_ROWS", group_rows)
    monkeypatch.setattr(rounds, "GROUP_BYTES", group_bytes)
    bodies = {n: None if n % 3 == 1 else bytes([n] * 5) for n in range(10)}
    with writing_round(tmp_path, "natron", 1) as writer:
        for n, body in bodies.items():
            writer.append(columns([row(n, body=body)]))
        writer.finish(HEADER)
    path = round_path(tmp_path, "natron", 1)
    for wanted in (set(), {0}, {9}, {3, 4, 8}, set(bodies), {11}):
        assert list(read_bodies(path, wanted)) == [(n, bodies[n]) for n in sorted(wanted & bodies.keys())]
    drop_bodies(path)
    assert list(read_bodies(path, {2, 3})) == [(2, None), (3, None)]
    assert [one["position"] for one in read(path)] == list(bodies)


def test_row_groups_end_at_so_many_rows_or_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "GROUP_ROWS", 4)
    monkeypatch.setattr(rounds, "GROUP_BYTES", 100)
    sizes = [1, 1, 1, 1, 99, 1, 200, 1]
    path = tmp_path / "natron" / "round-00001.parquet"
    with writing_round(tmp_path, "natron", 1) as writer:
        for position, size in enumerate(sizes):
            writer.append(columns([row(position, body=bytes(size))]))
        writer.finish(HEADER)
    groups = pq.read_metadata(path)
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [4, 2, 1, 1]


def test_reading_without_bodies_gives_all_else(tmp_path):
    path = write(tmp_path, [row(0, body=b"bytes")])
    assert "body" not in read(path, bodies=False)[0] and has_bodies(path)


def test_rows_come_in_batches_of_the_size_asked_for(tmp_path):
    path = write(tmp_path, [row(n) for n in range(5)])
    assert [len(batch) for batch in read_rows(path, bodies=True, batch=2)] == [2, 2, 1]


def test_dropping_the_bytes_keeps_header_and_rows_and_may_be_repeated(tmp_path):
    path = write(tmp_path, [row(0, outcome="candidate", body=random.Random(1).randbytes(5000)), row(1)])
    size = path.stat().st_size
    for _ in range(2):
        drop_bodies(path)
        assert not has_bodies(path)
        assert read_header(path) == HEADER
        assert [one["outcome"] for one in read(path)] == ["candidate", "missing"]
    assert path.stat().st_size < size


def test_a_round_at_hand_is_not_read_again_to_drop_its_bytes(tmp_path, monkeypatch):
    path = write(tmp_path, [row(0, outcome="candidate", body=b"bytes", bucket_id=3), row(1)])
    known = read_round(path)
    assert known.header == HEADER and known.rows() == read(path, bodies=False)
    with monkeypatch.context() as patch:
        patch.setattr(round_reading, "read_round", None)
        drop_bodies(path, known)
    assert not has_bodies(path) and read_round(path) == known


@pytest.mark.parametrize("group_rows", [1, 7, 100])
@pytest.mark.parametrize("buckets", [[None] * 20, list(range(20)), [None, 4, 0, None, 4999] * 4], ids=str)
def test_the_places_of_a_round_are_those_of_its_rows(tmp_path, monkeypatch, group_rows, buckets):
    monkeypatch.setattr(rounds, "GROUP_ROWS", group_rows)
    with writing_round(tmp_path, "natron", 1) as writer:
        for n, bucket in enumerate(buckets):
            writer.append(columns([row(n, x=n, y=2**20 + n, bucket_id=bucket)]))
        writer.finish(HEADER)
    places = read_places(round_path(tmp_path, "natron", 1))
    assert places.dtype == "int64"
    assert places.tolist() == [[n, 2**20 + n, -1 if one is None else one] for n, one in enumerate(buckets)]


def test_a_round_without_rows_has_no_places(tmp_path):
    assert read_places(write(tmp_path, [])).shape == (0, 3)


READING = """
import sys
from pathlib import Path
from mosaic_assets.store import round_reading as rounds
path = Path(sys.argv[1])
known = rounds.read_round(path)
known.rows(), rounds.read_places(path), list(rounds.read_rows(path, bodies=True)), list(rounds.read_bodies(path, {0}))
rounds.drop_bodies(path, known)
assert not {"pandas", "pyarrow.compute"} & sys.modules.keys()
"""


def test_reading_and_slimming_a_round_does_not_wait_for_pandas(tmp_path):
    """pyarrow's own ways from its columns to numpy import it, which takes longer than a merge."""
    path = write(tmp_path, [row(0, body=b"bytes", bucket_id=3), row(1)])
    subprocess.run([sys.executable, "-c", READING, path], check=True)


WRITING = """
import json, sys
from pathlib import Path
from mosaic_assets.store.rounds import RoundHeader, round_schema, writing_round
with writing_round(Path(sys.argv[1]), "natron", 1) as writer:
    row = {**dict.fromkeys(round_schema().names), "position": 0, "x": 7, "detail": "é", "mean_l": 0.5, "body": b"bytes"}
    writer.append({name: [value, value] for name, value in row.items()})
    writer.finish(RoundHeader(**json.loads(sys.argv[2])))
assert not {"pandas", "pyarrow.compute"} & sys.modules.keys()
"""


def test_writing_a_round_does_not_wait_for_pandas_either(tmp_path):
    subprocess.run([sys.executable, "-c", WRITING, tmp_path, json.dumps(asdict(HEADER))], check=True)
    one, other = read(round_path(tmp_path, "natron", 1))
    assert one == other == row(0, z=None, y=None, outcome=None, x=7, detail="é", mean_l=0.5, body=b"bytes")


def test_a_number_that_does_not_fit_its_column_is_refused(tmp_path):
    with pytest.raises(OverflowError):
        write(tmp_path, [row(2**31)])
    assert not list((tmp_path / "natron").glob("*.parquet"))


def test_a_published_round_is_not_written_again(tmp_path):
    path = write(tmp_path, [row(0)])
    before = path.read_bytes()
    with pytest.raises(RoundExistsError, match="immutable"):
        write(tmp_path, [row(0), row(1)])
    assert path.read_bytes() == before


def test_a_round_whose_body_fails_or_never_finishes_is_not_published(tmp_path):
    with pytest.raises(ZeroDivisionError), writing_round(tmp_path, "natron", 1) as writer:
        writer.append(columns([row(0)]))
        raise ZeroDivisionError
    with (
        pytest.raises(RuntimeError, match=r"without RoundWriter.finish"),
        writing_round(tmp_path, "natron", 1) as writer,
    ):
        writer.append(columns([row(0)]))
    assert list((tmp_path / "natron").iterdir()) == []


def test_rounds_are_found_by_their_names_alone(tmp_path):
    for number in (10, 2, 1):
        write(tmp_path, [], replace(HEADER, round=number))
    write(tmp_path, [], replace(HEADER, biome="dallol"))
    for name in (".round-00009.parquet.x-1-00000000.tmp", "round-9.parquet", "round-00003.parquet.bak", "notes.txt"):
        (tmp_path / "natron" / name).write_text("")
    assert published_rounds(tmp_path) == {"dallol": [1], "natron": [1, 2, 10]}


def test_where_nothing_is_harvested_there_are_no_rounds(tmp_path):
    assert published_rounds(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("read_it", [read_header, has_bodies, drop_bodies, read])
@pytest.mark.parametrize("content", [None, b"", b"PAR1PAR1"])
def test_a_file_that_is_no_round_is_named_with_the_remedy(tmp_path, content, read_it):
    path = round_path(tmp_path, "natron", 1)
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match="Restore it from a copy") as caught:
        read_it(path)
    assert str(path) in str(caught.value)


def test_a_round_of_a_newer_format_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, [row(0)], replace(HEADER, format_version=2))
    with pytest.raises(StoreError, match="format 2, this version reads up to 1; upgrade"):
        read_header(path)
    monkeypatch.setattr(round_reading, "FORMAT_VERSION", 2)
    assert read_header(path).format_version == 2


def test_a_round_file_in_anothers_place_is_refused(tmp_path):
    path = write(tmp_path, [row(0)])
    moved = round_path(tmp_path, "natron", 5)
    path.rename(moved)
    with pytest.raises(StoreError, match=r"natron/round-00001\.parquet; move it back"):
        read_header(moved)
