"""The Dagster instance of a data home: its folder, its configuration, its first start."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from mosaic_assets.defs import runs
from mosaic_assets.defs.partitions import biome_partitions
from mosaic_assets.errors import MosaicError, StoreError
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import explaining_refusals, holding, make_folder

CONFIG = "dagster.yaml"
WORKSPACE = "workspace.yaml"

_NO_CAPTURE = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}


def instance_folder(settings: Settings) -> Path:
    """``<data home>/dagster``: the DAGSTER_HOME of this data home, with our ``dagster.yaml`` in it.

    A ``dagster.yaml`` that is there already is the user's and stays as it is.
    """
    folder = make_folder(settings.home / "dagster")
    if not (folder / CONFIG).exists():
        with explaining_refusals("writing the Dagster instance's configuration", folder / CONFIG):
            shutil.copyfile(_shipped(CONFIG), folder / CONFIG)
    return folder


def open_instance(settings: Settings, *, capture_output: bool = True) -> dg.DagsterInstance:
    """Open the instance, creating its storage first if need be: two processes creating it at a time would collide.

    Runs that a killed process left open are closed.

    Parameters
    ----------
    capture_output : False leaves standard output and error of runs in this process where they are. Capturing takes
        them to files by helper processes, which hides progress bars and answers Ctrl-C with tracebacks of its own.

    Raises
    ------
    StoreError
        The instance's configuration or its databases cannot be used.
    """
    folder = instance_folder(settings)
    os.environ["DAGSTER_HOME"] = str(folder)
    with holding(folder / ".create.lock", "opening the Dagster instance", wait_s=60), _explaining(folder):
        overrides: dict[str, Any] = {} if capture_output else {"compute_logs": _NO_CAPTURE}
        instance = dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))
        instance.get_runs_count()
        instance.get_dynamic_partitions(str(biome_partitions.name))
        instance.all_instigator_state()
    runs.end_abandoned(instance, locks_folder(settings))
    return instance


@contextlib.contextmanager
def _explaining(folder: Path) -> Iterator[None]:
    """Turn what Dagster and its storage say of an unusable instance into an error that names the remedy."""
    try:
        yield
    except MosaicError:
        raise
    except Exception as error:
        said = str(error)[:500]
        raise StoreError(
            f"opening the Dagster instance in {folder} failed: {said}. Mend its {CONFIG}, or move the folder away: it "
            f"holds the history of runs, and the library stays as it is without it"
        ) from error


def locks_folder(settings: Settings) -> Path:
    """Where processes that execute runs themselves hold their locks."""
    return make_folder(settings.home / "locks")


def _shipped(name: str) -> Path:
    package = Path(__file__).parent
    for candidate in (package / name, package.parent.parent / name):  # installed; checked out
        if candidate.is_file():
            return candidate
    raise StoreError(f"{name} is missing from this installation of mosaic_assets; install it again")


def prepare_for_daemon(settings: Settings, *, start_sensors: bool) -> Path:
    """Make the instance ready for `dagster dev`: storage, the biomes' partitions, sensors switched on.

    Returns
    -------
    The instance's folder, which also holds the workspace file to start with.
    """
    from mosaic_assets.library.biomes import load_biomes

    names = list(load_biomes(settings))
    folder = instance_folder(settings)
    make_folder(settings.inbox)  # so that it is there to drop files in
    with explaining_refusals("writing the Dagster workspace file", folder / WORKSPACE):
        shutil.copyfile(_shipped(WORKSPACE), folder / WORKSPACE)
    with open_instance(settings) as instance:
        instance.add_dynamic_partitions(str(biome_partitions.name), names)
    if start_sensors:
        _start_sensors(folder)
    return folder


def _start_sensors(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "dagster",
        "sensor",
        "start",
        "--start-all",
        "-w",
        str(folder / WORKSPACE),
    ]
    environment = {**os.environ, "DAGSTER_HOME": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise StoreError(
            f"switching the sensors on failed: {done.stderr.strip()[-500:]}; switch them on in the UI instead"
        )
