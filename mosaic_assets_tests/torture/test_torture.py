"""The small edition of ``make torture``."""

from __future__ import annotations

import shutil

from mosaic_assets_tests.torture.tally import _home, growing, problems_at_the_end, problems_of, torture


def test_a_library_killed_at_random_moments_equals_an_undisturbed_one(tmp_path, published_centroids):
    tally = torture(20, tmp_path, published_centroids, seed=3)
    assert tally.problems == []
    assert tally.kills.total() >= 20
    assert any("no row yet" in what for what in tally.kills)


def test_the_looks_find_what_they_look_for(tmp_path, published_centroids):
    home = _home(tmp_path / "home", published_centroids)
    with growing() as grower:
        assert grower.run(home)
    assert problems_at_the_end(home) == []
    one, other, *_ = sorted(home.library.glob("bucket_*/*.png"))
    shutil.copy(one, one.with_name("stranger.png"))
    other.unlink()
    (home.library / "temp" / "half.png").touch()
    assert [problem.split(":")[0].split(" mosaic")[0] for problem in problems_at_the_end(home)] == [
        "no file for row",
        "a file without a row that was not announced",
        "left in temp",
    ]
    assert problems_of(home.model_copy(update={"bucket_cap": 1}))[-1].endswith("holds more than 1")


def test_a_death_before_every_change_of_the_disk_is_a_death(tmp_path, published_centroids):
    """The watch sees the changes: a child that is to die before its 30th dies, one before its millionth does not."""
    with growing() as grower:
        assert not grower.run(_home(tmp_path / "dies", published_centroids), die_at=30)
        assert grower.run(_home(tmp_path / "lives", published_centroids), die_at=10**6)
