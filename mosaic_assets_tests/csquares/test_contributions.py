"""Other data sets in the index: only what changed costs work, and what is gone disappears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mosaic_assets.csquares import contributions
from mosaic_assets.csquares.contributions import (
    Contribution,
    ContributionReport,
    contributed_batches,
    contributed_state,
    publish_contributions,
)
from mosaic_assets.csquares.index import update_index
from mosaic_assets.csquares.pairs import pairs_path, published_batches
from mosaic_assets.csquares.search import open_index
from mosaic_assets.errors import BusyError, StoreError
from mosaic_assets.store.files import holding
from mosaic_assets_tests.csquares.archived import archive, drop, footprint, later, take, upload
from mosaic_assets_tests.killed import Killed


def crops(**parts: str) -> list[Contribution]:
    """Parts by name; the letters are the ids of their scenes."""
    return [
        Contribution("crops", name, [footprint(letter, platform="smcefr") for letter in letters])
        for name, letters in parts.items()
    ]


def publish(folder: Path, *, minutes: float = 0, state: str = "", **parts: str) -> ContributionReport:
    return publish_contributions(folder, "crops", crops(**parts), later(minutes), state=state)


def indexed(folder: Path) -> list[str]:
    update_index(folder)
    with open_index(folder) as index:
        return sorted(index.ids(platform="smcefr").tolist()) if index.platforms() else []


def test_every_part_becomes_a_batch_and_can_be_found(tmp_path: Path) -> None:
    report = publish(tmp_path, spring="ab", summer="c")
    assert (report.written, report.scenes) == (("crops-spring", "crops-summer"), 3)
    assert contributed_batches(tmp_path) == {"crops-spring": "crops", "crops-summer": "crops"}
    assert indexed(tmp_path) == ["a", "b", "c"]


def test_parts_that_did_not_change_are_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, spring="ab", summer="c")
    before = pairs_path(tmp_path, "crops-spring").stat()
    covered: list[int] = []
    whole = contributions.cover_many

    def counting(outlines: Any, resolution: float) -> Any:
        covered.append(len(outlines))
        return whole(outlines, resolution)

    monkeypatch.setattr(contributions, "cover_many", counting)
    report = publish(tmp_path, minutes=1, spring="ab", summer="cd", autumn="e")
    assert (report.unchanged, report.written) == (1, ("crops-summer", "crops-autumn"))
    assert covered == [2, 1]
    assert pairs_path(tmp_path, "crops-spring").stat() == before
    assert indexed(tmp_path) == ["a", "b", "c", "d", "e"]


def test_scenes_and_parts_that_are_gone_disappear_from_the_index(tmp_path: Path) -> None:
    publish(tmp_path, spring="ab", summer="c")
    assert indexed(tmp_path) == ["a", "b", "c"]
    report = publish(tmp_path, minutes=1, spring="b")
    assert (report.written, report.withdrawn) == (("crops-spring",), ("crops-summer",))
    assert indexed(tmp_path) == ["b"]


def test_an_empty_data_set_leaves_nothing(tmp_path: Path) -> None:
    publish(tmp_path, spring="ab")
    assert publish(tmp_path, spring="").withdrawn == ("crops-spring",)
    assert (published_batches(tmp_path), indexed(tmp_path)) == ([], [])


def test_the_order_of_scenes_in_a_part_does_not_matter(tmp_path: Path) -> None:
    publish(tmp_path, spring="ab")
    assert publish(tmp_path, spring="ba").unchanged == 1


def test_pairs_that_were_lost_are_made_again(tmp_path: Path) -> None:
    publish(tmp_path, spring="ab")
    pairs_path(tmp_path, "crops-spring").unlink()
    assert publish(tmp_path, spring="ab").written == ("crops-spring",)


def test_the_state_is_that_of_the_last_publication(tmp_path: Path) -> None:
    assert contributed_state(tmp_path, "crops") is None
    publish(tmp_path, spring="a", state="merge 3")
    assert contributed_state(tmp_path, "crops") == "merge 3"


def test_data_sets_and_scenes_from_the_inbox_do_not_disturb_each_other(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "x", "y")
    take(settings)
    upload(settings)
    publish(settings.csquares, spring="ab")
    publish_contributions(settings.csquares, "chips", [Contribution("chips", "1", [footprint("z")])], later(0))
    publish(settings.csquares, summer="c")
    assert indexed(settings.csquares) == ["c"]
    with open_index(settings.csquares) as index:
        assert sorted(index.ids().tolist()) == ["c", "x", "y", "z"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["write_pairs", "withdraw", "write_bytes"])
def test_a_publication_that_is_killed_is_made_up_for_even_by_another_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    publish(tmp_path, spring="ab", summer="c")
    whole = getattr(contributions, step)

    def ending(*arguments: Any, **more: Any) -> None:
        if when == "after":
            whole(*arguments, **more)
        raise Killed

    monkeypatch.setattr(contributions, step, ending)
    with pytest.raises(Killed):
        publish(tmp_path, spring="ab", autumn="de")
    monkeypatch.undo()
    publish(tmp_path, spring="b", winter="f")
    assert indexed(tmp_path) == ["b", "f"]
    assert published_batches(tmp_path) == ["crops-spring", "crops-winter"] == sorted(contributed_batches(tmp_path))


@pytest.mark.parametrize("dataset", ["scenes", "", "two words", "../evil", "a-b"])
def test_a_name_that_would_be_mistaken_is_refused(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(StoreError, match="rename it"):
        publish_contributions(tmp_path, dataset, [], later(0))


@pytest.mark.parametrize("parts", [crops(a="x") * 2, [Contribution("chips", "a", [footprint("x")])]])
def test_parts_that_do_not_belong_are_refused(tmp_path: Path, parts: list[Contribution]) -> None:
    with pytest.raises(StoreError, match="does not belong or came twice"):
        publish_contributions(tmp_path, "crops", parts, later(0))


def test_a_damaged_ledger_is_named_with_a_remedy(tmp_path: Path) -> None:
    publish(tmp_path, spring="a")
    (tmp_path / "contributions" / "crops.json").write_text('{"state": ""}')
    with pytest.raises(StoreError, match=r"crops\.json.*delete it"):
        publish(tmp_path, spring="a")


def test_only_one_process_publishes_a_data_set_at_a_time(tmp_path: Path) -> None:
    with holding(tmp_path / "contributions" / "crops.lock", "testing"), pytest.raises(BusyError):
        publish(tmp_path, spring="a")
