"""The embedded imagery: seamless, repeatable, varied, and what it says of itself."""

import hashlib
import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.core.records import Outcome, Tile
from mosaic_assets.errors import SettingsError, ZoomError
from mosaic_assets.sources.embedded import EMBEDDED, EmbeddedSource, render
from mosaic_assets.sources.embedded.atlas import NUMBERS, PLANS, SIDE, plans
from mosaic_assets.sources.embedded.noise import Field, fields, hash_cells, scramble, upsample
from mosaic_assets.sources.embedded.places import CITIES, PLACES
from mosaic_assets.sources.embedded.world import ground, latitudes
from mosaic_assets.sources.records import BulkUse

REAL_EARTH = Path(__file__).resolve().parents[3] / "shared" / "data" / "bluemarble_xyz"

PLACES_TO_JOIN = {
    "sahara": (10.0, 22.0), "amazon": (-60.0, -5.0), "paris": (2.3, 48.85), "midwest": (-98.0, 40.0),
    "cuban coast": (-79.6, 22.4), "natron": (36.02, -2.4), "greenland": (-49.4, 69.2), "tokyo bay": (139.85, 35.6),
}  # fmt: skip


def tile_of(lng: float, lat: float, zoom: int) -> Tile:
    count = 1 << zoom
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return Tile(int((lng + 180) / 360 * count), int(y * count), zoom)


def tiles_in(west: float, south: float, east: float, north: float, count: int) -> list[Tile]:
    draw = np.random.default_rng(5)
    lngs, lats = draw.uniform(west, east, count), draw.uniform(south, north, count)
    return [tile_of(float(lng), float(lat), 15) for lng, lat in zip(lngs, lats, strict=True)]


def step_between(before: np.ndarray, after: np.ndarray) -> float:
    return float(np.abs(before.astype(int) - after.astype(int)).mean())


def seam(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Mean step across the border of two tiles side by side, and the largest between two columns inside them."""
    inside = [step_between(tile[:, c], tile[:, c + 1]) for tile in (first, second) for c in range(255)]
    return step_between(first[:, -1], second[:, 0]), max(inside)


def mean_colour(place: tuple[float, float], zoom: int = 15) -> np.ndarray:
    return render(tile_of(*place, zoom)).reshape(-1, 3).mean(axis=0)


@pytest.mark.parametrize("zoom", [3, 6, 8, 9, 12, 15, 17, 19])
@pytest.mark.parametrize("place", PLACES_TO_JOIN)
def test_step_across_a_tile_border_is_no_bigger_than_beside_it(place: str, zoom: int) -> None:
    tile = tile_of(*PLACES_TO_JOIN[place], zoom)
    here = render(tile)
    for turn, neighbour in ((0, Tile((tile.x + 1) % (1 << zoom), tile.y, zoom)), (1, Tile(tile.x, tile.y + 1, zoom))):
        there = render(neighbour)
        if turn:
            here, there = here.transpose(1, 0, 2), there.transpose(1, 0, 2)
        across, beside = seam(here, there)
        assert across <= beside * 1.05 + 0.3


@pytest.mark.parametrize("zoom", [9, 12, 15, 17])
def test_borders_are_as_smooth_as_the_inside_on_average(zoom: int) -> None:
    across, inside = [], []
    for place in PLACES_TO_JOIN.values():
        tile = tile_of(*place, zoom)
        row = [render(Tile(tile.x + n, tile.y, zoom)) for n in range(4)]
        across += [step_between(a[:, -1], b[:, 0]) for a, b in itertools.pairwise(row)]
        inside += [step_between(a[:, :-1], a[:, 1:]) for a in row]
    assert np.mean(across) < 1.1 * np.mean(inside) + 0.1


@pytest.mark.parametrize(("zoom", "lat"), [(2, 40.0), (5, 67.0), (9, -17.0), (15, -16.8), (15, 68.5), (19, -16.8)])
def test_the_world_joins_itself_across_the_date_line(zoom: int, lat: float) -> None:
    y = tile_of(0.0, lat, zoom).y
    across, beside = seam(render(Tile((1 << zoom) - 1, y, zoom)), render(Tile(0, y, zoom)))
    assert across <= beside * 1.05 + 0.3


@settings(max_examples=25, deadline=None)
@given(st.integers(9, 19), st.floats(-179.9, 179.9), st.floats(-84, 84))
def test_neighbours_agree_bit_by_bit_where_their_grids_overlap(zoom: int, lng: float, lat: float) -> None:
    tile = tile_of(lng, lat, zoom)
    east = Tile((tile.x + 1) % (1 << zoom), tile.y, zoom)
    # 16 intervals of 16 pixels: the last three nodes of a tile are the first three of its neighbour.
    assert np.array_equal(fields(tile)[:, :, 16:], fields(east)[:, :, :3])
    if tile.y + 1 < 1 << zoom:
        south = Tile(tile.x, tile.y + 1, zoom)
        assert np.array_equal(fields(tile)[:, 16:, :], fields(south)[:, :3, :])


def test_the_same_tile_is_the_same_picture_in_another_process() -> None:
    tile = Tile(16598, 11273, 15)
    code = (
        "import hashlib; from mosaic_assets.core.records import Tile; from mosaic_assets.sources.embedded import render;"
        f"import sys; sys.stdout.write(hashlib.sha256(render(Tile{tuple(tile)}).tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert there.stdout == hashlib.sha256(render(tile).tobytes()).hexdigest()


def test_order_and_history_do_not_change_a_picture() -> None:
    first, second = Tile(17293, 14295, 15), Tile(10921, 16840, 15)
    alone = render(first)
    render(second)
    assert np.array_equal(render(first), alone)


def test_workers_change_nothing_but_the_speed() -> None:
    tiles = [Tile(16598 + n, 11273, 15) for n in range(24)]
    with EmbeddedSource(workers=1) as one, EmbeddedSource(workers=3) as three:
        alone, together = list(one.fetch(tiles)), list(three.fetch(tiles))
    assert [answer.tile for answer in together] == tiles
    assert [answer.body for answer in together] == [answer.body for answer in alone]


def test_answers_decode_to_what_was_drawn() -> None:
    tile = Tile(16598, 11273, 15)
    with EmbeddedSource() as source:
        (answer,) = source.fetch([tile])
    assert (answer.outcome, answer.content_type) == (None, "image/jpeg")
    assert answer.fetched_at.utcoffset() is not None
    image, _, _ = decode_tile(answer.body or b"")
    assert image is not None
    assert image.shape == (256, 256, 3)
    assert step_between(image, render(tile)) < 6  # JPEG at quality 90


def test_closing_early_stops_the_threads() -> None:
    import threading

    before = threading.active_count()
    answers = EmbeddedSource(workers=2).fetch([Tile(n, 12000, 15) for n in range(20_000)])
    next(answers)
    answers.close()
    assert threading.active_count() == before


def test_a_tile_outside_the_world_is_answered_and_the_rest_go_on() -> None:
    with EmbeddedSource() as source:
        outside, inside = source.fetch([Tile(4, 0, 2), Tile(3, 0, 2)])
    assert (outside.outcome, outside.body) == (Outcome.MISSING, None)
    assert "0..3" in outside.detail
    assert inside.outcome is None


@pytest.mark.parametrize("tile", [Tile(0, 0, 20), Tile(0, 0, -1), Tile(1, 0, 0), Tile(-1, 0, 3), Tile(0, 8, 3)])
def test_a_tile_that_does_not_exist_is_refused(tile: Tile) -> None:
    with pytest.raises(ZoomError, match="zoom"):
        render(tile)


def test_no_workers_are_refused_with_the_setting_to_change() -> None:
    with pytest.raises(SettingsError, match="workers"):
        EmbeddedSource(workers=0)


def test_the_record_says_what_the_imagery_is() -> None:
    assert EMBEDDED.synthetic
    assert EMBEDDED.bulk_use is BulkUse.ALLOWED
    assert (EMBEDDED.min_zoom, EMBEDDED.max_zoom, EMBEDDED.default_zoom) == (0, 19, 15)
    assert "Blue Marble" in EMBEDDED.licence
    assert "synthetic" in EMBEDDED.licence
    assert "synthetic" in EMBEDDED.attribution


@pytest.mark.parametrize(
    ("box", "least", "most"),
    [
        ((-10, 15, 30, 30), 20, 40),  # Sahara
        ((-70, -15, -50, 5), 15, 40),  # Amazon
        ((-5, 40, 20, 55), 15, 40),  # Europe
        ((73, 20, 80, 30), 20, 40),  # India
        ((-150, -20, -110, 20), 3, 15),  # Pacific: mostly the same blue
    ],
)
def test_a_region_has_many_colours_and_the_deep_sea_few(box: tuple[int, ...], least: int, most: int) -> None:
    from skimage.color import rgb2lab

    means = np.array([render(tile).reshape(-1, 3).mean(axis=0) / 255 for tile in tiles_in(*box, 40)])
    cells = {tuple(cell) for cell in np.round(rgb2lab(means[:, None])[:, 0] / 5).astype(int)}
    assert least <= len(cells) <= most


def test_much_of_the_deep_sea_is_flat() -> None:
    flat = [render(tile).reshape(-1, 3).std(axis=0).max() < 1 for tile in tiles_in(-150, -20, -110, 20, 30)]
    assert 10 <= sum(flat) < 30


@pytest.mark.parametrize(
    ("place", "holds"),
    [
        ((36.02, -2.38), lambda r, g, b: r > 1.3 * g and r > 1.3 * b),  # Natron: red
        ((40.30, 14.24), lambda r, g, b: r > 1.5 * b and g > 1.2 * b),  # Dallol: yellow
        ((-77.3, 24.1), lambda r, g, b: b > 1.2 * r and g > 1.1 * r),  # Bahama Bank: aqua
        ((-67.5, -20.2), lambda r, g, b: min(r, g, b) > 200),  # Uyuni: white
        ((-155.29, 19.41), lambda r, g, b: max(r, g, b) < 100),  # Kilauea: black to brown
        ((137.4, -24.6), lambda r, g, b: r > 1.3 * g > 1.3 * b),  # Simpson Desert: rust
        ((-42.0, 72.0), lambda r, g, b: min(r, g, b) > 180),  # Greenland: ice
        ((139.7, 35.69), lambda r, g, b: max(r, g, b) - min(r, g, b) < 30),  # Tokyo: grey
        ((-60.0, -5.0), lambda r, g, b: g > r > b),  # Amazon: green
    ],
)
def test_a_place_looks_its_part(place: tuple[float, float], holds) -> None:
    assert holds(*mean_colour(place))


@pytest.mark.parametrize(
    ("tile", "mean", "spread"),
    [
        (Tile(16598, 11273, 15), (94.07, 89.74, 69.73), (36.01, 27.75, 30.02)),  # Paris
        (Tile(19660, 16600, 15), (188.19, 117.74, 106.97), (21.53, 37.88, 35.33)),  # Lake Natron
        (Tile(67, 45, 7), (107.6, 102.87, 84.31), (41.97, 36.85, 46.59)),  # the Alps
    ],
)
def test_pictures_are_those_of_release_1(tile: Tile, mean: tuple[float, ...], spread: tuple[float, ...]) -> None:
    # Origin: this module's own output. A change here changes published tile ids: raise EMBEDDED.release with it.
    assert EMBEDDED.release == "1"
    pixels = render(tile).reshape(-1, 3)
    assert pixels.mean(axis=0) == pytest.approx(mean, abs=0.1)
    assert pixels.std(axis=0) == pytest.approx(spread, abs=0.1)


def test_zooming_in_keeps_the_large_pattern() -> None:
    tile = tile_of(25.0, 23.0, 14)
    parent = render(tile).reshape(4, 64, 4, 64, 3).mean(axis=(1, 3))
    children = (
        np.vstack([np.hstack([render(Tile(2 * tile.x + i, 2 * tile.y + j, 15)) for i in (0, 1)]) for j in (0, 1)])
        .reshape(4, 128, 4, 128, 3)
        .mean(axis=(1, 3))
    )
    assert np.abs(parent - children).mean() < 6


@pytest.mark.parametrize(("tile", "alike"), [(Tile(1, 1, 1), 0.75), (Tile(2, 1, 2), 0.8), (Tile(4, 3, 3), 0.85)])
def test_from_afar_it_agrees_with_a_picture_of_the_earth(tile: Tile, alike: float) -> None:
    if not REAL_EARTH.is_dir():
        pytest.skip("real pictures of the Earth are not beside this checkout (../shared/data/bluemarble_xyz)")
    with Image.open(REAL_EARTH / str(tile.z) / str(tile.x) / f"{tile.y}.jpg") as picture:
        theirs = np.asarray(picture.convert("RGB")).astype(float)
    # Red minus blue tells land from sea; the real picture has clouds, which are grey and so hardly count.
    ours = render(tile).astype(float)
    coarse = [(p[..., 0] - p[..., 2]).reshape(32, 8, 32, 8).mean(axis=(1, 3)).ravel() for p in (theirs, ours)]
    assert np.corrcoef(coarse)[0, 1] > alike


def test_land_share_follows_the_mask() -> None:
    share = [float(ground(tile_of(lng, lat, 15), 16).share[9, 9]) for lng, lat in ((10, 22), (-130, 0))]
    assert share == [1.0, 0.0]


def test_latitudes_are_those_of_web_mercator() -> None:
    # EPSG:3857's square ends at 85.0511287798066 (atan(sinh(pi))); a quarter from the top lies 66.51326044311186.
    rows = np.array([0.0, 64.0, 128.0, 256.0])
    assert latitudes(rows, 0) == pytest.approx([85.0511287798066, 66.51326044311186, 0, -85.0511287798066])


def test_hashes_are_those_of_the_splitmix64_finaliser() -> None:
    # Reference outputs of SplitMix64 seeded with 1234567 (Vigna's splitmix64.c); state n is seed + n * golden.
    golden = 0x9E3779B97F4A7C15
    state = np.array([(1234567 + n * golden) % 2**64 for n in (1, 2, 3)], dtype=np.uint64)
    assert scramble(state).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_fields_have_mean_0_and_standard_deviation_1_and_share_nothing() -> None:
    values = np.array([fields(tile)[:, 9, 9] for tile in tiles_in(-170, -60, 170, 60, 1000)])
    assert np.abs(values.mean(axis=0)).max() < 0.15
    assert np.abs(values.std(axis=0) - 1).max() < 0.12
    assert np.abs(np.corrcoef(values.T) - np.eye(len(Field))).max() < 0.15


@settings(max_examples=30, deadline=None)
@given(st.integers(-2000, 2000), st.sampled_from([2, 4, 8, 16]))
def test_upsampling_keeps_a_constant_exactly(value: int, spacing: int) -> None:
    count = 256 // spacing + 3
    assert (upsample(np.full((1, count, count), value / 8), spacing, 0.125) == value / 8).all()


def test_cells_one_apart_get_unrelated_hashes() -> None:
    cells = np.arange(4096)
    low = (hash_cells(cells, np.zeros_like(cells), 1) & np.uint64(255)).astype(float)
    assert abs(np.corrcoef(low[:-1], low[1:])[0, 1]) < 0.06


def test_a_road_runs_round_every_plan() -> None:
    every = plans().reshape(3 * PLANS, SIDE, SIDE)
    assert every.max() < NUMBERS
    assert not every[:, [0, -1], :].any()
    assert not every[:, :, [0, -1]].any()


def test_places_and_cities_lie_on_the_map() -> None:
    assert all(-180 < p.lng < 180 and -85 < p.lat < 85 and len(p.palette) >= 5 for p in PLACES)
    assert all(-180 < lng < 180 and -85 < lat < 85 and 0 < radius < 60 for lng, lat, radius in CITIES)


def test_importing_opens_nothing_and_loads_no_imaging_library() -> None:
    code = (
        "import sys; import mosaic_assets.sources.embedded;"
        "sys.exit(' '.join(m for m in ('PIL', 'scipy', 'skimage', 'mpl_toolkits', 'matplotlib') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.strip() == ""
