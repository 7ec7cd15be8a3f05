"""Bad input: a clear error that names the offender and the remedy, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import sqlite3
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic_assets.errors import (
    BusyError,
    CentroidsError,
    DatabaseError,
    HomeNotWritableError,
    MosaicError,
    StoreError,
)
from mosaic_assets.library import merge
from mosaic_assets.library.centroids import (
    BUCKETS,
    ensure_centroids,
    fit_centroids,
    load_centroids,
    publish_centroids,
    regenerate_centroids,
)
from mosaic_assets.library.coverage import read_state
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.store import files, round_reading, rounds
from mosaic_assets.store.files import holding
from mosaic_assets_tests.library.painted import everything, forget_staged, grow, harvest, tile_rows


@pytest.fixture
def home(new_home):
    """Rounds of 10 tiles are enough here."""
    return new_home(round_tiles=10)


# tiles.db


def newer(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def foreign(path):
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE addresses (name TEXT)")
    connection.close()


def truncated(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    path.write_bytes(path.read_bytes()[:6000])


def no_database(path):
    path.write_text("dear diary " * 1000)


def harvest_east(home):
    harvest(home, "east")


def load(home):
    load_centroids(home.library)


@pytest.mark.parametrize("act", [merge_rounds, read_state, harvest_east, load])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (newer, "schema version 99.*Upgrade mosaic_assets"),
        (foreign, "database of another program.*move it away"),
        (no_database, "not a usable SQLite database.*Restore it"),
        (truncated, "tiles.db.*(Restore it|Make room)"),
    ],
)
def test_a_tiles_db_that_is_none_of_ours_is_refused_and_left_alone(home, damage, message, act):
    grow(home)
    damage(home.library / "tiles.db")
    before = (home.library / "tiles.db").read_bytes()
    with pytest.raises((DatabaseError, HomeNotWritableError), match=message):
        act(home)
    assert (home.library / "tiles.db").read_bytes() == before
    assert len(list(home.library.glob("bucket_*/*.png"))) == 30


def test_a_merge_waits_for_another_and_says_so_when_that_takes_too_long(home, monkeypatch):
    harvest(home, "west")
    monkeypatch.setattr(merge, "LOCK_WAIT_S", 0.1)
    with holding(home.library / ".merge.lock", "a test"), pytest.raises(BusyError, match=r"\.merge\.lock") as caught:
        merge_rounds(home)
    assert caught.value.passing
    assert merge_rounds(home).kept == 10


# Centroids


def change_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change_record(**fields):
    def change(path):
        record = path.with_suffix(".json")
        record.write_text(json.dumps({**json.loads(record.read_text()), **fields}))

    return change


def replace_by_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "centroids.npy is missing"),
        (lambda path: path.with_suffix(".json").unlink(), "centroids.json is missing"),
        (change_a_byte, "its record says"),
        (lambda path: path.write_bytes(b""), "cannot be read|its record says"),
        (lambda path: path.with_suffix(".json").write_text("{"), "cannot be read"),
        (lambda path: path.with_suffix(".json").write_text("{}"), "cannot be read"),
        (change_record(colour_method="a rounded mean"), "colour method 'a rounded mean'"),
        (replace_by_a_folder, "cannot be read"),
    ],
    ids=["gone", "record gone", "other byte", "empty", "record no JSON", "record empty", "other method", "folder"],
)
@pytest.mark.parametrize("act", [merge_rounds, lambda home: harvest(home, "east")], ids=["merge", "harvest"])
def test_centroids_that_are_not_the_published_ones_stop_everything(home, damage, message, act):
    harvest(home, "west")
    damage(home.library / "centroids.npy")
    with pytest.raises(CentroidsError, match=message):
        act(home)
    assert not list(home.library.glob("bucket_*"))


@pytest.fixture
def other_centroids():
    return np.random.default_rng(1).uniform(0, 50, (BUCKETS, 3))


def test_publishing_other_centroids_into_a_library_is_refused(home, other_centroids):
    grow(home)
    before = (home.library / "centroids.npy").read_bytes()
    with pytest.raises(CentroidsError, match="would invalidate every bucket assignment"):
        publish_centroids(home.library, other_centroids, 1)
    assert (home.library / "centroids.npy").read_bytes() == before


def test_other_centroids_put_in_by_hand_with_a_fitting_record_are_refused(new_home, other_centroids):
    home, elsewhere = new_home(), new_home("elsewhere")
    grow(home)
    (elsewhere.library / "centroids.npy").unlink()
    publish_centroids(elsewhere.library, other_centroids, 1)
    for name in ("centroids.npy", "centroids.json"):
        shutil.copyfile(elsewhere.library / name, home.library / name)
    with pytest.raises(CentroidsError, match="was built with centroids"):
        load_centroids(home.library)


def test_regenerating_the_centroids_of_a_library_is_refused_with_the_reason(home):
    grow(home)
    before = load_centroids(home.library).record
    with pytest.raises(CentroidsError, match=r"refused.*define the buckets.*--home"):
        regenerate_centroids(home.library, 3)
    assert load_centroids(home.library).record == before


def test_lost_centroids_of_a_library_are_not_made_anew(home):
    grow(home)
    (home.library / "centroids.npy").unlink()
    with pytest.raises(CentroidsError, match=r"centroids\.npy is gone"):
        ensure_centroids(home.library, home.seed)
    assert not (home.library / "centroids.npy").exists()


def test_published_centroids_are_loaded_not_made_again(home):
    loaded, made = ensure_centroids(home.library, home.seed)
    assert not made and loaded.lab.shape == (BUCKETS, 3)


def test_a_round_judged_with_other_centroids_is_refused_by_the_merge(new_home, other_centroids):
    home = new_home()
    harvest(home, "west")
    publish_centroids(home.library, other_centroids, 1)
    with pytest.raises(CentroidsError, match=r"round-00001.*was judged with centroids"):
        merge_rounds(home)


@pytest.mark.parametrize("lab", [np.zeros((10, 3)), np.zeros((BUCKETS, 3), np.float32), np.full((BUCKETS, 3), np.nan)],
                         ids=["ten", "float32", "NaN"])  # fmt: skip
def test_centroids_of_another_shape_or_type_or_not_finite_are_not_published(home, lab):
    before = load_centroids(home.library).record
    with pytest.raises(CentroidsError, match="finite float64 of shape"):
        publish_centroids(home.library, lab, 1)
    assert load_centroids(home.library).record == before


def test_fitting_is_seeded():
    one, again, other = (fit_centroids(seed, buckets=20, sample=2000) for seed in (1, 1, 2))
    assert one.tobytes() == again.tobytes() != other.tobytes()
    assert one.shape == (20, 3) and one.dtype == np.float64


def test_fitted_centroids_spread_over_the_colours():
    """Means of clusters: inside the sRGB gamut's LAB hull (L 0..100), and no two the same."""
    lab = fit_centroids(1, buckets=50, sample=5000)
    assert lab[:, 0].min() > 0 and lab[:, 0].max() < 100
    assert len(np.unique(lab.round(3), axis=0)) == 50


# Round files


def published(home):
    return harvest(home, "west")[0].path


def rewrite(path, change):
    """Write a round file anew with a changed table or header."""
    table, header = pq.read_table(path), round_reading.read_header(path)
    table, header = change(table, asdict(header))
    pq.write_table(table.replace_schema_metadata({b"mosaic_assets.round": json.dumps(header).encode()}), path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b""), "reading round file"),
        (lambda path: path.write_bytes(b"PAR1 no PAR1"), "reading round file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "reading round file"),
        (lambda path: rewrite(path, lambda t, h: (t, {**h, "format_version": 9})), "format 9.*upgrade mosaic_assets"),
        (lambda path: rewrite(path, lambda t, _: (t, {"format_version": 1})), "reading round file"),
        (lambda path: rewrite(path, lambda t, _: (t, ["no", "header"])), "reading round file"),
        (lambda path: rewrite(path, lambda t, h: (t, {**h, "biome": "east"})), "holds round 1 of biome east.*move it"),
        (lambda path: pq.write_table(pq.read_table(path).replace_schema_metadata({}), path), "reading round file"),
    ],
    ids=["empty", "no parquet", "cut", "newer", "short header", "list header", "another's", "no header"],
)
@pytest.mark.parametrize("act", [merge_rounds, lambda home: harvest(home, "west")], ids=["merge", "harvest"])
def test_a_round_file_that_is_none_is_named(home, damage, message, act):
    path = published(home)
    damage(path)
    with pytest.raises(StoreError, match=message) as caught:
        act(home)
    assert str(path) in str(caught.value)
    assert "harvested anew" in str(caught.value) or "upgrade" in str(caught.value) or "move it" in str(caught.value)


def test_rounds_before_the_damaged_one_stay_merged_and_the_others_follow_once_it_is_gone(home, tmp_path):
    harvest(home, "east", "north", "west")
    middle = rounds.round_path(home.harvest, "north", 1)
    middle.write_bytes(b"?")
    with pytest.raises(StoreError, match="north"):
        merge_rounds(home)
    assert len(tile_rows(home)) == 10
    shutil.move(middle, tmp_path)
    assert merge_rounds(home).library_tiles == 20
    assert harvest(home, "north")[0].round == 1


def test_source_bytes_that_changed_on_disk_do_not_reach_the_library(home):
    path = published(home)
    forget_staged(home)
    other = pq.read_table(path)["body"].to_pylist()[::-1]

    def swap(table, header):
        return table.set_column(table.schema.get_field_index("body"), "body", pa.array(other, pa.binary())), header

    rewrite(path, swap)
    with pytest.raises(StoreError, match=r"gone or damaged.*harvested anew"):
        merge_rounds(home)
    assert tile_rows(home) == []


@pytest.fixture(scope="module")
def round_bytes(lasting_home):
    """The file of a published round."""
    return published(lasting_home("rounds", round_tiles=5)).read_bytes()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_in_a_round_file_is_an_error_of_ours_or_does_no_harm(data, round_bytes, tmp_path_factory):
    path = tmp_path_factory.mktemp("flipped") / "west" / "round-00001.parquet"
    path.parent.mkdir()
    content = bytearray(round_bytes)
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        round_reading.read_header(path)
        round_reading.has_bodies(path)
        for _ in round_reading.read_rows(path, bodies=True):
            pass
        round_reading.drop_bodies(path)
    except MosaicError as error:
        assert str(path) in str(error)


# A home that cannot be written


@contextmanager
def files_limited_to(size):
    """The system refuses to let any file of this process grow beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_round_that_the_disk_has_no_room_for_is_not_published_and_the_next_run_repeats_it(home):
    with (
        files_limited_to(10_000),
        pytest.raises(HomeNotWritableError, match=r"publishing round 1 of biome west.*--home"),
    ):
        harvest(home, "west")
    assert [path for path in home.harvest.rglob("*") if path.is_file()] == []
    assert harvest(home, "west")[0].round == 1


@pytest.mark.parametrize("size", [0, 4_096, 20_000, 60_000, 110_000])
def test_a_merge_that_the_disk_has_no_room_for_is_made_up_for_by_the_next(new_home, size):
    undisturbed, home = (new_home(name, round_tiles=10) for name in ("undisturbed", "home"))
    for one in (undisturbed, home):
        harvest(one, "west", "east")
    forget_staged(home)
    with files_limited_to(size), pytest.raises(HomeNotWritableError, match=r"(?i)make room or give permission"):
        merge_rounds(home)
    merge_rounds(undisturbed)
    merge_rounds(home)
    assert everything(home) == everything(undisturbed)


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("seam", ["pictures", "round"])
def test_what_the_system_refuses_is_told_with_the_remedy_and_loses_nothing(home, monkeypatch, reason, seam):
    def refuse(path, *_):
        raise OSError(reason, "refused", str(path))

    if seam == "pictures":
        harvest(home, "west")
        forget_staged(home)
        monkeypatch.setattr(os, "write", lambda *_: refuse("tile.png"))
    else:
        monkeypatch.setattr(files, "sync", refuse)
    act = merge_rounds if seam == "pictures" else lambda home: harvest(home, "west")
    with pytest.raises(HomeNotWritableError, match="then run again"):
        act(home)
    monkeypatch.undo()
    if seam == "round":
        assert harvest(home, "west")[0].round == 1
    assert merge_rounds(home).kept == 10


@pytest.mark.parametrize(
    ("blocked", "act"),
    [
        ("harvest", lambda home: harvest(home, "west")),
        ("harvest/west", lambda home: harvest(home, "west")),
        ("mosaic_library/temp", merge_rounds),
    ],
)
def test_a_file_where_a_folder_is_needed_is_named(home, blocked, act):
    (home.home / blocked).parent.mkdir(exist_ok=True)
    (home.home / blocked).write_text("in the way")
    with pytest.raises(HomeNotWritableError, match=blocked):
        act(home)
    assert (home.home / blocked).read_text() == "in the way"


def test_a_home_that_is_a_file_is_an_error_of_ours(home):
    shutil.rmtree(home.home)
    home.home.write_text("in the way")
    for act in (merge_rounds, lambda home: harvest(home, "west")):
        with pytest.raises(MosaicError, match=home.home.name):
            act(home)
