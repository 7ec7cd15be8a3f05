"""Databases: created whole, opened only when they are ours, transactions that hold."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from mosaic_assets.errors import BusyError, DatabaseError, HomeNotWritableError
from mosaic_assets.store import sqlite
from mosaic_assets.store.sqlite import (
    APPLICATION_ID,
    atomic,
    explaining_sqlite,
    has_database,
    open_database,
    snapshot,
)

SCHEMA = "CREATE TABLE IF NOT EXISTS a (n INTEGER PRIMARY KEY); CREATE TABLE IF NOT EXISTS b (n INTEGER)"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "some.db"


def opened(path, *, create=True, version=1):
    return closing(open_database(path, SCHEMA, version, create=create))


def test_a_database_is_created_with_tables_version_and_owner(path):
    with opened(path) as connection:
        assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master ORDER BY 1")] == ["a", "b"]
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert [file.name for file in path.parent.iterdir()] == ["some.db"]


def test_the_owners_mark_spells_mosa():
    assert APPLICATION_ID.to_bytes(4, "big") == b"MOSA"


def test_a_database_opened_again_keeps_its_rows(path):
    for _ in range(2):
        with opened(path) as connection, atomic(connection):
            connection.execute("INSERT INTO b VALUES (1)")
    with opened(path, create=False) as connection:
        assert connection.execute("SELECT count(*) FROM b").fetchone() == (2,)


@pytest.mark.parametrize("empty", [False, True])
def test_a_missing_or_empty_file_is_no_database(path, empty):
    path.parent.mkdir()
    if empty:
        path.touch()
    assert not has_database(path)
    with pytest.raises(DatabaseError, match=r"no .*some\.db yet; build the library first"):
        open_database(path, SCHEMA, 1, create=False)
    with opened(path):
        assert has_database(path)


def test_the_log_of_a_database_that_was_moved_away_does_not_come_back(path):
    """Left beside a new database, SQLite would replay it."""
    with opened(path) as connection:
        connection.execute("INSERT INTO b VALUES (1)")
        log = path.with_name("some.db-wal")
        content = log.read_bytes()
        assert content
    path.unlink()
    log.write_bytes(content)
    with opened(path) as connection:
        assert connection.execute("SELECT count(*) FROM b").fetchone() == (0,)


def make_foreign(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (n INTEGER)")


def make_newer(path):
    with opened(path, version=7):
        pass


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_foreign, "another program .*expected 0x4d4f5341.*move it away"),
        (make_newer, "schema version 7.*knows version 1.*Upgrade"),
        (lambda path: path.write_text("x" * 5000), "not a usable SQLite database"),
        (lambda path: path.write_text("x"), "not a usable SQLite database|another program"),
    ],
)
def test_what_is_not_ours_is_refused_and_not_touched(path, make, message, create):
    path.parent.mkdir()
    make(path)
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=message):
        open_database(path, SCHEMA, 1, create=create)
    assert path.read_bytes() == before


def test_a_folder_in_place_of_the_database_is_an_error_of_ours(path):
    path.mkdir(parents=True)
    with pytest.raises((DatabaseError, HomeNotWritableError)):
        open_database(path, SCHEMA, 1, create=True)
    with pytest.raises((DatabaseError, HomeNotWritableError)):
        open_database(path, SCHEMA, 1, create=False)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("database is locked", BusyError),
        ("database table is locked", BusyError),
        ("attempt to write a readonly database", HomeNotWritableError),
        ("database or disk is full", HomeNotWritableError),
        ("unable to open database file", HomeNotWritableError),
        ("disk I/O error", HomeNotWritableError),
        ("no such table: tiles", DatabaseError),
    ],
)
def test_complaints_of_sqlite_become_errors_that_say_what_to_do(path, text, kind):
    with pytest.raises(kind, match=r"run again|start anew") as caught, explaining_sqlite(path):
        raise sqlite3.OperationalError(text)
    assert type(caught.value) is kind and str(path) in str(caught.value) and text in str(caught.value)


def test_a_full_disk_is_told_by_sqlite_itself(path):
    with opened(path) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(HomeNotWritableError, match="is full"), explaining_sqlite(path), atomic(connection):
            connection.executemany("INSERT INTO b VALUES (?)", ((n,) for n in range(10_000)))
        assert connection.execute("SELECT count(*) FROM b").fetchone() == (0,)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_transaction_happens_whole_or_not_at_all(path, error):
    with opened(path) as connection:
        with pytest.raises(error), atomic(connection):
            connection.execute("INSERT INTO a VALUES (1)")
            raise error
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (0,)
        with atomic(connection):
            connection.execute("INSERT INTO a VALUES (1)")
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (1,)


def test_a_commit_that_is_refused_leaves_no_transaction_open(path):
    with opened(path) as connection:
        connection.execute("CREATE TABLE c (n INTEGER REFERENCES a (n) DEFERRABLE INITIALLY DEFERRED)")
        with pytest.raises(sqlite3.IntegrityError), atomic(connection):
            connection.execute("INSERT INTO c VALUES (5)")  # refused at the commit
        assert not connection.in_transaction
        with atomic(connection):
            connection.execute("INSERT INTO a VALUES (2)")


def test_a_second_writer_waits_for_the_first(path):
    inside, order = threading.Event(), []

    def write_second():
        with opened(path) as connection:
            inside.wait(20)
            with atomic(connection):
                order.append("second")

    with opened(path) as connection:
        second = threading.Thread(target=write_second)
        second.start()
        with atomic(connection):
            inside.set()
            second.join(0.2)
            order.append("first")
        second.join(20)
    assert order == ["first", "second"]


def test_a_snapshot_does_not_see_what_is_committed_meanwhile(path):
    with opened(path) as reader, opened(path) as writer:
        count = "SELECT count(*) FROM b"
        with snapshot(reader):
            assert reader.execute(count).fetchone() == (0,)
            with atomic(writer):
                writer.execute("INSERT INTO b VALUES (1)")
            assert reader.execute(count).fetchone() == (0,)
        assert reader.execute(count).fetchone() == (1,)


def refusing(monkeypatch):
    """Have SQLite find a database whose side files it may not write, as on a read-only disk."""

    class Refused(sqlite3.Connection):
        def execute(self, *given):
            raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite, "_connect", lambda path: sqlite3.connect(path, factory=Refused))


def test_a_database_is_read_where_nothing_can_be_written(path, monkeypatch):
    with opened(path) as connection:
        connection.execute("INSERT INTO b VALUES (7)")
    refusing(monkeypatch)
    with opened(path, create=False) as connection:
        assert connection.execute("SELECT n FROM b").fetchall() == [(7,)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("INSERT INTO b VALUES (8)")


def test_a_database_with_a_log_is_not_read_without_it(path, monkeypatch):
    with opened(path) as writer:
        writer.execute("INSERT INTO b VALUES (7)")
        assert path.with_name("some.db-wal").stat().st_size
        refusing(monkeypatch)
        with pytest.raises(HomeNotWritableError):
            open_database(path, SCHEMA, 1, create=False)
