"""Commands that make the library grow, as real processes where signals and a second start matter."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mosaic_assets_tests.cli.conftest import COMMAND, SMALL, Grown, Said, Type, environment, run_process

PNG_OR_JPEG = (b"\x89PNG", b"\xff\xd8\xff")


def harvests(said: Said) -> Counter[str]:
    """Rounds that were announced as harvested, by biome."""
    return Counter(re.findall(r"^harvest_biome +(\w+)", said.err, re.MULTILINE))


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def wait_until(happened: Callable[[], object], running: subprocess.Popen[str]) -> None:
    """Wait for a sign of life; the limit is against hanging, not a measurement."""
    deadline = time.monotonic() + 60
    while not happened():
        assert running.poll() is None and time.monotonic() < deadline, "the process ended, or hung, too early"
        time.sleep(0.02)


def test_run_asks_for_rounds_until_the_target_is_met_and_says_so(grown_once: Grown) -> None:
    said, home = grown_once.said, grown_once.folder / "home"
    assert said.code == 0, said.err
    assert "Starting a library" in said.err and "synthetic" in said.err
    assert set(harvests(said)) == {"dallol_here", "amazon_here"}
    assert max(harvests(said).values()) > 1, "no biome was asked for a second round, so the loop was not closed"
    assert "target 61 buckets: met" in said.out
    for name in ("ab_plane.png", "newest_tiles.png", "discovery.png", "fill.png"):
        assert str(home / "reports" / name) in said.out


def test_running_again_goes_on_and_asks_for_nothing(grown: Path, type_command: Type) -> None:
    said = type_command("run", "--json")
    assert said.code == 0 and not harvests(said)
    assert "Going on with the library" in said.err and "Nothing was asked for" in said.err
    assert json.loads(said.out)["target_met"] is True


def test_a_higher_target_goes_on_from_there_until_no_biome_may_bring_more(grown: Path, type_command: Type) -> None:
    before = json.loads(type_command("coverage", "--json").out)
    rounds = max(biome["rounds"] for biome in before["biomes"])
    said = type_command("run", "--json", "--buckets", "4999", "--max-rounds", str(rounds))
    told = json.loads(said.out)
    assert said.code == 1 and told["target_met"] is False
    assert told["asked"] >= before["asked"] and "no biome can bring more" in told["summary"]
    assert {biome["status"] for biome in told["biomes"]} <= {"exhausted", "saturated"}


def test_harvest_takes_the_rounds_asked_for_and_merges_them(folder: Path, type_command: Type) -> None:
    said = type_command("harvest", "dallol_here", "--rounds", "2", "--round-tiles", "20")
    assert said.code == 0 and harvests(said) == {"dallol_here": 2}
    told = json.loads(type_command("coverage", "--json").out)
    assert {biome["biome"]: biome["rounds"] for biome in told["biomes"]} == {"dallol_here": 2, "amazon_here": 0}
    assert told["asked"] == 40 and told["tiles"] > 0


def test_a_failed_merge_is_tried_again_by_the_next_run(folder: Path, type_command: Type) -> None:
    blocked = folder / "home" / "mosaic_library" / "temp"
    blocked.write_text("in the way")  # a permanent failure: the disk refuses the folder
    said = type_command("harvest", "dallol_here", "--round-tiles", "20")
    assert said.code == 1 and "failed merge_library" in said.err and "Stack Trace" not in said.err
    said = type_command("run", "--buckets", "1")
    assert said.code == 1 and not harvests(said)
    blocked.unlink()
    said = type_command("run", "--buckets", "1")
    assert said.code == 0 and "merge_library" in said.err


def test_centroids_lost_from_under_a_library_end_the_run_instead_of_repeating_it(
    grown: Path, type_command: Type
) -> None:
    (grown / "home" / "mosaic_library" / "centroids.npy").unlink()
    said = type_command("run", "--buckets", "4999")
    assert said.code in (1, 2) and said.err.count("failed setup_library") == 1
    assert "centroids.npy is gone" in said.err


def test_ctrl_c_ends_a_run_with_130_and_the_next_one_goes_on(folder: Path, type_command: Type) -> None:
    # Many tiles, so that the harvest is still under way when it is interrupted; all of them go to the same file.
    with process(folder, "run", "--round-tiles", "20000") as running:
        harvest = folder / "home" / "harvest"
        wait_until(lambda: list(harvest.glob("*/.round-*.tmp")), running)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "the same command goes on from there" in err and "Traceback" not in err
    assert err.count("failed") == 0 and out == ""
    assert not [path for path in harvest.rglob("*") if path.is_file()], "an unfinished round left something behind"
    said = type_command("harvest", "dallol_here", "--round-tiles", "20")
    assert said.code == 0 and harvests(said) == {"dallol_here": 1}


def test_a_killed_run_blocks_nobody(folder: Path, type_command: Type) -> None:
    with process(folder, "run", "--round-tiles", "20000") as running:
        wait_until(lambda: list((folder / "home" / "harvest").glob("*/.round-*.tmp")), running)
        running.kill()
    said = type_command("run", "--buckets", "5", "--json")
    assert said.code == 0 and harvests(said) == {"dallol_here": 1, "amazon_here": 1}


def test_serve_tiles_answers_and_stops_on_ctrl_c(folder: Path) -> None:
    with process(folder, "serve-tiles", "--port", "0") as running:
        assert running.stderr
        ready = running.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", ready)
        assert address and "/tile/{z}/{y}/{x}" in ready
        with urllib.request.urlopen(f"{address[0]}/tile/3/2/4", timeout=60) as answer:
            assert answer.status == 200 and answer.read().startswith(PNG_OR_JPEG)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode in (0, 130) and "Traceback" not in out + err


def test_run_without_a_settings_file_of_its_own_takes_options(folder: Path) -> None:
    (folder / "mosaic.toml").rename(folder / "other.toml")
    said = run_process(folder, "coverage", "--json", MOSAIC_CONFIG="other.toml")
    assert said.code == 0 and len(json.loads(said.out)["biomes"]) == SMALL.count("[biomes.")


@pytest.mark.slow
def test_the_instance_is_made_ready_for_the_daemon(make_settings) -> None:
    from mosaic_assets.defs.instance import open_instance, prepare_for_daemon

    settings = make_settings(builtin_biomes=False, biomes={"here": {"box": [0, 0, 1, 1]}})
    prepared = prepare_for_daemon(settings, start_sensors=True)
    assert (prepared / "workspace.yaml").is_file()
    with open_instance(settings) as instance:
        running = {state.name for state in instance.all_instigator_state() if state.is_running}
        assert running == {"coverage_sensor", "merge_sensor", "inbox_sensor", "contributions_sensor"}
        assert instance.get_dynamic_partitions("biomes") == ["here"]
    assert settings.inbox.is_dir()
