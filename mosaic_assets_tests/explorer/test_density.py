from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import requests
import shapely
from PIL import Image

from mosaic_assets.core.csquare_codes import decode
from mosaic_assets.csquares import Scene, cover_many, update_index, write_pairs
from mosaic_assets.csquares.density import densities, scenes_by_square
from mosaic_assets.explorer.links import dataset_of
from mosaic_assets.explorer.search.densities import legend
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.explorer.running import exploring


@pytest.mark.parametrize(
    ("resolution", "size"), [("10", (36, 18)), ("5", (72, 36)), ("1", (360, 180)), ("0.5", (720, 360))]
)
def test_a_pixel_of_the_picture_is_a_square_of_the_grid(
    archive_url: str, resolution: str, size: tuple[int, int]
) -> None:
    asked = {"resolution": resolution, "dataset": "scenes"}
    answer = requests.get(f"{archive_url}/api/density.png", asked, timeout=20)
    said = requests.get(f"{archive_url}/api/density", asked, timeout=20).json()
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    assert (image.size, image.mode) == (size, "P")
    seen = np.asarray(image.convert("RGBA"))
    assert int((seen[..., 3] > 0).sum()) == said["squares"]
    code, most = said["densest"][0]
    square = decode(code)
    row, column = round((90 - square.north) / square.resolution), round((square.west + 180) / square.resolution)
    assert f"#{bytes(seen[row, column, :3]).hex()}" == said["legend"][-1]["colour"]
    assert most == said["most"] == said["legend"][-1]["scenes"]


def test_a_density_counts_what_the_search_finds(archive_url: str) -> None:
    said = requests.get(f"{archive_url}/api/density?resolution=5&dataset=scenes&dataset=tiles", timeout=20).json()
    assert (said["scenes"], said["dataset"]) == (120, ["scenes", "tiles"])
    assert len(said["densest"]) == 20
    for code, count in said["densest"][:5]:
        assert requests.get(f"{archive_url}/api/search?limit=0&code={code}", timeout=20).json()["count"] == count


def test_groups_add_up_to_all(archive_home: Settings) -> None:
    found = densities(archive_home.csquares, 1, dataset_of)
    assert found.scenes == {"scenes": 90, "tiles": 30}
    assert (sum(found.counts.values()) == scenes_by_square(archive_home.csquares, 1)).all()


def test_a_density_follows_the_index(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    place = cover_many([shapely.box(0, 0, 1, 1)], 0.5)
    with exploring(settings) as url:
        for number in (1, 2):
            assert requests.get(f"{url}/api/density", timeout=20).status_code == (404 if number == 1 else 200)
            now = datetime(2024, 1, number, tzinfo=UTC)
            write_pairs(settings.csquares, f"scenes-{number}", [Scene(f"s{number}")], place, published_at=now)
            update_index(settings.csquares)
            said = requests.get(f"{url}/api/density", timeout=20).json()
            assert (said["scenes"], said["most"], said["squares"], said["densest"]) == (
                number,
                number,
                1,
                [["1000:100", number]],
            )


def test_an_empty_density_is_transparent(archive_url: str) -> None:
    said = requests.get(f"{archive_url}/api/density?dataset=chips", timeout=20).json()
    assert (said["most"], said["squares"], said["densest"], said["legend"]) == (0, 0, [], [])
    image = Image.open(io.BytesIO(requests.get(f"{archive_url}/api/density.png?dataset=chips", timeout=20).content))
    assert np.asarray(image.convert("RGBA"))[..., 3].max() == 0


@pytest.mark.parametrize("most", [1, 2, 9, 10, 11, 99_999])
def test_a_legend_goes_from_one_to_the_most(most: int) -> None:
    steps = legend(most)
    assert (steps[0]["scenes"], steps[-1]["scenes"]) == (1, most)
    assert len({step["colour"] for step in steps}) == len(steps)
