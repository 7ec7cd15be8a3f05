"""`mosaic challenges` and the three assets: what a person gets to see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mosaic_assets.cli.challenges import challenges
from mosaic_assets.defs.challenge_assets import CHALLENGE_ASSETS, CHALLENGE_JOBS
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.errors import DataError, UnknownNameError
from mosaic_assets.scenes.challenges import denoiser, restored
from mosaic_assets.scenes.challenges.results import results_path
from mosaic_assets_tests.scenes.challenge_samples import settings_for


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        waves = 120 + 60 * np.sin(np.arange(32) / 5 + number)[:, None, None] * np.ones((1, 32, 3))
        Image.fromarray(waves.astype(np.uint8)).save(folder / f"p{number}.png")
    return folder


def typed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(challenges, list(map(str, arguments)))


def test_pictures_named_on_the_command_line_are_measured_and_shown(pictures: Path) -> None:
    said = typed("compression", pictures / "p0.png", "--methods", "png,jpeg")
    assert said.exit_code == 0
    assert "2 pictures" not in said.output and "1 picture; 6 of 6 measured now" in said.output
    assert said.output.count("jpeg") == 5 and "bits_a_pixel" in said.output


def test_json_has_the_summary_and_every_measurement(pictures: Path) -> None:
    said = typed("noise", pictures / "p0.png", pictures / "p1.png", "--methods", "nothing, median", "--json")
    content = json.loads(said.stdout)
    assert len(content["results"]) == 7 + 5 and len(content["measurements"]) == 2 * 12
    assert {row["picture"] for row in content["measurements"]} == {"p0", "p1"}


def test_plot_and_examples_are_written_where_asked(pictures: Path, tmp_path: Path) -> None:
    plot, examples = tmp_path / "new" / "plot.png", tmp_path / "examples.png"
    said = typed("clouds", pictures / "p0.png", "--plot", plot, "--examples", examples)
    assert said.exit_code == 0, said.output
    for path in (plot, examples):
        with Image.open(path) as drawn:
            assert drawn.format == "PNG"


def test_without_pictures_the_folder_of_the_setting_is_measured_and_kept(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOSAIC_SCENES__CHALLENGE_PICTURES", str(pictures))
    first = typed("clouds", "--home", tmp_path / "home", "--methods", "otsu")
    again = typed("clouds", "--home", tmp_path / "home", "--methods", "otsu")
    assert "2 of 2 measured now" in first.output and "0 of 2 measured now" in again.output
    assert str(tmp_path / "home" / "smcefr" / "challenges" / "clouds.parquet") in again.output


def test_methods_that_do_not_apply_are_said(pictures: Path) -> None:
    said = typed("clouds", pictures / "p0.png")
    assert "idepix_thresholds skipped: needs Oa03, Oa17, land" in said.output


def test_a_failing_method_ends_with_code_1_after_the_table(pictures: Path) -> None:
    with restored():
        denoiser("bad")(lambda degraded: degraded.missing)
        said = typed("noise", pictures / "p0.png", "--methods", "bad,nothing")
    assert said.exit_code == 1
    assert "bad failed: DataError: returned NoneType; expected uint8 (32, 32, 3)" in said.output


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["noise", "absent.png"], DataError),
        (["noise", "--home", "empty"], DataError),
        (["clouds", "absent.png", "--methods", "no_such"], (UnknownNameError, DataError)),
    ],
)
def test_mistakes_are_errors_of_ours(arguments: list[str], error: type[Exception]) -> None:
    assert isinstance(typed(*arguments).exception, error)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["noise", "{picture}", "--methods", ","], "names none"),
        (["clouds", "{picture}", "--methods", "otsu", "--plot", "/proc/plot.png"], "writing /proc/plot.png failed"),
        (["clouds", "{folder}"], "is a directory"),
    ],
)
def test_mistakes_in_options_are_said_in_a_line(pictures: Path, arguments: list[str], said: str) -> None:
    done = typed(*(text.format(picture=pictures / "p0.png", folder=pictures) for text in arguments))
    assert done.exit_code == 2 and said in done.output


def test_the_list_shows_every_challenge() -> None:
    rows = json.loads(typed("list", "--json").output)
    assert {row["challenge"] for row in rows} == {"clouds", "noise", "compression"}
    assert "inpaint_telea" in typed("list").output


def materialized(given: dict[str, Any]) -> dg.ExecuteInProcessResult:
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            CHALLENGE_ASSETS,
            resources={"workbench": Workbench(given)},
            instance=instance,
            raise_on_error=False,
            run_config=quiet,
        )


def test_the_assets_publish_their_files_and_show_tables_and_pictures(pictures: Path, tmp_path: Path) -> None:
    given = {"home": tmp_path / "home", "scenes": {"challenge_pictures": pictures}}
    result = materialized(given)
    assert result.success
    settings = settings_for(tmp_path / "home", pictures)
    for asset, challenge in (("cloud", "clouds"), ("denoise", "noise"), ("compression", "compression")):
        (made,) = result.asset_materializations_for_node(f"{asset}_benchmark")
        assert made.metadata["path"].value == str(results_path(settings, challenge))
        assert made.metadata["measured on"].value == "2 pictures"
        assert made.metadata["failed"].value == 0
        assert isinstance(made.metadata["results"], dg.TableMetadataValue)
        assert str(made.metadata["plot"].value).startswith(f"![{challenge}](data:image/png;base64,")
        assert ("examples" in made.metadata) == (challenge != "compression")


def test_without_crops_the_assets_fail_with_what_to_do(tmp_path: Path) -> None:
    result = materialized({"home": tmp_path / "home"})
    assert not result.success
    failures = [event for event in result.all_events if event.is_step_failure]
    assert len(failures) == 3
    assert all(
        "mosaic scenes fetch" in str(event.step_failure_data.user_failure_data.description) for event in failures
    )


def test_assets_stand_behind_the_crops_and_say_who_they_are() -> None:
    for asset in CHALLENGE_ASSETS:
        (spec,) = asset.specs
        assert [dep.asset_key.to_user_string() for dep in spec.deps] == ["smcefr_crops"]
        assert (spec.group_name, spec.kinds, spec.code_version) == ("smcefr_challenges", {"parquet"}, "1")
        assert spec.description and spec.owners
    assert [job.name for job in CHALLENGE_JOBS] == ["challenge_benchmarks"]
