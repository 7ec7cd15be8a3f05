"""Reference 1's own Python blocks, word for word, and its schema, against a library of ours."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from skimage.color import lab2rgb

from mosaic_assets.core.imaging import encode_png
from mosaic_assets.library.centroids import load_centroids
from mosaic_assets_tests.library.painted import ask, grow, seed_of, texture

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "references" / "1_mosaic_library.md"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_file(), reason="the text of reference 1 in ../shared/references is not on this machine"
)


def reading_blocks():
    """The four Python blocks that read the library; the fifth clusters the centroids."""
    blocks = re.findall(r"```python\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in blocks if "MiniBatchKMeans" not in block]


@pytest.fixture
def library_with_bucket_42(home, monkeypatch):
    """A library of which the working directory is the home, with 90 tiles in bucket 42."""
    centroid = load_centroids(home.library).lab[42]
    rgb = lab2rgb(centroid[None, None])[0, 0] * 255
    grow(home, paint=lambda tile: encode_png(texture(seed_of(tile), rgb, swing=int(min(rgb.min(), 255 - rgb.max())))))
    monkeypatch.chdir(home.home)
    return home


@needs_reference
def test_the_four_blocks_of_reference_1_run_unchanged(library_with_bucket_42, capsys):
    blocks = reading_blocks()
    assert len(blocks) == 4
    names = {}
    for block in blocks:
        exec(compile(block, "reference 1", "exec"), names)
    names["conn"].close()
    printed = capsys.readouterr().out
    assert "Total tiles: 90" in printed
    assert "(90, 256, 256, 3)" in printed
    assert "Nearest bucket: " in printed


@needs_reference
def test_the_blocks_find_what_is_there(library_with_bucket_42):
    names = {}
    exec(compile(reading_blocks()[2], "reference 1", "exec"), names)
    lab = load_centroids(library_with_bucket_42.library).lab[42]
    mean = names["imgs"].mean(axis=(0, 1, 2))
    assert np.abs(mean - lab2rgb(lab[None, None])[0, 0] * 255).max() < 1


def test_the_table_has_reference_1s_seven_columns_in_their_order(library_with_bucket_42):
    # Source: reference 1, "SQLite Schema (tiles.db)".
    assert [
        (name, kind, key) for _, name, kind, _, _, key in ask(library_with_bucket_42, "PRAGMA table_info(tiles)")
    ] == [
        ("id", "TEXT", 1),
        ("bucket_id", "INTEGER", 0),
        ("filepath", "TEXT", 0),
        ("phash", "TEXT", 0),
        ("mean_l", "REAL", 0),
        ("mean_a", "REAL", 0),
        ("mean_b", "REAL", 0),
    ]


def test_the_table_has_reference_1s_two_indexes(library_with_bucket_42):
    made = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'tiles' AND sql IS NOT NULL"
    columns = {
        name: [row[2] for row in ask(library_with_bucket_42, f"PRAGMA index_info({name})")]
        for (name,) in ask(library_with_bucket_42, made)
    }
    assert columns == {"idx_bucket": ["bucket_id"], "idx_phash": ["bucket_id", "phash"]}


def test_the_folder_is_laid_out_as_in_reference_1(library_with_bucket_42):
    library = library_with_bucket_42.library
    names = {path.name for path in library.iterdir() if not path.name.startswith((".", "tiles.db-"))}
    assert names == {"tiles.db", "centroids.npy", "centroids.json", "temp", "bucket_0042"}
    assert list((library / "temp").iterdir()) == []


def test_ids_are_shaped_like_version_4_uuids_and_name_the_files(library_with_bucket_42):
    for tile_id, path in ask(library_with_bucket_42, "SELECT id, filepath FROM tiles"):
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", tile_id)
        assert path == f"mosaic_library/bucket_0042/{tile_id}.png"
