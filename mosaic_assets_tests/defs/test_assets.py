"""The assets as Dagster runs: what they show, how they fail, and whom a failed check stops."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest

from mosaic_assets.definitions import build_definitions
from mosaic_assets.defs.present import PERMANENT_TAG, REASON_TAG, explained_failures
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.errors import MosaicError, SourceUnavailableError, TermsError
from mosaic_assets.library.checks import CHECKS
from mosaic_assets_tests.defs.conftest import Bench, MakeBench


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    """Metadata of every asset that a run materialized."""
    events = result.get_asset_materialization_events()
    return {
        event.asset_key.to_user_string(): {name: entry.value for name, entry in event.materialization.metadata.items()}
        for event in events
        if event.asset_key
    }


def failed_checks(result: dg.ExecuteInProcessResult) -> list[str]:
    return [evaluation.check_name for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]


def tags_of(bench: Bench, result: dg.ExecuteInProcessResult) -> dict[str, str]:
    run = bench.instance.get_run_by_id(result.run_id)
    assert run
    return dict(run.tags)


@pytest.fixture
def harvested(bench: Bench) -> Bench:
    assert bench.run("harvest_biome", "dallol").success
    return bench


def test_setup_publishes_centroids_and_partitions(bench: Bench) -> None:
    result = bench.run("setup_library")
    shown = materialized(result)
    assert result.success and set(shown) == {"lab_centroids", "biomes"}
    assert shown["lab_centroids"]["dagster/row_count"] == 5000
    assert len(str(shown["lab_centroids"]["sha256"])) == 64
    assert set(bench.instance.get_dynamic_partitions("biomes")) == {"dallol", "amazon"}
    assert failed_checks(result) == []


def test_a_harvest_shows_its_figures_and_writes_nothing_but_its_round(bench: Bench) -> None:
    told: list[int] = []
    definitions = build_definitions(Workbench(bench.given, told.append))
    bench.instance.add_dynamic_partitions("biomes", ["dallol"])
    result = definitions.resolve_job_def("harvest_biome").execute_in_process(
        instance=bench.instance, partition_key="dallol"
    )
    shown = materialized(result)["harvested_tiles"]
    assert (shown["dagster/row_count"], shown["round"], shown["source"]) == (20, 1, "embedded")
    assert str(shown["candidates"]).startswith("![candidates of round 1](data:image/png;base64,")
    assert shown["path"] == str(bench.settings.harvest / "dallol" / "round-00001.parquet")
    assert sum(told) == 20
    assert not (bench.settings.library / "tiles.db").exists()


def test_every_materialization_is_a_further_round(harvested: Bench) -> None:
    assert materialized(harvested.run("harvest_biome", "dallol"))["harvested_tiles"]["round"] == 2


def test_the_merge_runs_checks_and_report_and_shows_pictures(harvested: Bench) -> None:
    result = harvested.run("merge_library")
    shown = materialized(result)
    assert result.success and set(shown) == {"bucketed_library", "coverage_report"}
    assert shown["bucketed_library"]["dagster/row_count"] == shown["coverage_report"]["tiles"]
    for name in ("LAB plane", "fill", "discovery"):
        assert "data:image/png;base64," in str(shown["coverage_report"][name])
    ran = {evaluation.check_name for evaluation in result.get_asset_check_evaluations()}
    assert ran == {c.name for c in CHECKS if c.asset in ("harvested_tiles", "bucketed_library", "coverage_report")}


def test_a_failing_blocking_check_of_the_library_stops_the_report(harvested: Bench, monkeypatch) -> None:
    # The picture goes between the merge and its checks, as when a disk loses a file.
    from mosaic_assets.library import pictures

    def lose_a_picture(settings):
        next(settings.library.glob("bucket_*/*.png")).unlink()

    monkeypatch.setattr(pictures, "newest_tiles", lose_a_picture)
    result = harvested.run("merge_library")
    assert not result.success
    assert set(materialized(result)) == {"bucketed_library"}
    assert "rows_and_files_agree" in failed_checks(result)
    assert not (harvested.settings.home / "reports").exists()


def test_a_failing_check_that_only_warns_stops_nothing(harvested: Bench) -> None:
    result = harvested.run("merge_library")
    warning = [e for e in result.get_asset_check_evaluations() if e.check_name == "coverage_target_is_met"]
    assert result.success and not warning[0].passed and warning[0].severity is dg.AssetCheckSeverity.WARN


def cut_off(bench: Bench) -> None:
    path = bench.settings.harvest / "dallol" / "round-00001.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def lose_a_row(bench: Bench) -> None:
    import pyarrow.parquet as pq

    path = bench.settings.harvest / "dallol" / "round-00001.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1).replace_schema_metadata(table.schema.metadata), path)


@pytest.mark.parametrize("damage", [cut_off, lose_a_row])
def test_a_damaged_round_stops_the_merge_before_it_touches_the_library(
    harvested: Bench, damage: Callable[[Bench], None]
) -> None:
    damage(harvested)
    result = harvested.run("merge_library")
    assert not result.success
    assert failed_checks(result) == ["rounds_are_complete"]
    assert materialized(result) == {}
    assert not (harvested.settings.library / "tiles.db").exists()


def test_a_permanent_failure_is_tagged_and_forbids_retries(make_bench: MakeBench) -> None:
    bench = make_bench(source="esri_wayback")
    result = bench.run("harvest_biome", "dallol")
    assert not result.success
    tags = tags_of(bench, result)
    assert tags[PERMANENT_TAG] == "permanent" and "acknowledged_terms" in tags[REASON_TAG]
    failure = result.get_step_failure_events()[0].step_failure_data.user_failure_data
    assert failure and failure.metadata["error"].value == "TermsError"
    with pytest.raises(dg.Failure) as raised:
        materialize_raising(bench)
    assert raised.value.allow_retries is False


def test_a_passing_failure_is_tagged_as_such_and_may_be_retried(bench: Bench, monkeypatch) -> None:
    from mosaic_assets.library import harvest

    def gone(*_: object, **__: object) -> None:
        raise SourceUnavailableError("the server is down")

    monkeypatch.setattr(harvest, "harvest_round", gone)
    result = bench.run("harvest_biome", "dallol")
    tags = tags_of(bench, result)
    assert (tags[PERMANENT_TAG], tags[REASON_TAG]) == ("passing", "the server is down")
    with pytest.raises(dg.Failure) as raised:
        materialize_raising(bench)
    assert raised.value.allow_retries is True


def materialize_raising(bench: Bench) -> None:
    bench.definitions.resolve_job_def("harvest_biome").execute_in_process(
        instance=bench.instance, partition_key="dallol"
    )


@pytest.mark.parametrize(("error", "tries"), [(TermsError, 1), (SourceUnavailableError, 3)])
def test_a_retry_policy_tries_again_only_what_may_pass(error: type[MosaicError], tries: int) -> None:
    """A user who gives our assets, or their own beside them, a policy of Dagster's gets no second try of the hopeless."""
    begun = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def stubborn(context) -> None:
        with explained_failures(context):
            begun.append(context.retry_number)
            raise error("not today")

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([stubborn], instance=instance, raise_on_error=False)
    assert not result.success and len(begun) == tries


@pytest.mark.parametrize("partition", ["atlantis"])
def test_a_partition_that_is_no_biome_of_the_settings_says_so(bench: Bench, partition: str) -> None:
    result = bench.run("harvest_biome", partition)
    assert not result.success and "unknown biome 'atlantis'" in tags_of(bench, result)[REASON_TAG]


def test_a_bug_is_not_dressed_up_as_an_error_of_ours(bench: Bench, monkeypatch) -> None:
    from mosaic_assets.library import harvest

    monkeypatch.setattr(harvest, "harvest_round", lambda *_, **__: 1 / 0)
    result = bench.run("harvest_biome", "dallol")
    assert not result.success and PERMANENT_TAG not in tags_of(bench, result)


def test_regenerating_centroids_that_a_library_uses_is_refused(harvested: Bench) -> None:
    assert harvested.run("merge_library").success
    before = (harvested.settings.library / "centroids.npy").read_bytes()
    config = {"ops": {"lab_centroids": {"config": {"regenerate": True}}}}
    result = harvested.run("setup_library", run_config=config)
    assert not result.success and "refused" in tags_of(harvested, result)[REASON_TAG]
    assert (harvested.settings.library / "centroids.npy").read_bytes() == before
