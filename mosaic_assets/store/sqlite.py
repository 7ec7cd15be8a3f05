"""Opening SQLite databases of ours, and of nobody else."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mosaic_assets.errors import BusyError, DatabaseError, HomeNotWritableError, NotBuiltError
from mosaic_assets.store.files import make_folder, publishing

APPLICATION_ID = 0x4D4F5341
"""``MOSA`` in ASCII, written into the header of every database of ours."""


@contextlib.contextmanager
def explaining_sqlite(path: Path) -> Iterator[None]:
    """Turn SQLite's complaints about a file into errors that say what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise BusyError(
                f"{path} is in use by another process ({text}); wait until it has ended, then run again"
            ) from error
        if any(word in text for word in ("readonly", "read-only", "full", "unable to open", "disk I/O")):
            raise HomeNotWritableError(
                f"writing {path} failed: {text}. Nothing committed is lost. Make room or give permission, then run again"
            ) from error
        raise DatabaseError(
            f"{path} cannot be used: {text}. Restore it from a copy, or move it away to start anew"
        ) from error
    except sqlite3.DatabaseError as error:
        raise DatabaseError(
            f"{path} is not a usable SQLite database: {error}. Restore it from a copy, or move it away to start anew"
        ) from error


def open_database(path: Path, schema: str, version: int, *, create: bool, write: bool = False) -> sqlite3.Connection:
    """Open a database, creating it with ``schema`` when it does not exist and ``create`` is true.

    Autocommit is on: transactions are those of `atomic` and no others. Without ``create`` or
    ``write`` it is open for reading only.

    Raises
    ------
    NotBuiltError
        Missing, and ``create`` false.
    DatabaseError
        Not a database, of another program, or written by a newer version.
    """
    if not has_database(path):
        if not create:
            raise NotBuiltError(f"there is no {path} yet; build the library first, for example with `mosaic run`")
        _create(path, schema, version)
    with explaining_sqlite(path):
        connection = _connect(path) if create or write else _readable(path, _connect)
        try:
            _check_identity(connection, path, version)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if not (create or write):
                # Whoever does not create only looks: a mistake of ours, or a guest's, cannot write.
                connection.execute("PRAGMA query_only = ON")
            if create:
                _upgrade(connection, schema, version)
                # Readers go on reading while a writer writes; kept in the file, so this costs once.
                connection.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            connection.close()
            raise
    return connection


def has_database(path: Path) -> bool:
    """Whether there is a database; the empty file that a reader leaves who came too early is none."""
    return path.is_file() and path.stat().st_size > 0


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)


def _readable(path: Path, connect: Callable[[Path], sqlite3.Connection]) -> sqlite3.Connection:
    """Open for reading, also where nothing can be written: a read-only or full disk, somebody else's home.

    SQLite wants a small file beside a database in WAL mode even for reading. Where it cannot have one and there is no log,
    the database holds all that was committed, and is read as it is.
    """
    connection = connect(path)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        log = path.with_name(f"{path.name}-wal")
        if "locked" in str(error) or (log.exists() and log.stat().st_size):
            raise
        return _by_uri(path, "mode=ro&immutable=1")
    return connection


def read_only(path: Path) -> sqlite3.Connection:
    """Open a database of whomever for reading; nothing is asked of it."""
    return _readable(path, lambda path: _by_uri(path, "mode=ro"))


def _by_uri(path: Path, how: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{how}"
    return sqlite3.connect(address, uri=True, timeout=30.0, isolation_level=None, check_same_thread=False)


def _check_identity(connection: sqlite3.Connection, path: Path, version: int) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if owner != APPLICATION_ID:
        raise DatabaseError(
            f"{path} is a database of another program (application id {owner:#x}, expected {APPLICATION_ID:#x}); "
            f"move it away or choose another --home"
        )
    if found > version:
        raise DatabaseError(
            f"{path} has schema version {found}, written by a newer mosaic_assets; this one knows version {version}. "
            f"Upgrade mosaic_assets, or choose another --home"
        )


def _upgrade(connection: sqlite3.Connection, schema: str, version: int) -> None:
    """Add the tables that an older version of ours did not have."""
    if connection.execute("PRAGMA user_version").fetchone()[0] < version:
        with atomic(connection):
            _apply(connection, schema, version)


def _apply(connection: sqlite3.Connection, schema: str, version: int) -> None:
    for statement in filter(str.strip, schema.split(";")):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {version}")


def _create(path: Path, schema: str, version: int) -> None:
    """Publish an empty database, tables and all: no reader and no crash meets one without its tables."""
    make_folder(path.parent)
    with explaining_sqlite(path), publishing(path, f"creating {path.name}") as temporary:
        # The log of a database that was moved away would be replayed into the new one.
        for suffix in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        with contextlib.closing(_connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode = MEMORY")  # no file beside it that a crash could leave
            with atomic(connection):
                _apply(connection, schema, version)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


@contextlib.contextmanager
def atomic(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One write transaction: everything in the body happens, or nothing does."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may refuse the commit, too
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """One read transaction: every question in the body is answered from the same state of the database."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class Database:
    """An open database: reads run when called, writes happen inside `writing`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction around several writes: all of them are in the file, or none."""
        with explaining_sqlite(self.path), atomic(self._connection):
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Answer several questions from one state of the file, whatever others commit meanwhile."""
        with explaining_sqlite(self.path), snapshot(self._connection):
            yield

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows that a SELECT answers with."""
        with explaining_sqlite(self.path):
            return self._connection.execute(sql, parameters).fetchall()
