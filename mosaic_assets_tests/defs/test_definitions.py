"""The code location: what it declares, what loading it costs and touches, and the instance it ships."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from mosaic_assets.definitions import build_definitions, defs
from mosaic_assets.defs.instance import open_instance
from mosaic_assets.defs.library_assets import IMAGERY_POOL
from mosaic_assets_tests.defs.conftest import Bench

PROJECT = Path(__file__).resolve().parents[2]

# asset: (kinds, dependencies, its checks with whether they block)
ASSETS = {
    "lab_centroids": ({"numpy", "scikitlearn"}, set(), {"centroids_are_the_published_ones": True}),
    "biomes": ({"python"}, set(), {"biomes_are_places": True}),
    "harvested_tiles": ({"parquet"}, {"lab_centroids", "biomes"}, {"rounds_are_complete": True}),
    "bucketed_library": (
        {"sqlite"},
        {"lab_centroids", "harvested_tiles"},
        {
            "rows_and_files_agree": True,
            "pictures_are_tiles": True,
            "stored_values_are_recomputable": True,
            "no_bucket_exceeds_the_cap": True,
            "no_exact_duplicate_in_a_bucket": True,
            "provenance_is_complete": True,
            "tiles_lie_in_their_biome": True,
            "ledger_adds_up": True,
            "packed_hashes_agree": True,
        },
    ),
    "coverage_report": ({"matplotlib"}, {"bucketed_library"}, {"coverage_target_is_met": False}),
    "scene_inbox": ({"file"}, set(), {}),
    "scene_footprints": ({"parquet"}, {"scene_inbox"}, {"footprints_are_complete": True}),
    "csquare_pairs": ({"parquet"}, {"scene_footprints"}, {"codes_are_valid": True, "covers_equal_geos": True}),
    "library_footprints": ({"parquet"}, {"bucketed_library"}, {"contributions_are_published": True}),
    "csquare_index": (
        {"sqlite"},
        {"csquare_pairs", "library_footprints", "dataset_footprints"},
        {"pairs_and_index_agree": True, "scene_counts_agree": True, "no_scene_is_lost_or_doubled": True},
    ),
}
ASSETS |= {
    "olci_region": ({"file"}, set(), {}),
    "olci_catalog": ({"parquet"}, {"olci_region"}, {"catalogues_are_sound": True}),
    "smcefr_crops": (
        {"parquet", "png"},
        {"olci_catalog"},
        {
            "crops_are_whole": True,
            "crops_are_pictures": True,
            "crop_manifests_are_complete": True,
            "crop_footprints_lie_in_their_scenes": True,
            "crops_belong_to_their_day": True,
            "recipes_give_golden_pixels": True,
        },
    ),
    "smcefr_release": ({"file"}, {"smcefr_crops"}, {"releases_match_their_checksums": True}),
    "cloud_benchmark": (
        {"parquet"},
        {"smcefr_crops"},
        {"clouds_benchmark_is_complete": False, "clouds_scores_are_in_range": True},
    ),
    "denoise_benchmark": (
        {"parquet"},
        {"smcefr_crops"},
        {"noise_benchmark_is_complete": False, "noise_scores_are_in_range": True},
    ),
    "compression_benchmark": (
        {"parquet"},
        {"smcefr_crops"},
        {
            "compression_benchmark_is_complete": False,
            "compression_scores_are_in_range": True,
            "lossless_codecs_lose_nothing": True,
        },
    ),
    "chip_regions": ({"parquet"}, set(), {"every_label_is_planned_for": True}),
    "chips": ({"file"}, {"chip_regions"}, {"chips_are_as_published": True, "image_and_label_are_aligned": True}),
    "chip_dataset": (
        {"parquet"},
        {"chips"},
        {"splits_share_no_pixel": True, "label_pixels_are_accounted_for": True, "manifest_and_chips_agree": True},
    ),
    "gallery_plan": ({"python"}, set(), {}),
    "gallery_tiles": (
        {"sqlite"},
        {"gallery_plan"},
        {
            "gallery_grid_is_recorded": True,
            "every_tile_was_asked_for": True,
            "gallery_has_no_holes": False,
            "every_tile_decodes": True,
            "tile_checksums_agree": True,
        },
    ),
    "query_set": (
        {"csv", "geotiff"},
        {"gallery_tiles"},
        {
            "query_lists_agree_with_tiffs": True,
            "every_query_decodes": True,
            "no_query_overlaps_another_split": True,
            "queries_lie_in_the_gallery": False,
        },
    ),
    "localization_benchmark": (
        {"opencv"},
        {"gallery_tiles", "query_set"},
        {"localization_answers_are_possible": True, "localization_accepts_nothing_that_is_nowhere": False},
    ),
    "dataset_footprints": ({"parquet"}, {"smcefr_crops", "chip_dataset", "query_set", "gallery_tiles"}, {}),
}
GROUPS = {
    "colour_library": {"lab_centroids", "biomes", "harvested_tiles", "bucketed_library", "coverage_report"},
    "smcefr": {"olci_region", "olci_catalog", "smcefr_crops", "smcefr_release"},
    "smcefr_challenges": {"cloud_benchmark", "denoise_benchmark", "compression_benchmark"},
    "chips": {"chip_regions", "chips", "chip_dataset"},
    "gallery": {"gallery_plan", "gallery_tiles", "query_set", "localization_benchmark"},
    "scene_archive": {
        "scene_inbox", "scene_footprints", "csquare_pairs", "library_footprints", "dataset_footprints", "csquare_index",
    },
}  # fmt: skip

HEAVY = (
    "cv2",
    "h5py",
    "imagecodecs",
    "networkx",
    "requests",
    "pandas",
    "geopandas",
    "rasterio",
    "sklearn",
    "skimage",
    "matplotlib",
    "pyarrow",
    "shapely",
    "scipy",
    "PIL",
)

LOAD = """
import json, os, sys
seen = []
home = os.environ["MOSAIC_HOME"]

class Watched(dict):
    def __init__(self, real): super().__init__(real)

def watch(event, arguments):
    if event in ("open", "sqlite3.connect", "os.mkdir", "os.listdir", "os.scandir", "glob.glob"):
        if str(arguments[0]).startswith((home, "mosaic.toml")):
            seen.append([event, str(arguments[0])])
    elif event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
        seen.append([event, str(arguments)])

read = []
environment = type(os.environ)
get = environment.__getitem__
def spy(self, key):
    # The standard library's platform copies the whole environment for a process it starts; that is not reading.
    if str(key).startswith("MOSAIC_") and not sys._getframe(1).f_code.co_filename.endswith("platform.py"):
        read.append(str(key))
    return get(self, key)
environment.__getitem__ = spy
sys.addaudithook(watch)
import mosaic_assets.definitions
print(json.dumps({"seen": seen, "read": read, "modules": sorted(m for m in sys.modules if "." not in m)}))
"""


def node(name: str) -> dg.AssetsDefinition:
    return next(
        asset
        for asset in defs.assets or []
        if isinstance(asset, dg.AssetsDefinition) and asset.key.to_user_string() == name
    )


def test_the_assets_are_these_and_no_others() -> None:
    assert {key.to_user_string() for key in defs.resolve_all_asset_keys()} == set(ASSETS)


@pytest.mark.parametrize("name", ASSETS)
def test_an_asset_declares_everything_a_reader_of_the_ui_wants(name: str) -> None:
    kinds, dependencies, checks = ASSETS[name]
    spec = next(iter(node(name).specs))
    assert name in GROUPS[str(spec.group_name)]
    assert spec.kinds == kinds
    assert list(spec.owners) == ["team:mosaic_assets"]
    assert spec.code_version == "1"
    assert {dependency.asset_key.to_user_string() for dependency in spec.deps} == dependencies
    assert spec.description and len(spec.description) > 40
    graph = defs.resolve_asset_graph()
    found = {
        key.name: graph.get(key).blocking for key in graph.asset_check_keys if key.asset_key.to_user_string() == name
    }
    assert found == checks
    assert all(graph.get(key).description for key in graph.asset_check_keys)


def test_harvests_and_batches_are_partitioned_and_harvests_share_the_pool_of_the_imagery_providers() -> None:
    partitions = {
        name: found.name
        for name in ASSETS
        if isinstance(found := node(name).partitions_def, dg.DynamicPartitionsDefinition)
    }
    assert partitions == {
        "harvested_tiles": "biomes", "scene_footprints": "scene_batches", "csquare_pairs": "scene_batches",
        "chips": "chip_regions", "gallery_tiles": "gallery_zooms",
    }  # fmt: skip
    daily = {name for name in ASSETS if isinstance(node(name).partitions_def, dg.DailyPartitionsDefinition)}
    assert daily == {"olci_catalog", "smcefr_crops"}
    assert {op.pool for op in [node("harvested_tiles").op]} == {IMAGERY_POOL}


def test_jobs_sensors_and_schedules_are_these_and_say_what_they_do() -> None:
    repository = defs.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {
        "setup_library", "harvest_biome", "merge_library", "verify_library",
        "take_scenes", "ingest_batch", "index_footprints",
        "fetch_scenes", "release_scenes", "challenge_benchmarks", "plan_chips", "cut_chips",
        "publish_chips",
        "plan_gallery", "fill_gallery_zoom", "evaluate_gallery",
    }  # fmt: skip
    sensors = {"coverage_sensor", "merge_sensor", "inbox_sensor", "contributions_sensor"}
    assert {sensor.name for sensor in repository.sensor_defs} == sensors
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "weekly_harvest",
        "nightly_checks",
        "daily_scenes",
    }
    for thing in [*repository.sensor_defs, *repository.schedule_defs, *(repository.get_job(name) for name in jobs)]:
        assert thing.description, thing.name


def test_runs_use_one_process() -> None:
    assert defs.executor is dg.in_process_executor
    assert build_definitions(executor=dg.multiprocess_executor).executor is dg.multiprocess_executor


def test_loading_reads_connects_and_imports_nothing_heavy(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "mosaic_library").mkdir(parents=True)
    (tmp_path / "mosaic.toml").write_text("seed = 'wrong'")  # would be refused if it were read
    environment = {**os.environ, "MOSAIC_HOME": str(home), "MOSAIC_SEED": "wrong", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["seen"] == []
    assert found["read"] == []
    assert set(found["modules"]) & set(HEAVY) == set()
    assert list(home.rglob("*")) == [home / "mosaic_library"]


def test_the_workspace_validates_and_leaves_nothing_in_the_project(tmp_path: Path) -> None:
    before = set(PROJECT.iterdir())
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Validation successful for code location mosaic_assets" in done.stderr + done.stdout
    new = {path.name for path in set(PROJECT.iterdir()) - before}
    assert not {name for name in new if not name.endswith("_cache")}


def test_dagster_yaml_says_what_the_pipeline_needs() -> None:
    given = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    # facts measured for this project: without each of these, runs block each other, die unnoticed, or are repeated
    assert given["telemetry"] == {"enabled": False}
    assert given["nux"] == {"enabled": False}
    limits = {limit["key"]: limit for limit in given["concurrency"]["runs"]["tag_concurrency_limits"]}
    assert limits["dagster/partition"] == {
        "key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1,
    }  # fmt: skip
    assert given["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert 2 <= given["concurrency"]["runs"]["max_concurrent_runs"] <= 4
    assert given["run_coordinator"]["config"]["dequeue_interval_seconds"] == 1
    assert given["run_monitoring"]["max_runtime_seconds"] > 0
    assert given["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
    assert given["concurrency"]["pools"]["default_limit"] >= 1
    assert set(given["retention"]) == {"sensor", "schedule"}


def test_the_merge_carries_the_tag_that_dagster_yaml_limits() -> None:
    given = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    limit = next(
        item for item in given["concurrency"]["runs"]["tag_concurrency_limits"] if item["key"] == "mosaic/writes"
    )
    assert defs.resolve_job_def("merge_library").tags["mosaic/writes"] == limit["value"]


def test_an_instance_accepts_our_dagster_yaml_and_keeps_everything_below_the_home(bench: Bench) -> None:
    with open_instance(bench.settings) as instance:
        assert instance.root_directory == str(bench.settings.home / "dagster")
        assert instance.telemetry_enabled is False and instance.nux_enabled is False
        assert instance.run_monitoring_enabled and instance.run_monitoring_max_runtime_seconds > 0
        assert instance.run_retries_enabled
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 2
    assert not list(Path.cwd().glob("history")) and not list(Path.cwd().glob("storage"))


def test_a_dagster_yaml_of_the_user_stays(bench: Bench) -> None:
    folder = bench.settings.home / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with open_instance(bench.settings):
        pass
    assert (folder / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"


def test_a_run_whose_process_died_is_closed_when_the_instance_opens(bench: Bench) -> None:
    from dagster._core.test_utils import create_run_for_test

    from mosaic_assets.defs.instance import locks_folder
    from mosaic_assets.defs.runs import PROCESS_TAG
    from mosaic_assets.store.files import holding

    started = dg.DagsterRunStatus.STARTED
    locks = locks_folder(bench.settings)
    (locks / "dead.lock").touch()
    with open_instance(bench.settings) as instance, holding(locks / "alive.lock", "testing"):
        runs = {
            name: create_run_for_test(instance, job_name="harvest_biome", status=started, tags=tags).run_id
            for name, tags in {
                "dead": {PROCESS_TAG: "dead.lock"}, "vanished": {PROCESS_TAG: "vanished.lock"},
                "alive": {PROCESS_TAG: "alive.lock"}, "the daemon's": {},
            }.items()
        }  # fmt: skip
        with open_instance(bench.settings) as again:
            found = {name: again.get_run_by_id(run_id) for name, run_id in runs.items()}
    assert {name: run.status.value for name, run in found.items() if run} == {
        "dead": "CANCELED", "vanished": "CANCELED", "alive": "STARTED", "the daemon's": "STARTED",
    }  # fmt: skip
