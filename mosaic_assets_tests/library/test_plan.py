"""What a round asks for: the next tiles of a seeded sequence, none of them twice."""

from __future__ import annotations

import shutil

import pytest

from mosaic_assets.core.records import Outcome
from mosaic_assets.core.sampling import plan_tiles
from mosaic_assets.errors import GeometryError, SourceUnavailableError, StoreError, UnknownNameError, ZoomError
from mosaic_assets.library.biomes import find_biome
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.plan import biome_seed, plan_round
from mosaic_assets.settings import Settings, Target
from mosaic_assets.store.round_reading import read_header
from mosaic_assets.store.rounds import round_path
from mosaic_assets_tests.library.painted import RECORD, WEST, PaintedSource, answering, colourful, harvest, one_colour


def nothing(tile):
    return Outcome.MISSING


def plan(settings, name="west", record=RECORD):
    return plan_round(find_biome(name, settings), settings, record)


def asked_in_rounds(settings, rounds, name="west"):
    """Tiles asked of a source, one list a round."""
    asked = []
    for _ in range(rounds):
        source = PaintedSource(nothing)
        harvest_round(name, settings, source=source)
        asked.append(source.asked)
    return asked


def test_two_rounds_never_ask_for_the_same_tile(home):
    first, second, third = asked_in_rounds(home, 3)
    assert [len(part) for part in (first, second, third)] == [30, 30, 30]
    assert len({*first, *second, *third}) == 90


def test_rounds_are_slices_of_one_sequence_whatever_their_length(new_home):
    long = asked_in_rounds(new_home("long", round_tiles=60), 1)[0]
    short = asked_in_rounds(new_home("short", round_tiles=20), 3)
    assert [tile for part in short for tile in part] == long


def test_a_change_of_the_rounds_length_goes_on_where_the_last_round_ended(new_home):
    first = asked_in_rounds(new_home(round_tiles=20), 1)[0]
    second = asked_in_rounds(new_home(round_tiles=35), 1)[0]
    assert first + second == asked_in_rounds(new_home("long", round_tiles=55), 1)[0]


def test_the_plan_is_the_same_until_its_round_is_published(home):
    before = plan(home)
    assert plan(home) == before
    with pytest.raises(SourceUnavailableError):
        harvest(home, "west", paint=answering(b"", b"", SourceUnavailableError("gone")))
    assert plan(home) == before
    harvest(home, "west", paint=nothing)
    assert plan(home).round == 2 and not {*plan(home).tiles} & {*before.tiles}


def test_a_run_that_breaks_off_leaves_no_file_and_asks_for_the_same_tiles_again(home):
    broken = PaintedSource(answering(b"", b"", b"", SourceUnavailableError("gone")))
    with pytest.raises(SourceUnavailableError):
        harvest_round("west", home, source=broken)
    assert [path for path in home.harvest.rglob("*") if path.is_file()] == []
    again = asked_in_rounds(home, 1)[0]
    assert again[:4] == broken.asked


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"zoom": 9},
        {"biomes": {"west": {"box": [0.5, 0.5, 20, 21]}}},
    ],
    ids=["seed", "zoom", "geometry"],
)
def test_another_seed_zoom_or_geometry_starts_another_sequence(new_home, change):
    old = new_home()
    harvest(old, "west", paint=nothing)
    new = new_home(**change)
    assert plan(new).start == 0 and plan(new).round == 2
    assert plan(new).key != plan(old).key
    assert plan(old).start == 30


def test_another_release_of_the_imagery_starts_another_sequence(home):
    harvest(home, "west", paint=nothing)
    newer = RECORD.model_copy(update={"release": "2"})
    assert (plan(home).start, plan(home, record=newer).start) == (30, 0)


def test_going_back_to_the_old_seed_goes_on_with_its_sequence(new_home):
    first = asked_in_rounds(new_home(), 1)[0]
    asked_in_rounds(new_home(seed=1), 1)
    third = asked_in_rounds(new_home(), 1)[0]
    assert not {*first} & {*third}


def test_biomes_of_one_place_have_sequences_of_their_own(new_home):
    home = new_home(biomes={"west": {"box": WEST}, "twin": {"box": WEST}})
    assert plan(home, "west").tiles != plan(home, "twin").tiles


def tiles_of_west(settings: Settings) -> int:
    biome = find_biome("west", settings)
    return len(plan_tiles(biome.geometry(), 8, seed=biome_seed(settings.seed, "west"), start=0, count=10_000))


@pytest.mark.parametrize("short_of_the_end", [0, 1, 29])
def test_the_round_that_takes_the_last_tile_says_so(new_home, short_of_the_end):
    """Also when it is full to the last place: a further round would be empty and never be published."""
    total = tiles_of_west(new_home())
    home = new_home(round_tiles=total - short_of_the_end)
    reports = [harvest(home, "west", paint=nothing)[0]]
    assert reports[0].exhausted is (short_of_the_end == 0)
    if short_of_the_end:
        reports += harvest(home, "west", paint=nothing)
    assert reports[-1].exhausted and read_header(reports[-1].path).exhausted
    assert sum(report.planned for report in reports) == total


def test_an_exhausted_place_is_asked_for_nothing_and_publishes_nothing(new_home):
    home = new_home(round_tiles=1000, first_round_tiles=1000)
    harvest(home, "west", paint=nothing)
    source = PaintedSource(nothing)
    report = harvest_round("west", home, source=source)
    assert report.path is None and report.exhausted and report.planned == 0 and report.round == 1
    assert source.asked == []
    assert not round_path(home.harvest, "west", 2).exists()


def test_a_round_file_that_was_moved_away_is_asked_for_anew(home, tmp_path):
    first, second, third = asked_in_rounds(home, 3)
    shutil.move(round_path(home.harvest, "west", 2), tmp_path)
    fourth, fifth = asked_in_rounds(home, 2)
    assert fourth == second
    assert not {*fifth} & {*first, *second, *third}


def test_filling_a_gap_of_an_exhausted_place_leaves_it_exhausted(new_home, tmp_path):
    total = tiles_of_west(new_home())
    home = new_home(round_tiles=-(-total // 3))
    asked_in_rounds(home, 3)
    shutil.move(round_path(home.harvest, "west", 2), tmp_path)
    (report,) = harvest(home, "west", paint=nothing)
    assert report.planned == home.round_tiles and report.exhausted


def test_a_new_round_never_takes_the_number_of_a_merged_one_whose_file_is_gone(home):
    """The merge passes over numbers in the ledger: such a round would never reach the library."""
    harvest(home, "west")
    merge_rounds(home)
    shutil.rmtree(home.harvest)
    assert harvest(home, "west")[0].round == 2
    assert len(merge_rounds(home).rounds) == 1


def test_a_place_too_small_for_a_tile_is_refused(new_home):
    home = new_home(biomes={"dot": {"box": [10, 10, 10.001, 10.001]}}, zoom=0)
    with pytest.raises(GeometryError, match="dot holds no tile at zoom 0"):
        plan(home, "dot")


def test_an_unknown_biome_is_named_with_those_there_are(home):
    with pytest.raises(UnknownNameError, match=r"'nowhere'.*east, north, west.*\[biomes\.nowhere\]"):
        harvest(home, "nowhere")


def test_a_zoom_that_the_source_lacks_is_refused_before_anything_is_fetched(new_home):
    source = PaintedSource(record=RECORD.model_copy(update={"max_zoom": 7}))
    with pytest.raises(ZoomError, match="zoom 8"):
        harvest_round("west", new_home(), source=source)
    assert source.asked == []


def test_the_source_decides_the_zoom_when_the_settings_do_not(new_home):
    record = RECORD.model_copy(update={"default_zoom": 6})
    assert {tile.z for tile in plan(new_home(zoom=None), record=record).tiles} == {6}


def test_a_damaged_round_stops_its_biome_and_no_other(home):
    (report,) = harvest(home, "west", paint=nothing)
    report.path.write_bytes(report.path.read_bytes()[:-20])
    with pytest.raises(StoreError, match="round-00001"):
        plan(home, "west")
    assert plan(home, "east").start == 0


# Focused rounds


def halves(tile):
    """Ten colours in the north of the place, one in the south."""
    return colourful(tile) if tile.y < 121 else one_colour(tile)


def test_a_first_round_is_short(new_home):
    home = new_home(round_tiles=60, first_round_tiles=20)
    assert [len(part) for part in asked_in_rounds(home, 3)] == [20, 60, 60]


def test_further_rounds_look_where_buckets_lack_tiles(new_home):
    home = new_home(round_tiles=40, target=Target(floor=5, buckets=4999))
    harvest(home, "west", paint=halves)
    merge_rounds(home)
    first = {tile.y for tile in plan(new_home("fresh", round_tiles=40)).tiles}
    assert max(first) >= 121  # the place's south is planned for, too
    assert sum(tile.y < 121 for tile in plan(home).tiles) > 0.8 * len(plan(home).tiles)


def test_a_focused_plan_stays_the_same_until_its_round_is_published_and_nothing_is_asked_twice(new_home):
    home = new_home(round_tiles=30, target=Target(floor=5, buckets=4999))
    asked = []
    for _ in range(tiles_of_west(home) // 30 + 2):
        before = plan(home)
        assert plan(home) == before
        source = PaintedSource(halves)
        harvest_round("west", home, source=source)
        assert source.asked == before.tiles
        asked += source.asked
        merge_rounds(home)
    assert len(asked) == len(set(asked)) == tiles_of_west(home)


def test_where_no_library_is_the_very_next_tiles_are_taken(new_home):
    home = new_home(round_tiles=20)
    harvest(home, "west", paint=halves)
    biome = find_biome("west", home)
    sequence = plan_tiles(biome.geometry(), 8, seed=biome_seed(home.seed, "west"), start=20, count=20)
    assert plan(home).tiles == sequence
