"""Running a challenge: what is kept, what is measured again, what is refused, and the checks over it."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mosaic_assets.core.checks import CheckResult, Scope, run_check
from mosaic_assets.errors import BusyError, DataError
from mosaic_assets.scenes.challenges import denoiser, restored
from mosaic_assets.scenes.challenges.benchmark import (
    CHALLENGES,
    measure_pictures,
    published_crops,
    run_challenge,
    subjects,
)
from mosaic_assets.scenes.challenges.checks import ASSETS, CHALLENGE_CHECKS
from mosaic_assets.scenes.challenges.pictures import read_picture, sample_paths
from mosaic_assets.scenes.challenges.publish import publish_challenge
from mosaic_assets.scenes.challenges.records import Degraded, Rgb
from mosaic_assets.scenes.challenges.results import COLUMNS, VERSION, Keeper, read_results, results_path, write_results
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import holding
from mosaic_assets_tests.scenes.challenge_samples import settings_for

TIMES = ("seconds", "encode_mb_s", "decode_mb_s")


def draw(path: Path, seed: int, side: int = 24) -> Path:
    """A smooth picture with some noise, so that mending can help."""
    rng = np.random.default_rng(seed)
    waves = 120 + 60 * np.sin(np.arange(side) / 5 + seed)[:, None, None] + rng.normal(0, 4, (side, side, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(waves.clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two small pictures."""
    for seed in (1, 2):
        draw(tmp_path / "pictures" / f"p{seed}.png", seed)
    return settings_for(tmp_path / "home", tmp_path / "pictures")


def failing(degraded: Degraded) -> Rgb:
    raise ZeroDivisionError("as ever")


def failed(settings: Settings) -> dict[str, str]:
    """Summaries of the checks that fail."""
    results = {check.name: run_check(check, settings, Scope.ALL) for check in CHALLENGE_CHECKS}
    return {name: result.summary for name, result in results.items() if not result.passed}


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_a_second_run_measures_nothing_and_says_the_same(settings: Settings, challenge: str) -> None:
    first, second = run_challenge(settings, challenge), run_challenge(settings, challenge)
    assert first.measured == len(first.rows) > 0
    assert second.measured == 0
    assert second.rows == first.rows
    assert first.path is not None and read_results(first.path, challenge) == first.rows


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_another_home_gives_the_same_numbers_but_for_time(settings: Settings, tmp_path: Path, challenge: str) -> None:
    other = settings_for(tmp_path / "other", tmp_path / "pictures")

    def numbers(of: Settings) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in run_challenge(of, challenge).rows]

    assert numbers(settings) == numbers(other)


def test_a_run_that_is_stopped_keeps_what_it_has_and_the_next_goes_on(settings: Settings) -> None:
    def stop(done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_challenge(settings, "noise", progress=stop)
    assert len(read_results(results_path(settings, "noise"), "noise")) == 7
    done = run_challenge(settings, "noise")
    assert done.measured == len(done.rows) - 7


def test_what_is_measured_is_saved_now_and_then(tmp_path: Path, settings: Settings) -> None:
    row = run_challenge(settings, "clouds", ["otsu"]).rows[0]
    now = [0.0]
    keeper = Keeper(tmp_path / "kept.parquet", "clouds", [], clock=lambda: now[0])
    keeper.add(row)
    assert not (tmp_path / "kept.parquet").exists()
    now[0] = 11.0
    keeper.add(row)
    assert len(read_results(tmp_path / "kept.parquet", "clouds")) == 2


def test_some_methods_are_measured_alone_and_the_others_kept(settings: Settings) -> None:
    everything = run_challenge(settings, "clouds")
    again = run_challenge(settings, "clouds", ["otsu"])
    assert {row["method"] for row in again.rows} == {"otsu"} and again.measured == 0
    assert read_results(results_path(settings, "clouds"), "clouds") == everything.rows


def test_a_changed_picture_is_measured_again_and_its_old_rows_go(settings: Settings, tmp_path: Path) -> None:
    before = run_challenge(settings, "clouds")
    draw(tmp_path / "pictures" / "p1.png", 99)
    after = run_challenge(settings, "clouds")
    assert after.measured == len(before.rows) // 2
    assert len(read_results(results_path(settings, "clouds"), "clouds")) == len(before.rows)


def test_a_mask_put_beside_a_picture_counts_as_a_change(settings: Settings, tmp_path: Path) -> None:
    run_challenge(settings, "clouds")
    Image.new("L", (24, 24), 255).save(tmp_path / "pictures" / "p1.cloud.png")
    after = run_challenge(settings, "clouds", ["otsu"])
    assert after.measured == 1
    assert [row["reference_share"] for row in after.rows] == [1.0, None]


def test_a_picture_under_another_name_is_not_measured_again(settings: Settings, tmp_path: Path) -> None:
    run_challenge(settings, "clouds")
    (tmp_path / "pictures" / "p1.png").rename(tmp_path / "pictures" / "q1.png")
    after = run_challenge(settings, "clouds")
    assert after.measured == 0
    assert {row["picture"] for row in after.rows} == {"q1", "p2"}


def test_a_changed_method_is_measured_again_and_a_failed_one_too(settings: Settings) -> None:
    with restored():
        denoiser("mine", for_kinds=["stripes"])(failing)
        assert len(run_challenge(settings, "noise", ["mine"]).failed) == 2
        assert run_challenge(settings, "noise", ["mine"]).measured == 2
    with restored():
        denoiser("mine", for_kinds=["stripes"])(lambda degraded: degraded.picture)
        assert run_challenge(settings, "noise", ["mine"]).failed == []
        assert run_challenge(settings, "noise", ["mine"]).measured == 0
    with restored():
        denoiser("mine", for_kinds=["stripes"], version="2")(lambda degraded: degraded.picture)
        assert run_challenge(settings, "noise", ["mine"]).measured == 2


def test_another_seed_is_other_noise(settings: Settings) -> None:
    first = run_challenge(settings, "noise", ["nothing"])
    other = run_challenge(settings.model_copy(update={"seed": 5}), "noise", ["nothing"])
    assert other.measured == len(first.rows)
    assert [row["psnr"] for row in other.rows] != [row["psnr"] for row in first.rows]


def test_two_runs_of_a_challenge_do_not_write_the_same_file(settings: Settings) -> None:
    with holding(results_path(settings, "noise").with_suffix(".lock"), "a test"), pytest.raises(BusyError):
        run_challenge(settings, "noise")


def test_named_pictures_are_measured_and_nothing_is_kept(settings: Settings, tmp_path: Path) -> None:
    done = measure_pictures(settings, "clouds", [tmp_path / "pictures" / "p2.png"])
    assert done.path is None and {row["picture"] for row in done.rows} == {"p2"}
    assert not settings.home.exists()


# Which pictures are drawn.


def crops(folder: Path, count: int) -> None:
    for number in range(count):
        draw(folder / "2024" / f"S3A_{number:03d}.png", number, 16)


def test_without_a_folder_a_sample_of_the_published_crops_is_taken(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", challenge_sample=3)
    crops(settings.smcefr_folder, 8)
    (settings.smcefr_folder / "challenges").mkdir()
    draw(settings.smcefr_folder / "challenges" / "noise.png", 0)
    assert len(published_crops(settings)) == 8
    drawn = [subject.name for subject in subjects(settings, "noise")]
    assert len(drawn) == 3 and drawn == [subject.name for subject in subjects(settings, "clouds")]


def test_a_sample_changes_little_when_crops_are_added() -> None:
    paths = [Path(f"{number}.png") for number in range(40)]
    before, after = sample_paths(paths[:39], 10, 1), sample_paths(paths, 10, 1)
    assert len(set(before) & set(after)) >= 9
    assert sample_paths(paths, 10, 2) != after


@pytest.mark.parametrize("make", [None, "empty"])
def test_no_pictures_is_an_error_that_says_where_they_come_from(tmp_path: Path, make: str | None) -> None:
    with pytest.raises(DataError, match=r"no crop|there is none.*mosaic scenes fetch"):
        run_challenge(settings_for(tmp_path / "home"), "noise")
    if make:
        (tmp_path / make).mkdir()
    with pytest.raises(DataError, match=r"no \.png" if make else "no such folder"):
        run_challenge(settings_for(tmp_path / "home", tmp_path / (make or "absent")), "noise")


def encoded(mode: str, size: tuple[int, int], colour: Any = 0, format_: str = "PNG") -> bytes:
    buffer = BytesIO()
    Image.new(mode, size, colour).save(buffer, format_)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "it is no picture"),
        (b"<html>", "it is no picture"),
        (encoded("RGB", (32, 32))[:60], "Truncated|truncated|broken|file"),
        (encoded("RGB", (15, 40)), "it is 15 x 40; expected at least 16"),
        (encoded("RGBA", (32, 32), (1, 2, 3, 200)), "transparent"),
        (encoded("I;16", (32, 32)), "its mode is I;16; expected 8 bits"),
    ],
)
def test_a_file_that_is_no_usable_picture_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        read_picture(tmp_path / "bad.png")


def test_a_picture_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.png failed: No such file"):
        measure_pictures(settings_for(tmp_path), "noise", [tmp_path / "absent.png"])


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", 1)
    Image.new("L", (20, 20)).save(tmp_path / "a.cloud.png")
    with pytest.raises(DataError, match=r"truth of a is \(20, 20\)"):
        measure_pictures(settings_for(tmp_path), "clouds", [tmp_path / "a.png"])


def test_grey_and_palette_pictures_are_read_as_rgb(tmp_path: Path) -> None:
    for mode in ("L", "P", "RGBA"):
        (tmp_path / "a.png").write_bytes(encoded(mode, (20, 18), 7 if mode != "RGBA" else (7, 7, 7, 255)))
        assert read_picture(tmp_path / "a.png").shape == (18, 20, 3)


# The file of measurements.


@pytest.mark.parametrize("spoil", ["cut", "columns"])
def test_a_damaged_file_of_measurements_is_named_with_what_to_do(settings: Settings, spoil: str) -> None:
    path = results_path(settings, "clouds")
    rows = run_challenge(settings, "clouds").rows
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        pq.write_table(pq.read_table(path).drop_columns(["iou"]), path)
    with pytest.raises(DataError, match="Delete the file: the next run measures again"):
        run_challenge(settings, "clouds")
    path.unlink()
    assert len(run_challenge(settings, "clouds").rows) == len(rows)


def test_measurements_of_another_version_are_taken_again(settings: Settings) -> None:
    path = results_path(settings, "clouds")
    run_challenge(settings, "clouds")
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"mosaic_assets.challenge": VERSION + "0"}), path)
    assert run_challenge(settings, "clouds").measured > 0


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_the_file_opens_with_anything_that_reads_parquet(settings: Settings, challenge: str) -> None:
    run_challenge(settings, challenge)
    table = pq.read_table(results_path(settings, challenge))
    assert table.column_names == list(COLUMNS[challenge])
    assert table.schema.field("picture").type == pa.string()


# Checks.


def edited(settings: Settings, challenge: str, **changes: Any) -> None:
    """Write other values into the first row that has the columns filled."""
    path = results_path(settings, challenge)
    rows = read_results(path, challenge)
    row = next(row for row in rows if not row["note"] and all(row[name] is not None for name in changes))
    row.update(changes)
    write_results(path, challenge, rows)


@pytest.fixture(scope="module")
def measured_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured")
    for seed in (1, 2):
        draw(folder / "pictures" / f"p{seed}.png", seed)
    mask = np.zeros((24, 24), np.uint8)
    mask[:12] = 255
    Image.fromarray(mask).save(folder / "pictures" / "p1.cloud.png")
    settings = settings_for(folder / "home", folder / "pictures")
    for challenge in CHALLENGES:
        publish_challenge(settings, challenge)
    return folder


@pytest.fixture
def sound(measured_home: Path, tmp_path: Path) -> Settings:
    shutil.copytree(measured_home, tmp_path / "copy")
    return settings_for(tmp_path / "copy" / "home", tmp_path / "copy" / "pictures")


def test_sound_measurements_pass_every_check(sound: Settings) -> None:
    assert failed(sound) == {}


def test_before_anything_is_measured_every_check_passes(settings: Settings) -> None:
    assert failed(settings) == {}


def test_checks_belong_to_the_assets_and_only_missing_measurements_do_not_block() -> None:
    assert {check.asset for check in CHALLENGE_CHECKS} == set(ASSETS.values())
    assert {check.name for check in CHALLENGE_CHECKS if not check.blocking} == {
        f"{challenge}_benchmark_is_complete" for challenge in CHALLENGES
    }
    assert all(check.description.endswith(".") for check in CHALLENGE_CHECKS)


@pytest.mark.parametrize(
    ("challenge", "changes", "check", "said"),
    [
        ("clouds", {"iou": 1.5}, "clouds_scores_are_in_range", "iou is 1.5"),
        ("clouds", {"hits": 1, "iou": 0.9}, "clouds_scores_are_in_range", "does not follow from its counts"),
        ("noise", {"psnr": -3.0}, "noise_scores_are_in_range", "psnr is -3"),
        ("noise", {"ssim": 1.2}, "noise_scores_are_in_range", "ssim is 1.2"),
        ("compression", {"bytes": 0}, "compression_scores_are_in_range", "bytes is 0"),
        (
            "compression",
            {"lossless": True, "equal": False, "psnr": 60.0},
            "lossless_codecs_lose_nothing",
            "60.00 dB",
        ),
    ],
)
def test_each_damage_is_found_by_its_check(
    sound: Settings, challenge: str, changes: dict[str, Any], check: str, said: str
) -> None:
    edited(sound, challenge, **changes)
    assert said in failed(sound)[check]


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_a_new_picture_makes_the_measurements_incomplete(sound: Settings, challenge: str) -> None:
    assert sound.scenes.challenge_pictures is not None
    draw(sound.scenes.challenge_pictures / "p3.png", 3)
    assert "on p3: not measured" in failed(sound)[f"{challenge}_benchmark_is_complete"]


def test_a_new_method_and_a_failing_one_make_the_measurements_incomplete(sound: Settings) -> None:
    with restored():
        denoiser("mine", for_kinds=["stripes"])(failing)
        assert "mine on p1: not measured" in failed(sound)["noise_benchmark_is_complete"]
        run_challenge(sound, "noise")
        assert "ZeroDivisionError" in failed(sound)["noise_benchmark_is_complete"]


def test_a_file_that_cannot_be_read_fails_its_checks(sound: Settings) -> None:
    results_path(sound, "noise").write_bytes(b"nothing")
    assert set(failed(sound)) == {"noise_benchmark_is_complete", "noise_scores_are_in_range"}


def test_a_check_result_names_few_and_keeps_all(sound: Settings) -> None:
    rows = read_results(results_path(sound, "noise"), "noise")
    write_results(results_path(sound, "noise"), "noise", [{**row, "ssim": 3.0} for row in rows])
    (check,) = (check for check in CHALLENGE_CHECKS if check.name == "noise_scores_are_in_range")
    result: CheckResult = run_check(check, sound, Scope.NEWEST)
    assert result.summary.endswith("; ...") and len(result.details["problems"]) == min(100, len(rows))


# Plots and examples.


def test_published_beside_the_measurements_are_a_plot_and_examples(sound: Settings) -> None:
    folder = results_path(sound, "noise").parent
    assert {path.name for path in folder.glob("*.png")} == {
        "clouds.png", "noise.png", "compression.png", "clouds_examples.png", "noise_examples.png",
    }  # fmt: skip
    for path in folder.glob("*.png"):
        with Image.open(path) as drawn:
            assert min(drawn.size) > 150 and len(drawn.convert("RGB").getcolors(1 << 24) or ()) > 20


def test_the_same_measurements_give_the_same_plot(sound: Settings) -> None:
    path = results_path(sound, "compression").with_suffix(".png")
    before = path.read_bytes()
    assert publish_challenge(sound, "compression").report.measured == 0
    assert path.read_bytes() == before
