"""What becomes of tiles: one outcome for each, through harvest and merge."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from mosaic_assets.core.imaging import encode_jpeg, encode_png
from mosaic_assets.core.records import Outcome, Tile
from mosaic_assets.core.tiles import tile_distance
from mosaic_assets.library.biomes import find_biome
from mosaic_assets.library.choose import DISTANT_TILES
from mosaic_assets.library.harvest import harvest_round
from mosaic_assets.library.judge import FLAT_HASH, hash_of
from mosaic_assets.library.merge import merge_rounds
from mosaic_assets.library.plan import plan_round
from mosaic_assets_tests.library.painted import (
    RECORD,
    WEST,
    PaintedSource,
    answering,
    ask,
    colourful,
    everything,
    final_outcomes,
    grow,
    harvest,
    ledger,
    one_colour,
    outcomes,
    pictures,
    round_rows,
    texture,
)

BLUE = (70, 100, 180)
PLACARD = encode_png(texture(99, (200, 200, 205)))
"""One picture at many places: what a provider sends where it has nothing."""


def flat(rgb=BLUE):
    return encode_png(np.full((256, 256, 3), rgb, np.uint8))


def blue(number):
    return encode_png(texture(number, BLUE))


def one_round(home, paint, name="west"):
    """Harvest and merge one round; what became of its tiles, by position."""
    (report,) = harvest(home, name, paint=paint)
    merge_rounds(home)
    return final_outcomes(home, report.path)


def planned(home, name="west"):
    return plan_round(find_biome(name, home), home, RECORD).tiles


@pytest.mark.parametrize(
    ("answer", "outcome", "detail"),
    [
        (Outcome.MISSING, "missing", "so painted"),
        (Outcome.PLACEHOLDER, "placeholder", "so painted"),
        (Outcome.REFUSED, "refused", "so painted"),
        (Outcome.FETCH_FAILED, "fetch_failed", "so painted"),
        (b"", "not_an_image", "an empty answer"),
        (b"<html><body>Sorry</body></html>", "not_an_image", "an HTML page"),
        (b"\x00\x01garbage", "not_an_image", "no picture format that is read here"),
        (encode_jpeg(texture(1))[:900], "not_an_image", "a truncated JPEG"),
        (encode_png(np.zeros((128, 128, 3), np.uint8)), "wrong_size", "128 x 128, expected 256 x 256"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_tile_without_a_usable_picture_keeps_its_outcome(home, answer, outcome, detail):
    (report,) = harvest(home, "west", paint=answering(answer))
    merge_rounds(home)
    first = round_rows(report.path)[0]
    assert (first["outcome"], first["detail"], first["bucket_id"], first["sha256"]) == (outcome, detail, None, "")
    assert final_outcomes(home, report.path) == [outcome, *["kept"] * 29]


def test_a_round_of_nothing_but_failures_is_merged_and_adds_nothing(home):
    assert one_round(home, lambda _: Outcome.FETCH_FAILED) == ["fetch_failed"] * 30
    assert pictures(home) == {} and outcomes(home) == {"fetch_failed": 30}


def test_every_outcome_is_reached_and_they_add_up_to_the_planned_tiles(new_home):
    home = new_home(bucket_cap=5)
    first = [Outcome.MISSING, Outcome.REFUSED, Outcome.FETCH_FAILED, b"?", encode_png(np.zeros((9, 9, 3), np.uint8))]
    first += [blue(1), blue(1) + b" ", flat(), flat((71, 100, 180)), PLACARD, *map(blue, range(2, 8))]
    one_round(home, answering(*first, then=lambda _: PLACARD))
    assert set(outcomes(home)) == {*map(str, Outcome)} - {"candidate", "quarantined"}  # the latter is a repair's
    assert sum(outcomes(home).values()) == 30


def test_the_cap_holds_and_the_first_in_position_stay(new_home):
    home = new_home(bucket_cap=4)
    assert one_round(home, one_colour) == ["kept"] * 4 + ["bucket_full"] * 26
    assert len(pictures(home)) == 4


def test_tiles_of_a_full_bucket_are_discarded_early_and_their_bytes_with_them(new_home):
    home = new_home(bucket_cap=4)
    one_round(home, one_colour)
    (report,) = harvest(home, "west", paint=one_colour)
    rows = round_rows(report.path)
    assert {row["outcome"] for row in rows} == {"bucket_full"}
    assert {row["body"] for row in rows} == {None}
    assert all(row["sha256"] and row["phash"] is None for row in rows)


def test_early_discards_count_as_hits(new_home):
    home = new_home(bucket_cap=4)
    one_round(home, one_colour)
    one_round(home, one_colour)
    assert ask(home, "SELECT sum(hits) FROM hits") == [(60,)]


def test_a_lower_cap_removes_nothing_and_lets_nothing_in(new_home):
    one_round(new_home(bucket_cap=10), one_colour)
    assert one_round(new_home(bucket_cap=4), one_colour) == ["bucket_full"] * 30
    assert ask(new_home(), "SELECT count(*) FROM tiles") == [(10,)]


def test_the_same_hash_in_a_bucket_is_kept_once_under_either_rule(new_home):
    # Two encodings of one picture: other bytes, so no placeholder; the same pixels, so the same hash.
    picture = texture(5, BLUE)
    other = encode_png(picture) + b"\0"
    details = []
    for rule in ("exact", "near"):
        home = new_home(duplicates=rule, home=rule)
        assert one_round(home, answering(encode_png(picture), other))[:2] == ["kept", "duplicate"]
        details += ask(home, "SELECT detail FROM discards")
    assert details == [("the same hash stands in its bucket",), ("its hash is within 8 bits of another tile's",)]


@pytest.mark.parametrize("rule", ["exact", "near"])
def test_the_same_hash_in_a_later_round_is_a_duplicate_too(new_home, rule):
    home = new_home(duplicates=rule)
    picture = texture(5, BLUE)
    one_round(home, answering(encode_png(picture)))
    assert one_round(home, answering(encode_png(picture) + b"\0"))[0] == "duplicate"


def test_the_same_hash_in_two_buckets_is_kept_twice_under_reference_1s_rule_only(new_home):
    dark, light = texture(5, (80, 80, 80)), texture(5, (180, 180, 180))
    bodies = [encode_png(dark), encode_png(light)]
    exact, near = new_home(duplicates="exact", home="exact"), new_home(duplicates="near", home="near")
    assert one_round(exact, answering(*bodies))[:2] == ["kept", "kept"]
    assert ask(exact, "SELECT count(*) FROM tiles GROUP BY phash HAVING count(*) > 1") == [(2,)]
    assert one_round(near, answering(*bodies))[:2] == ["kept", "duplicate"]


def test_recompressed_and_brighter_copies_are_near_duplicates_wherever_they_fall(new_home):
    picture = texture(5, (90, 100, 110)).astype(float)
    picture[:, :128] *= 1.3  # something for the hash to hold on to
    original = encode_jpeg(picture.astype(np.uint8), 95)
    copies = [encode_jpeg(picture.astype(np.uint8), 60), encode_jpeg((picture * 1.15).astype(np.uint8), 90)]
    home = new_home()
    one_round(home, answering(original))
    assert one_round(home, answering(*copies))[:2] == ["duplicate", "duplicate"]
    (path,) = home.harvest.glob("west/round-00002.parquet")
    assert (
        len({row["bucket_id"] for row in round_rows(path)[:2]}) == 2
    )  # another brightness is another bucket, so a look into one bucket would not do


def test_near_means_up_to_the_distance_that_the_settings_name(new_home):
    rng = np.random.default_rng(7)
    one = texture(5, BLUE).astype(int)
    other = np.clip(one + np.kron(rng.integers(-6, 7, (32, 32, 1)), np.ones((8, 8, 1), int)), 0, 255)
    bodies = [encode_png(picture.astype(np.uint8)) for picture in (one, other)]
    apart = bin(int(hash_of(bodies[0]), 16) ^ int(hash_of(bodies[1]), 16)).count("1")
    assert 2 <= apart <= 16
    outcomes_at = {
        bits: one_round(new_home(duplicate_distance=bits, home=str(bits)), answering(*bodies))[1]
        for bits in (apart - 1, apart)
    }
    assert outcomes_at == {apart - 1: "kept", apart: "duplicate"}


def test_of_the_flat_tiles_of_a_bucket_one_is_kept(home):
    found = one_round(home, answering(flat(), flat((70, 100, 181)), flat(), flat((200, 30, 30))))
    assert found[:4] == ["kept", "flat", "flat", "kept"]
    assert ask(home, "SELECT count(*) FROM tiles WHERE phash = ?", FLAT_HASH) == [(2,)]


def test_flat_tiles_of_the_same_bytes_are_no_placeholder(home):
    assert one_round(home, lambda _: flat()) == ["kept"] + ["flat"] * 29


def test_the_same_tile_of_two_biomes_is_kept_once(new_home):
    home = new_home(biomes={"a": {"box": WEST}, "b": {"box": WEST}}, round_tiles=200)
    both = {*planned(home, "a")} & {*planned(home, "b")}
    assert len(both) > 100
    grow(home)
    assert ask(home, "SELECT count(*) FROM discards WHERE detail = 'the same tile is in the library'") == [(len(both),)]
    assert ask(home, "SELECT DISTINCT outcome FROM discards") == [("duplicate",)]
    assert ask(home, "SELECT max(n) FROM (SELECT count(*) n FROM provenance GROUP BY imagery, release, z, x, y)") == [
        (1,)
    ]
    assert outcomes(home)["kept"] == len(pictures(home))


def test_the_same_tile_is_kept_by_the_biome_first_in_merging_order(new_home):
    home = new_home(biomes={"a": {"box": WEST}, "b": {"box": WEST}}, round_tiles=200)
    harvest(home, "b", "a")
    merge_rounds(home)
    counts = dict(ask(home, "SELECT biome, count(*) FROM provenance GROUP BY biome"))
    assert counts["a"] == 200


def test_the_same_place_in_another_release_is_another_tile(home):
    one_round(home, colourful)
    ids = {row[0] for row in ask(home, "SELECT id FROM tiles")}
    newer = RECORD.model_copy(update={"release": "2"})
    # Recoloured a little, so that no hash of the older release stands in the way.
    harvest_round("west", home, source=PaintedSource(lambda tile: encode_png(texture(tile.x * 999 + tile.y)), newer))
    merge_rounds(home)
    same_place = "SELECT count(*) FROM provenance a JOIN provenance b USING (z, x, y) WHERE a.release < b.release"
    assert ask(home, same_place) == [(30,)]
    assert len({row[0] for row in ask(home, "SELECT id FROM tiles")} - ids) == 30


# Placeholders that a source does not announce: identical bytes at distant places.


def test_identical_bytes_at_distant_places_are_a_placeholder(home):
    tiles = planned(home)
    far = next(n for n, tile in enumerate(tiles) if tile_distance(tiles[0], tile) >= DISTANT_TILES)
    found = one_round(home, lambda tile: PLACARD if tile in (tiles[0], tiles[far]) else colourful(tile))
    assert Counter(found) == {"kept": 28, "placeholder": 2}
    assert found[0] == found[far] == "placeholder"
    assert ask(home, "SELECT DISTINCT detail FROM discards") == [("identical bytes at distant places",)]


def test_identical_bytes_at_neighbours_are_only_duplicates(home):
    tiles = planned(home)
    near = next(n for n, t in enumerate(tiles) if n and tile_distance(tiles[0], t) < DISTANT_TILES)
    found = one_round(home, lambda tile: PLACARD if tile in (tiles[0], tiles[near]) else colourful(tile))
    assert (found[0], found[near]) == ("kept", "duplicate")


def test_every_pair_of_places_is_looked_at_not_only_those_with_the_first(home):
    tiles = planned(home)
    middle, one, other = next(
        (a, b, c)
        for a in tiles
        for b in tiles
        for c in tiles
        if tiles.index(a) < tiles.index(b) < tiles.index(c)
        and tile_distance(a, b) < DISTANT_TILES > tile_distance(a, c)
        and tile_distance(b, c) >= DISTANT_TILES
    )
    found = one_round(home, lambda tile: PLACARD if tile in (middle, one, other) else colourful(tile))
    assert found.count("placeholder") == 3


def test_a_source_without_that_rule_has_no_such_placeholders(home):
    record = RECORD.model_copy(update={"repeats_are_placeholders": False})
    harvest_round("west", home, source=PaintedSource(lambda _: PLACARD, record))
    merge_rounds(home)
    assert outcomes(home) == {"kept": 1, "duplicate": 29}


@pytest.fixture
def home_with_a_placard(home):
    """A library in which the first round left one placard, alone and so not recognised."""
    first = planned(home)[0]
    assert one_round(home, lambda tile: PLACARD if tile == first else colourful(tile))[0] == "kept"
    return home


def distant_paint(home):
    """Paint the placard once, in the second round, far from the first."""
    x, y, z = ask(home, "SELECT x, y, z FROM provenance WHERE sha256 = ?", hashlib.sha256(PLACARD).hexdigest())[0]
    far = next(tile for tile in planned(home) if tile_distance(Tile(x, y, z), tile) >= DISTANT_TILES)
    return lambda tile: PLACARD if tile == far else colourful(tile)


def test_a_placeholder_that_shows_itself_in_a_later_round_is_removed_with_its_file(home_with_a_placard):
    home = home_with_a_placard
    (row,) = ask(
        home,
        "SELECT id, filepath, bucket_id FROM tiles JOIN provenance USING (id) WHERE sha256 = ?",
        hashlib.sha256(PLACARD).hexdigest(),
    )
    harvest(home, "west", paint=distant_paint(home))
    report = merge_rounds(home)
    assert report.removed == 1
    assert ask(home, "SELECT count(*) FROM tiles WHERE id = ?", row[0]) == [(0,)]
    assert ask(home, "SELECT count(*) FROM provenance WHERE id = ?", row[0]) == [(0,)]
    assert not (home.home / row[1]).exists()
    assert ask(home, "SELECT kept FROM buckets WHERE bucket_id = ?", row[2]) == []
    assert ask(home, "SELECT * FROM pending") == []
    assert len(pictures(home)) == report.library_tiles == 58


def test_the_ledger_then_says_that_the_earlier_tile_was_a_placeholder(home_with_a_placard):
    home = home_with_a_placard
    one_round(home, distant_paint(home))
    assert [json.loads(row[4]) for row in ledger(home)] == [{"kept": 29, "placeholder": 1}] * 2
    assert ask(home, "SELECT round, position, outcome FROM discards WHERE round = 1") == [(1, 0, "placeholder")]
    assert ask(home, "SELECT sum(hits) FROM hits") == [(58,)]
    assert sum(row[5] for row in ledger(home)) == ask(home, "SELECT count(DISTINCT bucket_id) FROM tiles")[0][0]


def test_a_known_placeholder_is_known_when_it_comes_alone(home_with_a_placard):
    home = home_with_a_placard
    one_round(home, distant_paint(home))
    third = planned(home)[3]
    assert one_round(home, lambda tile: PLACARD if tile == third else colourful(tile))[3] == "placeholder"


def test_a_standing_placeholder_goes_also_when_the_new_ones_are_near_it_but_far_from_each_other(new_home):
    home = new_home(round_tiles=100)
    tiles = planned(home)
    # The one that stands lies between two that are DISTANT_TILES apart.
    first = next(t for t in tiles if 7 <= t.x - min(o.x for o in tiles) <= 8 and t.y == min(o.y for o in tiles) + 7)
    one_round(home, lambda tile: PLACARD if tile == first else colourful(tile))
    rest = planned(home)
    west = next(t for t in rest if 4 <= first.x - t.x < DISTANT_TILES and tile_distance(first, t) < DISTANT_TILES)
    east = next(t for t in rest if 4 <= t.x - first.x < DISTANT_TILES and tile_distance(first, t) < DISTANT_TILES)
    assert tile_distance(west, east) >= DISTANT_TILES
    one_round(home, lambda tile: PLACARD if tile in (west, east) else colourful(tile))
    assert ask(home, "SELECT count(*) FROM provenance WHERE sha256 = ?", hashlib.sha256(PLACARD).hexdigest()) == [(0,)]


def test_the_place_of_a_removed_placeholder_is_free_for_a_tile_of_the_same_round(new_home):
    home = new_home(bucket_cap=3)
    first = planned(home)[0]

    def grey(tile):
        return encode_png(texture(tile.x * 1000 + tile.y, (200, 200, 205)))

    one_round(home, lambda tile: PLACARD if tile == first else Outcome.MISSING)
    # Two more make the bucket full in the state that the next round's early discards see ...
    far = next(tile for tile in planned(home) if tile_distance(first, tile) >= DISTANT_TILES)
    greys = [tile for tile in planned(home) if tile != far][:5]
    found = one_round(home, lambda tile: PLACARD if tile == far else grey(tile) if tile in greys else Outcome.MISSING)
    # ... so that three greys fit, once the placard has gone.
    assert Counter(found) == {"kept": 3, "bucket_full": 2, "placeholder": 1, "missing": 24}


def test_a_merge_without_new_rounds_changes_nothing(home):
    grow(home)
    before = everything(home)
    report = merge_rounds(home)
    assert (report.rounds, report.kept, report.outcomes) == ([], 0, {})
    assert report.library_tiles == len(before["tiles"])
    assert everything(home) == before


def test_the_report_of_a_merge_counts_what_is_in_the_library(home):
    (report,) = grow(home)
    assert report.kept == report.library_tiles == len(pictures(home)) == 90
    assert report.library_buckets == len({path.split("/")[1] for path in pictures(home)})
    assert report.bytes_written == sum(path.stat().st_size for path in home.library.glob("bucket_*/*"))
    assert [(merged.round, merged.biome) for merged in report.rounds] == [(1, "east"), (1, "north"), (1, "west")]


@pytest.mark.parametrize("keep", [False, True])
def test_bytes_are_dropped_after_the_merge_unless_they_are_to_be_kept(new_home, keep):
    home = new_home(keep_shard_bytes=keep)
    (report,) = harvest(home, "west")
    before = round_rows(report.path)
    merge_rounds(home)
    after = round_rows(report.path)
    assert all(("body" in row) is keep for row in after)
    assert [{**row, "body": None} for row in after] == [{**row, "body": None} for row in before]


def test_provenance_says_where_a_tile_is_and_where_it_came_from(home):
    (report,) = harvest(home, "west")
    row = round_rows(report.path)[7]
    merge_rounds(home)
    columns = "z, x, y, west, south, east, north, biome, round, position, fetched_at, etag, sha256, csquare"
    (found,) = ask(home, f"SELECT {columns} FROM provenance WHERE position = 7")
    assert found == (*(row[k] for k in ("z", "x", "y", "west", "south", "east", "north")), "west", 1, 7,
                     "2024-06-15T12:00:00+00:00", "e", row["sha256"], row["csquare"])  # fmt: skip
    assert ask(home, "SELECT DISTINCT licence, attribution, synthetic, source, imagery, release FROM provenance") == [
        ("CC0", "nobody", 0, "painted", "painted", "1")
    ]


def test_bounds_are_those_of_the_tile(home):
    import mercantile

    (report,) = harvest(home, "west")
    for row in round_rows(report.path)[:5]:
        bounds = mercantile.bounds(row["x"], row["y"], row["z"])
        assert (row["west"], row["south"], row["east"], row["north"]) == pytest.approx(tuple(bounds), abs=1e-9)


def test_a_picture_on_disk_is_png_rgb_256(home):
    grow(home)
    for path in home.library.glob("bucket_*/*"):
        with Image.open(path) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (256, 256))
