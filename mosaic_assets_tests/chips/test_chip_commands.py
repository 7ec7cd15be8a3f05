"""`mosaic chips`, and the assets: the same chips, the same words."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from mosaic_assets.chips.chip_checks import CHIP_CHECKS
from mosaic_assets.cli.chips import chips
from mosaic_assets.core.checks import Scope, run_check
from mosaic_assets.defs.chip_assets import CHIP_ASSETS, CHIP_JOBS, PARTITIONS_NAME
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.errors import LabelError

SMALL = {"zoom": 13, "patch": 64, "block": 1, "regions": 2}
"""The embedded default, made small."""


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Type a command; returns its standard output."""
    for name, value in SMALL.items():
        monkeypatch.setenv(f"MOSAIC_CHIPS__{name.upper()}", str(value))
    monkeypatch.setenv("MOSAIC_HOME", str(tmp_path / "home"))

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(chips, arguments)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.stdout

    return run


def test_split_cut_verify_show(typed, tmp_path):
    planned = json.loads(typed("split", "--json"))
    assert planned["synthetic"]
    assert sum(planned["label_pixels"].values()) > 0
    assert "No manifest yet" in typed("cut", "region-000")
    cut = json.loads(typed("cut", "--json"))
    assert [row["kept"] > 0 for row in cut["regions"]] == [True, False]
    assert sum(row["chips"] for row in cut["balance"]) == planned["chips"]
    assert "SYNTHETIC" in typed("cut")
    checks = json.loads(typed("verify", "--json"))
    assert [row["passed"] for row in checks] == [True] * len(CHIP_CHECKS)
    shown = json.loads(typed("show", "--json", "-o", str(tmp_path / "pictures")))
    assert [(tmp_path / "pictures" / name).read_bytes()[:4] for name in ("splits.png", "labels.png")] == [
        b"\x89PNG"
    ] * 2
    assert shown["balance"] == cut["balance"]
    next((tmp_path / "home" / "chips" / "images").rglob("*.tif")).unlink()
    assert "NO" in typed("verify", code=1)


def test_options_of_split_hold_for_cut(typed):
    typed("split", "--patch", "128", "--regions", "1")
    assert [row["region"] for row in json.loads(typed("cut", "--json"))["regions"]] == ["region-000"]


def test_cut_before_split_says_what_to_do(typed):
    with pytest.raises(LabelError, match="run `mosaic chips split`"):
        typed("cut")


@pytest.mark.parametrize("command", [*chips.commands])
def test_every_command_has_help_with_an_example(typed, command):
    assert f"mosaic chips {command}" in typed(command, "--help")


@pytest.fixture
def bench(tmp_path):
    """The chips' own definitions, an instance in memory, and the checks that belong to them."""
    workbench = Workbench(given={"home": tmp_path / "home", "chips": SMALL, "workers": 2})
    definitions = dg.Definitions(
        assets=CHIP_ASSETS, jobs=CHIP_JOBS, resources={"workbench": workbench}, executor=dg.in_process_executor
    )
    with dg.DagsterInstance.ephemeral() as instance:
        yield workbench, definitions, instance


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_job(definitions: Any, instance: Any, name: str, partition: str | None = None) -> Any:
    return definitions.resolve_job_def(name).execute_in_process(
        instance=instance, partition_key=partition, raise_on_error=False, run_config=QUIET
    )


def metadata_of(result: Any, asset: str) -> dict[str, Any]:
    (event,) = [one for one in result.get_asset_materialization_events() if one.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_from_plan_to_data_set_in_dagster(bench):
    workbench, definitions, instance = bench
    planned = metadata_of(run_job(definitions, instance, "plan_chips"), "chip_regions")
    assert planned["synthetic"] is True
    regions = instance.get_dynamic_partitions(PARTITIONS_NAME)
    assert sorted(regions) == ["region-000", "region-001"]
    cut = [metadata_of(run_job(definitions, instance, "cut_chips", region), "chips") for region in regions]
    assert sum(one["dagster/row_count"] for one in cut) == planned["dagster/row_count"]
    made = metadata_of(run_job(definitions, instance, "publish_chips"), "chip_dataset")
    assert made["dagster/row_count"] == planned["dagster/row_count"]
    assert made["chips by split"].startswith("![chips by split](data:image/png;base64,")
    assert made["labels"].startswith("![chips with labels](data:image/png;base64,")
    assert [check.name for check in CHIP_CHECKS if not run_check(check, workbench.settings, Scope.NEWEST).passed] == []


def test_new_plan_takes_away_partitions_that_are_gone(bench):
    _, definitions, instance = bench
    instance.add_dynamic_partitions(PARTITIONS_NAME, ["region-007"])
    assert run_job(definitions, instance, "plan_chips").success
    assert sorted(instance.get_dynamic_partitions(PARTITIONS_NAME)) == ["region-000", "region-001"]


def test_data_set_before_its_regions_fails_with_the_reason(bench):
    _, definitions, instance = bench
    run_job(definitions, instance, "plan_chips")
    result = run_job(definitions, instance, "publish_chips")
    assert not result.success
    (failure,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert "materialize the partitions of chips" in failure.step_failure_data.error.message + str(
        failure.step_failure_data
    )
