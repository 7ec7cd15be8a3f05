"""The command line and the assets: what they print and show, and how they fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from click.testing import CliRunner, Result

from mosaic_assets.cli.gallery import gallery
from mosaic_assets.defs.gallery_assets import (
    GALLERY_ASSETS,
    GALLERY_JOBS,
    gallery_plan,
    gallery_tiles,
    localization_benchmark,
    query_set,
)
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.errors import GalleryError
from mosaic_assets.settings import Settings
from mosaic_assets_tests.gallery.conftest import REGION, SHARED_RSLOC, SMALL, needs_rsloc

REGION_OPTION = ["--region", *map(str, REGION)]


def typed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(gallery, [str(one) for one in arguments], catch_exceptions=True)


@pytest.fixture
def home(own: Settings) -> Path:
    return own.home


def test_build_tells_what_it_did_and_does_it_once(tmp_path: Path) -> None:
    first = typed("build", "--home", tmp_path, "--zoom", "13", *REGION_OPTION)
    assert first.exit_code == 0, first.output
    assert "synthetic imagery" in first.stdout and "GoogleCRS84Quad" in first.stdout
    second = json.loads(typed("build", "--home", tmp_path, "--zoom", "13", "--json", *REGION_OPTION).stdout)
    assert second["synthetic"] is True
    assert second["zooms"] == [
        {"zoom": 13, "planned": 4, "there before": 4, "written": 0, "missing": 0, "bytes": 0, "seconds": 0.0}
    ]


def test_a_gallery_in_the_other_grid_is_refused(home: Path) -> None:
    result = typed("build", "--home", home, "--zoom", "13", "--grid", "WebMercatorQuad", *REGION_OPTION)
    assert isinstance(result.exception, GalleryError) and "never mixed" in str(result.exception)


def test_check_lists_every_check_and_ends_with_its_verdict(home: Path) -> None:
    result = typed("check", "--home", home)
    assert result.exit_code == 0 and result.stdout.count("passed") == 9
    next((home / "gallery" / "queries" / "test").glob("*.tiff")).unlink()
    rows = json.loads((failed := typed("check", "--home", home, "--json")).stdout)
    assert failed.exit_code == 1
    assert {row["check"] for row in rows if row["result"] == "failed"} == {
        "query_lists_agree_with_tiffs", "every_query_decodes",
    }  # fmt: skip


@needs_rsloc
def test_a_published_set_is_inspected_and_taken_over(tmp_path: Path) -> None:
    looked = typed("check", SHARED_RSLOC / "RSimages")
    assert looked.exit_code == 1 and "212 of test400 say mapbox" in looked.stdout
    taken = typed("import", SHARED_RSLOC / "RSimages", "--home", tmp_path)
    assert taken.exit_code == 0 and "type in 1 line(s)" in taken.stdout
    assert len(list((tmp_path / "gallery" / "queries").rglob("*.tiff"))) == 5


def test_importing_a_database_wants_its_grid(home: Path, tmp_path: Path) -> None:
    database = home / "gallery" / "gallery.db"
    refused = typed("import", database, "--home", tmp_path / "other")
    assert refused.exit_code == 2 and "give --grid" in refused.output
    taken = typed("import", database, "--home", tmp_path / "other", "--grid", "GoogleCRS84Quad")
    assert "20 tiles taken over" in taken.stdout


def test_export_says_where_and_how(home: Path) -> None:
    result = typed("export", "geopackage", "--home", home, "--zoom", "14")
    assert result.exit_code == 0 and "16 tiles in GoogleCRS84Quad" in result.stdout
    assert (home / "exports" / "gallery.gpkg").is_file()
    told = json.loads(typed("export", "pmtiles", "--home", home, "--json").stdout)
    assert told["grid"] == "WebMercatorQuad" and told["left_out"] > 0


def test_queries_are_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("query_zoom", "query_pixels", "query_count"):
        monkeypatch.setenv(f"MOSAIC_GALLERY__{name.upper()}", str(SMALL[name]))
    monkeypatch.setenv("MOSAIC_GALLERY__REGION", str(list(REGION)))
    told = json.loads(typed("queries", "--home", home, "--json").stdout)
    assert told["synthetic"] is True and set(told["splits"]) == {"test", "tune"}


@pytest.mark.parametrize("command", gallery.commands.values(), ids=gallery.commands)
def test_every_command_has_help_with_an_example(command: Any) -> None:
    assert "Example" in (command.help or "")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


Run = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def run(tmp_path: Path, instance: dg.DagsterInstance) -> Run:
    """Materialize assets over a home of their own."""

    def materialize(*assets: Any, home: Path = tmp_path, partition: str | None = None, **table: Any) -> Any:
        given = {"home": home, "workers": 2, "gallery": {**SMALL, **table}}
        return dg.materialize(
            [*GALLERY_ASSETS],
            selection=list(assets),
            resources={"workbench": Workbench(given)},
            instance=instance,
            partition_key=partition,
            raise_on_error=False,
        )

    return materialize


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    return {name: entry.value for name, entry in event.materialization.metadata.items()}


def test_the_plan_makes_the_partitions(run: Run, instance: dg.DagsterInstance) -> None:
    assert shown(run(gallery_plan))["dagster/row_count"] == 4 + 16
    assert set(instance.get_dynamic_partitions("gallery_zooms")) == {"13", "14"}


def test_a_zoom_shows_its_figures_and_a_picture(run: Run, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("gallery_zooms", ["13"])
    metadata = shown(run(gallery_tiles, partition="13"))
    assert (metadata["dagster/row_count"], metadata["planned"], metadata["missing"]) == (4, 4, 0)
    assert metadata["synthetic"] is True and "data:image/png;base64" in metadata["overview"]


def test_a_users_mistake_fails_without_retries(run: Run, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("gallery_zooms", ["13"])
    result = run(gallery_tiles, partition="13", region=(1, 48, 0, 49))
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    data = failure.step_failure_data.user_failure_data
    assert data is not None and "no area" in str(data.description)


def test_the_query_set_shows_its_splits(run: Run, home: Path) -> None:
    metadata = shown(run(query_set, home=home))
    assert metadata["dagster/row_count"] == 10
    assert "data:image/png;base64" in metadata["queries shown"]


@needs_rsloc
def test_a_given_set_shows_what_was_found_in_it(run: Run) -> None:
    metadata = shown(run(query_set, query_folder=SHARED_RSLOC / "RSimages"))
    found = {row.data["inspection"] for row in metadata["found in the published lists"].records}
    assert "type_matches_name" in found and metadata["synthetic"] is False


def test_the_benchmark_shows_tables_and_plots(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = shown(run(localization_benchmark, home=home, localize_places=1, localize_methods=("edge_clique",)))
    assert {row.data["method"] for row in metadata["measured"].records} == {"edge_clique"}
    assert sum("data:image/png;base64" in str(value) for value in metadata.values()) >= 3
    monkeypatch.setenv("MOSAIC_GALLERY__LOCALIZE_PLACES", "1")
    monkeypatch.setenv("MOSAIC_GALLERY__LOCALIZE_METHODS", '["edge_clique"]')
    monkeypatch.setenv("MOSAIC_GALLERY__QUERY_PIXELS", "128")
    printed = typed("evaluate", "--home", home)  # of the answers that the run kept
    assert printed.exit_code == 0 and "within_25_m" in printed.stdout and "edge_clique" in printed.stdout
    assert len(list((home / "gallery" / "evaluation").glob("*.png"))) >= 3


def test_locate_prints_the_place_and_draws_it(home: Path, tmp_path: Path) -> None:
    query = sorted((home / "gallery" / "queries" / "test").glob("*.tiff"))[0]
    result = typed("locate", query, "--home", home, "--method", "edge_clique", "--picture", tmp_path / "found.png")
    assert result.exit_code == 0, (result.output, result.exception)
    assert "found: lng 0.7" in result.stdout and "m from its own georeferencing" in result.stdout
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")


def test_locating_a_blank_picture_says_so(home: Path, tmp_path: Path) -> None:
    from mosaic_assets.core.imaging import encode_png

    (tmp_path / "blank.png").write_bytes(encode_png(np.full((128, 128, 3), 90, np.uint8)))
    result = typed("locate", tmp_path / "blank.png", "--home", home)
    assert isinstance(result.exception, GalleryError) and "blank" in str(result.exception)


def test_assets_are_described() -> None:
    for asset in GALLERY_ASSETS:
        spec = asset.get_asset_spec()
        assert (spec.group_name, bool(spec.description), bool(spec.owners), bool(spec.kinds)) == (
            "gallery",
            True,
            True,
            True,
        )
    assert {job.name for job in GALLERY_JOBS} >= {"plan_gallery", "fill_gallery_zoom"}
