"""Pictures show the squares where they are: pixels are looked at, in places worked out by hand."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic_assets.csquares import compress, cover, cover_many, decode, expand
from mosaic_assets.csquares.density import count_squares, scenes_by_square
from mosaic_assets.csquares.drawing import density_map, draw_codes, whole_squares
from mosaic_assets.csquares.index import rebuild_index, update_index
from mosaic_assets.csquares.pair_writing import write_pairs
from mosaic_assets.csquares.views import flat_view, occupied_span, polar_view, views_of
from mosaic_assets.errors import CodeError, DatabaseError
from mosaic_assets.store.csquare_db import Scene
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.csquares.shapes import real_footprints

NOW = datetime(2024, 1, 1, tzinfo=UTC)
LEFT, TOP = 52, 34  # of the map in the picture, pixels
WIDTH = 900


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def changed(codes: list[str]) -> np.ndarray:
    """Which pixels differ when squares are drawn beside others whose map is that of the world."""
    everywhere = [f"{quadrant}0{ten:02d}" for quadrant in (1, 7) for ten in range(1, 18, 4)]
    with_them, without = pixels(draw_codes([*everywhere, *codes])), pixels(draw_codes(everywhere))
    return (with_them != without).any(axis=2)[TOP : TOP + WIDTH // 2, LEFT : LEFT + WIDTH]


@pytest.mark.parametrize(
    ("code", "west", "south", "east", "north"),
    [  # limits read off the names: quadrant, tens of degrees
        ("3414", 140, -50, 150, -40),
        ("1208", 80, 20, 90, 30),
        ("7412", -130, 40, -120, 50),
        ("5306:4", -70, -40, -65, -35),
    ],
)
def test_a_square_changes_its_own_pixels_and_no_others(code, west, south, east, north) -> None:
    where = np.argwhere(changed([code]))
    lat, lng = 90 - (where[:, 0] + 0.5) * 0.4, (where[:, 1] + 0.5) * 0.4 - 180  # 2.5 pixels a degree
    assert (west <= lng.min() < west + 0.4) and (east - 0.4 < lng.max() <= east)
    assert (south <= lat.min() < south + 0.4) and (north - 0.4 < lat.max() <= north)


def test_squares_smaller_than_a_pixel_are_dots() -> None:
    assert 4 <= changed(["3414:227:383:111"]).sum() <= 9


def test_no_squares_give_a_map_of_the_world_that_says_so() -> None:
    assert pixels(draw_codes([])).shape == (TOP + WIDTH // 2 + 52, WIDTH + 2 * LEFT, 3)


def test_a_title_is_written_above_the_picture_whatever_signs_it_has() -> None:
    plain, titled = pixels(draw_codes(["3414"])), pixels(draw_codes(["3414"], title="$a_1 {b} 0 < 1"))
    assert (plain[: TOP - 4] == 255).all()
    assert (titled[: TOP - 4] < 128).any()
    assert (plain[TOP:] == titled[TOP:]).all()


def test_what_is_no_code_is_refused_with_its_name() -> None:
    with pytest.raises(CodeError, match="3414:127"):
        draw_codes(["3414:127:4"])


@pytest.mark.parametrize(
    ("codes", "shown"),
    [
        (["3414:***:*"], ["3414"]),
        (["3414:1**:*", "3414:100:1"], ["3414:1", "3414:100:1"]),
        (["3414:1%%"], ["3414:1"]),
        (["1000:1", "1000:2", "1000:3", "1000:4"], ["1000:1", "1000:2", "1000:3", "1000:4"]),
        ("1000:*", ["1000"]),
        ([], []),
    ],
)
def test_a_compressed_code_is_one_square_and_plain_ones_are_left_alone(codes, shown) -> None:
    assert whole_squares(codes) == shown


# --- where a picture looks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(178, 179), (-180, -179)], (178, 181)),
        ([(-10, 0), (20, 30)], (-10, 30)),
        ([(0, 10), (170, 180), (-180, -170)], (0, 190)),
        ([(-180, -90), (-90, 0), (0, 90), (90, 180)], (-180, 180)),
        ([(-180, 180)], (-180, 180)),
        ([(10, 60), (20, 30), (70, 80)], (10, 80)),
        ([(-180, -170), (-100, 180)], (-100, 190)),
    ],
)
def test_the_span_shown_is_the_shortest_that_holds_all_squares(spans, expected) -> None:
    west, east = (np.array(side, float) for side in zip(*spans, strict=True))
    assert occupied_span(west, east) == expected


def test_a_scene_over_the_date_line_lies_in_the_middle_of_its_map() -> None:
    (view,) = views_of(decode(["1017:209:2", "7017:209:2"]))
    assert (view.extent[0] + view.extent[1]) / 2 == pytest.approx(180)
    assert view.lng[0, 0] > 0 > view.lng[0, -1]


@pytest.mark.parametrize(
    ("codes", "poles"),
    [
        (["1817:499:4"], [0, 1]),
        (["3800:390:4"], [0, -1]),  # 89.5 to 90 S
        (["3800:390:1"], [0]),  # 89 to 89.5 S
        (["5800"], [0, -1]),
        (["1800", "3800"], [0, 1, -1]),
        (["1700"], [0]),
    ],
)
def test_a_pole_is_seen_from_above_only_if_a_square_reaches_it(codes, poles) -> None:
    assert [view.pole for view in views_of(decode(np.array(codes, "<U16")))] == poles


@pytest.mark.parametrize(
    ("pole", "row", "column", "lat", "lng"),
    [  # half-way to an edge of a view of 40 degrees: 20 degrees from the pole
        (1, 337, 225, 70, 0),  # Greenwich is below the north pole
        (1, 225, 337, 70, 90),
        (-1, 112, 225, -70, 0),
        (-1, 225, 337, -70, 90),
        (-1, 337, 225, -70, 180),
    ],
)
def test_a_polar_view_turns_as_the_globe_seen_from_above(pole, row, column, lat, lng) -> None:
    view = polar_view(pole, 40)
    assert view.lat[row, column] == pytest.approx(lat, abs=0.2)
    assert (view.lng[row, column] - lng + 180) % 360 == pytest.approx(180, abs=1)


def test_the_corners_of_a_polar_view_are_off_the_earth() -> None:
    view = polar_view(1, 30)
    assert np.isnan(view.lat[0, 0])
    assert np.nanmin(view.lat) == pytest.approx(60, abs=0.1)


def test_a_flat_map_is_read_from_the_north_west() -> None:
    view = flat_view(170, 200, -10, 10)
    assert view.lat[0, 0] > view.lat[-1, 0]
    assert view.lng[0, 0] == pytest.approx(170, abs=0.02)
    assert view.lng[0, -1] == pytest.approx(-160, abs=0.02)


@needs_shared_data
@pytest.mark.parametrize(
    ("scene", "shape"),
    [
        ("S3A_OL_2_WFR_20210604T001016_20210604T001316_0179_072_273_1440", (536, 1518)),  # holds the north pole
        ("footprint-facility:test_error_13_01_2025_extracted_142", (536, 1004)),  # crosses the date line
    ],
)
def test_real_scenes_over_a_pole_and_the_date_line_are_drawn(scene, shape) -> None:
    (name,) = (name for name in real_footprints() if name.startswith(scene))
    squares = compress(cover(real_footprints()[name], 0.5))
    assert pixels(draw_codes(squares, title=name)).shape[:2] == shape


# --- counts ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty boxes in two batches, indexed."""
    folder, rng = tmp_path_factory.mktemp("csquares"), np.random.default_rng(11)
    import shapely

    for batch in ("one", "two"):
        corners = rng.uniform([-180, -90], [140, 60], (15, 2)).round(1)
        sizes = rng.choice([0.3, 1.0, 12.0, 30.0], (15, 2))
        boxes = shapely.box(*corners.T, *(corners + sizes).T)
        covers = cover_many(boxes, 0.5)
        write_pairs(folder, batch, [Scene(f"{batch}{n}") for n in range(15)], covers, published_at=NOW)
    rebuild_index(folder)
    return folder


def counted_one_by_one(folder: Path, resolution: float) -> dict[str, int]:
    """Scenes of each square by counting names in sets, from the pairs as text."""
    import pandas as pd

    pairs = pd.read_parquet(folder / "pairs", columns=["scene_id", "csquare"])
    length = {10: 4, 5: 6, 1: 8, 0.5: 10}[resolution]
    held = {
        (scene, code[:length])
        for scene, rows in pairs.groupby("scene_id", observed=True)["csquare"]
        for code in expand(rows.tolist())
    }
    counts: dict[str, int] = {}
    for _, code in held:
        counts[code] = counts.get(code, 0) + 1
    return counts


@pytest.mark.parametrize("resolution", [10, 5, 1, 0.5])
def test_counts_of_scenes_by_square_are_those_of_the_pairs(archive, resolution) -> None:
    from mosaic_assets.core.csquare import level_of
    from mosaic_assets.core.csquare_arrays import codes_of_ids

    counts = scenes_by_square(archive, resolution)
    some = np.flatnonzero(counts)
    codes = codes_of_ids(some, level_of(resolution)).tolist()
    assert dict(zip(codes, counts[some].tolist(), strict=True)) == counted_one_by_one(archive, resolution)


def test_a_scene_withdrawn_is_no_longer_counted(archive, tmp_path) -> None:
    import shutil

    folder = tmp_path / "csquares"
    shutil.copytree(archive, folder)
    (folder / "pairs" / "two.parquet").unlink()
    update_index(folder)
    counts = scenes_by_square(folder, 10)
    assert counts.sum() == sum(counted_one_by_one(folder, 10).values())
    assert 0 < counts.sum() < scenes_by_square(archive, 10).sum()


def test_squares_next_to_each_other_in_different_scenes_count_for_both() -> None:
    # 19 is the first half-degree square of 1000:101 and 23 the second: one 1-degree square, id 1
    assert count_squares([np.array([19, 23]), np.array([23])], 2)[:3].tolist() == [0, 2, 0]


def test_density_is_drawn_over_the_world(archive) -> None:
    empty_part = pixels(density_map(archive))
    assert empty_part.shape == (536, 1004, 3)
    assert len(np.unique(empty_part.reshape(-1, 3), axis=0)) > 1_000


def test_density_at_a_size_that_is_not_indexed_is_refused(archive) -> None:
    with pytest.raises(CodeError, match=r"0\.1 degrees"):
        density_map(archive, resolution=0.1)


def test_density_without_an_index_says_what_to_do(tmp_path) -> None:
    with pytest.raises(DatabaseError, match="there is none yet"):
        density_map(tmp_path)
