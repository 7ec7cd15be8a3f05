"""Where pixels of chips come from: made here, tiles of a source, Earth Engine."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio

from mosaic_assets.chips.cut import cut_region
from mosaic_assets.chips.dataset import read_manifest
from mosaic_assets.chips.imagery import open_imagery
from mosaic_assets.chips.plan_store import split_labels
from mosaic_assets.chips.tile_imagery import TileImagery
from mosaic_assets.core.records import Fetched, Outcome
from mosaic_assets.errors import SettingsError, SourceError, SourceUnavailableError
from mosaic_assets.settings import load_settings
from mosaic_assets_tests.chips.conftest import cut_all, failing, scattered


def test_embedded_default_is_cut_offline_and_says_that_it_is_synthetic(tmp_path):
    settings = load_settings(
        home=tmp_path, chips={"class_column": "kind", "zoom": 13, "patch": 64, "regions": 2, "block": 1}
    )
    plan, _, report = cut_all(settings)
    manifest = read_manifest(settings)
    assert report.synthetic
    assert manifest["synthetic"].all()
    assert set(manifest["split"]) == {"train", "validation", "test"}
    assert plan.classes == {"cashew": 1, "maize": 2}
    with rasterio.open(settings.chips_folder / plan.chips[0].path) as dataset:
        assert dataset.tags()["SYNTHETIC"] == "yes"
    assert failing(settings) == []


def test_tiles_of_a_source_of_the_registry_are_cut_alike(make_chips, tmp_path):
    # The source `again` is the small raster, served as tiles at zoom 14.
    labels = scattered(20)
    paths = [str(tmp_path / "raster.tif")]
    again = {"kind": "raster", "paths": paths, "licence": "x", "attribution": "y", "default_zoom": 14}
    raster = make_chips(labels)
    table = raster.chips.model_dump(exclude_unset=True) | {
        "imagery": "xyz",
        "source": "again",
        "zoom": 14,
        "patch": 64,
        "regions": 1,
    }
    settings = load_settings(home=tmp_path / "xyz", sources={"again": again}, chips=table)
    with open_imagery(settings) as imagery:
        assert (imagery.crs, imagery.size, imagery.attribution) == ("EPSG:3857", (256 << 14, 256 << 14), "y")
    plan = split_labels(settings)
    assert all(chip.id.startswith("3857_") for chip in plan.chips)
    # The raster is smaller than a tile, so the source has no whole one: nothing is written, and nothing is black.
    assert {cut_region(settings, region).without_imagery for region in plan.regions} == {len(plan.chips)}


class Unreliable:
    """A tile source that has one tile, fails at another, and knows no other."""

    def __init__(self, outcome):
        from mosaic_assets.sources.embedded import EMBEDDED

        self.record, self._outcome = EMBEDDED, outcome

    def fetch(self, tiles):
        for tile in tiles:
            yield Fetched(tile, None, self._outcome, datetime.now(UTC), detail="as this test wants it")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize(
    ("outcome", "kind"), [(Outcome.FETCH_FAILED, SourceUnavailableError), (Outcome.REFUSED, SourceError)]
)
def test_tile_that_fails_is_no_black_chip(outcome, kind):
    with (
        TileImagery(Unreliable(outcome), 3) as imagery,
        pytest.raises(kind, match="Chips cut so far are kept") as failed,
    ):
        imagery.read(0, 0, 64, 64)
    assert failed.value.passing is (outcome is Outcome.FETCH_FAILED)
    with TileImagery(Unreliable(Outcome.MISSING), 3) as imagery:
        assert np.ma.getmaskarray(imagery.read(0, 0, 64, 64)).all()


def test_window_across_four_tiles_is_the_tiles_side_by_side(tmp_path):
    settings = load_settings(home=tmp_path, chips={"zoom": 2})
    with open_imagery(settings) as imagery:
        across = imagery.read(200, 220, 100, 90)
        corners = [imagery.read(row, column, 256, 256) for row in (0, 256) for column in (0, 256)]
    whole = np.concatenate([np.concatenate(corners[:2], axis=2), np.concatenate(corners[2:], axis=2)], axis=1)
    assert np.array_equal(across, whole[:, 200:300, 220:310])


EARTH_ENGINE = {
    "imagery": "earthengine", "collection": "a/b", "collection_bands": ("B", "G"), "begin": "2021-01-01", "end": "2021-02-01",
    "project": "p", "crs": "EPSG:32734", "grid": (500_000, 6_190_000, 510_000, 6_200_000, 10),
}  # fmt: skip


def test_earth_engine_is_opened_on_the_grid_named_without_a_request():
    with open_imagery(load_settings(chips=EARTH_ENGINE)) as imagery:
        assert (imagery.size, imagery.bands, imagery.transform[:3]) == ((1000, 1000), ("B", "G"), (10, 0, 500_000))
    with pytest.raises(SettingsError, match=r"chips\.project are not set"):
        open_imagery(load_settings(chips=EARTH_ENGINE | {"project": ""}))
    with pytest.raises(SettingsError, match=r"1000\.500 x 1000\.000 pixels"):
        open_imagery(load_settings(chips=EARTH_ENGINE | {"grid": (499_995, 6_190_000, 510_000, 6_200_000, 10)}))
