"""The Dagster instance of a data home: its folder, its configuration, its first start."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg

from mosaic_assets.defs.partitions import biome_partitions
from mosaic_assets.errors import StoreError
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import explaining_refusals, holding, make_folder

CONFIG = "dagster.yaml"
WORKSPACE = "workspace.yaml"


def instance_folder(settings: Settings) -> Path:
    """``<data home>/dagster``: the DAGSTER_HOME of this data home, with our ``dagster.yaml`` in it.

    A ``dagster.yaml`` that is there already is the user's and stays as it is.
    """
    folder = make_folder(settings.home / "dagster")
    if not (folder / CONFIG).exists():
        with explaining_refusals("writing the Dagster instance's configuration", folder / CONFIG):
            shutil.copyfile(_shipped(CONFIG), folder / CONFIG)
    return folder


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the instance, creating its storage first if need be: two processes creating it at a time would collide."""
    folder = instance_folder(settings)
    os.environ["DAGSTER_HOME"] = str(folder)
    with holding(folder / ".create.lock", "opening the Dagster instance", wait_s=60):
        instance = dg.DagsterInstance.from_config(str(folder))
        instance.get_runs_count()
        instance.get_dynamic_partitions(str(biome_partitions.name))
        instance.all_instigator_state()
    return instance


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
