"""Ways of looking at a library before and after its repair, and of changing its rows."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import NamedTuple

from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.library.checks import CHECKS
from mosaic_assets_tests.library.painted import ask, everything

LIBRARY_CHECKS = [check for check in CHECKS if check.name != "coverage_target_is_met"]


def copied(settings, folder):
    shutil.copytree(settings.home, folder)
    return settings.model_copy(update={"home": folder})


def change(settings, sql, *values):
    with closing(sqlite3.connect(settings.library / "tiles.db", isolation_level=None)) as connection:
        connection.execute(sql, values)


def failing_checks(settings):
    return {check.name for check in LIBRARY_CHECKS if not run_check(check, settings, Scope.ALL).passed}


def found_in(report):
    return sorted({(str(finding.fault), finding.done) for finding in report.findings})


def files(settings):
    """Bytes of every file below the library but the database's own."""
    return {
        path.relative_to(settings.home).as_posix(): path.read_bytes()
        for path in settings.library.rglob("*")
        if path.is_file() and not path.name.startswith("tiles.db") and path.name != ".merge.lock"
    }


def notes(settings):
    path = settings.library / "quarantine" / "quarantine.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def state(settings):
    """All that a repair decides: the library, and what is in quarantine, but not when it came there."""
    found = [{name: value for name, value in note.items() if name not in ("when",)} for note in notes(settings)]
    quarantine = {
        path: body for path, body in files(settings).items() if "/quarantine/" in path and "jsonl" not in path
    }
    return everything(settings), sorted(found, key=json.dumps), quarantine


class Victim(NamedTuple):
    """A tile as it was when all was well; its path is relative to the home."""

    id: str
    path: str
    bucket: int


def victims(settings):
    """All tiles, in the same order in every run."""
    return [Victim(*row) for row in ask(settings, "SELECT id, filepath, bucket_id FROM tiles ORDER BY id")]


def victim(settings, number=0):
    return victims(settings)[number]
