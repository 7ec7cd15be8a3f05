"""What a round's rows become is what going through them one by one, comparing all pairs, makes of them."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_assets.core.near import NearIndex
from mosaic_assets.core.records import JUDGED, Outcome, Tile
from mosaic_assets.library.choose import KnownHashes, decide
from mosaic_assets.library.judge import FLAT_HASH, FLAT_HASHES, tile_id
from mosaic_assets.store.library_db import open_library
from mosaic_assets_tests.store.test_library_db import tile
from mosaic_assets_tests.store.test_rounds import HEADER

BITS = 8
STANDING = [(tile_id("i", "1", Tile(n, 9, 8)), n % 3, code) for n, code in enumerate((0xFF00FF, 0x1234 << 40, 77))]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Three tiles in three buckets."""
    with open_library(tmp_path_factory.mktemp("choose"), create=True) as database:
        with database.writing():
            database.add_tiles(
                [
                    tile(n, id=key, bucket_id=bucket, phash=f"{code:016x}")
                    for n, (key, bucket, code) in enumerate(STANDING)
                ]
            )
        yield database


@st.composite
def rounds(draw):
    """Rows whose hashes lie in clusters about the library's and others, some of them flat, some never judged."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    centres = [code for _, _, code in STANDING] + random.integers(2**63, 2**64, 2, np.uint64).tolist()
    rows = []
    for position in range(draw(st.integers(0, 40))):
        noise = sum(1 << int(bit) for bit in random.choice(64, random.integers(0, 9), replace=False))
        phash = FLAT_HASH if random.random() < 0.1 else f"{centres[random.integers(len(centres))] ^ noise:016x}"
        outcome = random.choice(["candidate", "candidate", "candidate", "bucket_full", "missing", "kept"])
        rows.append(
            {
                "position": position, "z": 8, "x": int(random.integers(0, 60)), "y": 9, "sha256": f"{position}",
                "outcome": str(outcome), "phash": phash if outcome == "candidate" else None,
                "bucket_id": None if outcome == "missing" else int(random.integers(0, 4)),
            }
        )  # fmt: skip
    return rows


def one_by_one(rows, cap, near):
    """The rules, written down plainly."""
    codes = [code for _, _, code in STANDING]
    hashes = {bucket: {f"{code:016x}"} for _, bucket, code in STANDING} | {3: set()}
    counts, found = Counter(bucket for _, bucket, _ in STANDING), []
    for row in rows:
        outcome = row["outcome"]
        if outcome == "candidate":
            bucket, flat, code = row["bucket_id"], row["phash"] in FLAT_HASHES, int(row["phash"], 16)
            known = row["phash"] in hashes[bucket]
            if near and not flat:
                known = any((code ^ other).bit_count() <= BITS for other in codes)
            if tile_id("i", "1", Tile(row["x"], 9, 8)) in {key for key, _, _ in STANDING}:
                outcome = "duplicate"
            elif counts[bucket] >= cap:
                outcome = "bucket_full"
            elif known:
                outcome = "flat" if flat else "duplicate"
            else:
                outcome = "kept"
                counts[bucket] += 1
                hashes[bucket].add(row["phash"])
                codes += [] if flat else [code]
        found.append(outcome)
    return found


@pytest.mark.parametrize("rule", ["near", "exact"])
@given(rounds(), st.integers(1, 12))
def test_a_round_ends_as_by_going_through_it_plainly(library, rule, rows, cap):
    settings = SimpleNamespace(duplicates=rule, duplicate_distance=BITS, bucket_cap=cap)
    decision = decide(rows, HEADER, library, KnownHashes(library), settings)
    expected = one_by_one(rows, cap, rule == "near")
    pairs = list(zip(rows, expected, strict=True))
    candidates = [(row, outcome) for row, outcome in pairs if row["outcome"] == "candidate"]
    assert decision.keep == [
        {**row, "id": tile_id("i", "1", Tile(row["x"], 9, 8))} for row, outcome in candidates if outcome == "kept"
    ]
    assert [(position, outcome) for position, outcome, _ in decision.discards] == [
        (row["position"], outcome) for row, outcome in pairs if outcome not in ("kept", row["outcome"])
    ]
    assert decision.outcomes == Counter(expected)
    assert decision.hits == Counter(row["bucket_id"] for row, outcome in pairs if Outcome(outcome) in JUDGED)
    assert decision.new_buckets == len({row["bucket_id"] for row in decision.keep} - {0, 1, 2})


def test_only_tiles_with_a_neighbour_in_their_round_are_compared_in_turn(library, monkeypatch):
    asked, whole = [], NearIndex.near
    monkeypatch.setattr(
        NearIndex, "near", lambda self, codes, bits: asked.append(len(codes)) or whole(self, codes, bits)
    )
    codes = [0xFFFF << 48, 0b1 | 0xFFFF << 48, *(0xABCDEF << n for n in range(20, 40, 10))]
    rows = [
        {"position": n, "z": 8, "x": 100 + n, "y": 9, "sha256": f"{n}", "outcome": "candidate", "phash": f"{code:016x}",
         "bucket_id": 0}
        for n, code in enumerate(codes)
    ]  # fmt: skip
    settings = SimpleNamespace(duplicates="near", duplicate_distance=BITS, bucket_cap=100)
    assert len(decide(rows, HEADER, library, KnownHashes(library), settings).keep) == 3
    assert asked == [4, 1, 1]


def test_a_row_with_an_outcome_that_there_is_not_is_refused(library):
    row = {"position": 0, "z": 8, "x": 1, "y": 9, "sha256": "", "outcome": "eaten", "phash": None, "bucket_id": None}
    settings = SimpleNamespace(duplicates="near", duplicate_distance=BITS, bucket_cap=100)
    with pytest.raises(ValueError, match="eaten"):
        decide([row], HEADER, library, KnownHashes(library), settings)
