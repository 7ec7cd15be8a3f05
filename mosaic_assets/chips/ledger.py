"""What of a region is cut: a line a chip, appended when its files are safe on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from mosaic_assets.chips.records import CutChip
from mosaic_assets.store.files import explaining_refusals, make_folder, write_bytes


def ledger_path(folder: Path, region: str) -> Path:
    """Return where the ledger of a region is."""
    return folder / "ledger" / f"{region}.jsonl"


def read_ledger(path: Path) -> dict[str, CutChip]:
    """Return the chips that are cut, by id; of several lines of one chip, the last. A torn last line counts as none."""
    found: dict[str, CutChip] = {}
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            cut = CutChip(**json.loads(line))
        except (ValueError, TypeError):  # a killed process's half line; its chip is cut again
            continue
        found[cut.id] = cut
    return found


def append(path: Path, chips: Iterable[CutChip]) -> None:
    """Add chips, whose files are on disk already; durable on return."""
    lines = "".join(_line(chip) for chip in chips)
    if not lines:
        return
    make_folder(path.parent)
    with explaining_refusals("noting the chips that are cut", path), path.open("a", encoding="utf-8") as file:
        # Begins anew after a torn line: an empty line is skipped, two lines run together would lose both.
        file.write("\n" + lines if path.stat().st_size else lines)
        file.flush()
        os.fsync(file.fileno())


def rewrite(path: Path, chips: Iterable[CutChip]) -> None:
    """Replace a ledger by the chips of a finished region, in the order of the plan: same chips, same bytes."""
    write_bytes(path, "".join(_line(chip) for chip in chips).encode(), "closing the ledger of a region")


def _line(chip: CutChip) -> str:
    return json.dumps(asdict(chip), sort_keys=True) + "\n"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file; "" where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return ""
