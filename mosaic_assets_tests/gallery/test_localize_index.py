"""The index of a gallery: the same bytes however it came about, its size, and what a search of it finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mosaic_assets.core.grids import grid_named
from mosaic_assets.core.imaging import encode_png
from mosaic_assets.core.records import Tile
from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.localize import index as indexing
from mosaic_assets.gallery.localize.gallery import Gallery, opening_gallery
from mosaic_assets.gallery.localize.search import make_lists, most_alike, number_of_lists
from mosaic_assets.gallery.localize.verify import agreement
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import open_gallery
from mosaic_assets.store.gallery_records import StoredTile
from mosaic_assets_tests.gallery.drawn import NORTH, SIDE, WEST, ZOOM, drawn


def test_the_same_gallery_and_seed_give_an_index_of_the_same_bytes_also_after_a_kill(
    settings: Settings, gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "PART", 20)

    def killed(what: str, done: int, of: int) -> None:
        if what.startswith("indexing") and done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        indexing.open_index(gallery.view, tmp_path, settings.seed, killed)
    folder = next(tmp_path.glob("*/part-00000.npz")).parent
    assert not (folder / "index.json").exists()
    first = (folder / "part-00000.npz").stat().st_mtime_ns
    seen: list[str] = []
    opened = indexing.open_index(gallery.view, tmp_path, settings.seed, lambda what, _done, _of: seen.append(what))
    assert not any(what.startswith("training") for what in seen)
    assert first and not list(folder.glob("part-*"))
    for name in ("vectors.npy", "edges.npy", "model.npz", "lists.npz"):
        assert (opened.folder / name).read_bytes() == (gallery.index.folder / name).read_bytes(), name


def test_an_index_is_built_anew_when_the_gallery_has_changed(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"home": tmp_path})
    shutil.copytree(settings.gallery_folder, own.gallery_folder)
    with opening_gallery(own) as before:
        old = before.index.folder
    grid = grid_named(own.gallery.grid)
    with open_gallery(own.gallery_folder, grid=grid, create=True) as database, database.writing():
        database.add([StoredTile(Tile(WEST + SIDE, NORTH, ZOOM), "", encode_png(drawn(256, 9)))])
    with opening_gallery(own) as after:
        assert len(after.index.cells) == SIDE**2 + 1
        assert after.index.folder != old and not old.exists()


def test_a_damaged_index_is_reported_with_a_remedy(settings: Settings, gallery: Gallery, tmp_path: Path) -> None:
    own = settings.model_copy(update={"home": tmp_path})
    shutil.copytree(settings.gallery_folder, own.gallery_folder)
    folder = own.gallery_folder / gallery.index.folder.relative_to(settings.gallery_folder)
    (folder / "vectors.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(GalleryError, match=r"is damaged\. Remove that folder"), opening_gallery(own):
        pass


def test_a_vector_takes_a_kilobyte_at_most_and_a_cell_4_kb_of_edges(gallery: Gallery) -> None:
    assert gallery.index.vectors.itemsize * gallery.index.vectors.shape[1] <= 1_024
    assert gallery.index.edges.shape == (SIDE**2, 64, 64)


def clustered(count: int, random: np.random.Generator) -> np.ndarray:
    made = random.standard_normal((50, 32))[random.integers(0, 50, count)] + 0.5 * random.standard_normal((count, 32))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


def test_lists_hold_every_vector_once_and_a_full_search_equals_brute_force() -> None:
    random = np.random.default_rng(3)
    vectors = clustered(3_000, random)
    lists, order = make_lists(vectors, 40, 1)
    assert sorted(order.tolist()) == list(range(3_000))
    query = clustered(1, random)[0].astype(np.float32)
    rows, cosines = most_alike(query, vectors[order], lists, 10, share=1.0)
    brute = np.argsort(-(vectors.astype(np.float32) @ query), kind="stable")[:10]
    assert set(order[rows].tolist()) == set(brute.tolist())
    assert (np.diff(cosines) <= 0).all()


def test_a_tenth_of_the_lists_finds_nearly_every_neighbour() -> None:
    random = np.random.default_rng(4)
    vectors = clustered(5_000, random)
    lists, order = make_lists(vectors, 70, 1)
    stored = vectors[order]
    wanted = random.integers(0, 5_000, 100)
    found = [most_alike(stored[row].astype(np.float32), stored, lists, 1, share=0.1)[0][0] for row in wanted]
    assert np.mean(np.array(found) == wanted) >= 0.98


@pytest.mark.parametrize(("count", "lists"), [(0, 1), (20_000, 1), (20_001, 141), (824_796, 908)])
def test_an_index_is_divided_once_it_is_large(count: int, lists: int) -> None:
    assert number_of_lists(count) == lists


def test_agreement_finds_the_similarity_among_more_wrong_matches_than_right_ones(gallery: Gallery) -> None:
    random = np.random.default_rng(5)
    found = gallery.features(gallery.index.cell(0))
    matrix = np.array([[0.6, -0.8, 40.0], [0.8, 0.6, -25.0]])  # turned by 53.13 degrees
    points = found.points @ matrix[:, :2].T + matrix[:, 2]
    wrong = random.permutation(len(points))[: int(len(points) * 0.6)]
    points[wrong] = random.uniform(0, 256, (len(wrong), 2))
    again = agreement(found, found._replace(points=points.astype(np.float32)))
    assert again is not None
    assert np.abs(again.matrix - matrix).max() < 0.02


def test_nothing_agrees_in_two_unlike_pictures(gallery: Gallery) -> None:
    from mosaic_assets.gallery.localize.features import features_of

    other = features_of(drawn(256, 99))
    found = agreement(other, gallery.features(gallery.index.cell(0)))
    assert found is None or found.inliers < 8
