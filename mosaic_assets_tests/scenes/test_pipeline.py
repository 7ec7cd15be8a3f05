"""A day from its catalogue to its crops: little is fetched, every scene ends with an outcome, and nothing is lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from mosaic_assets.errors import BusyError, HomeNotWritableError, SourceError, SourceUnavailableError, StoreError
from mosaic_assets.scenes.access import opening_products
from mosaic_assets.scenes.catalog import publish_catalogue, read_catalogue
from mosaic_assets.scenes.crop_manifest import read_manifest
from mosaic_assets.scenes.days import day_rows, missing_days, scene_rows
from mosaic_assets.scenes.dry_run import planned_requests
from mosaic_assets.scenes.pipeline import DayReport, process_day, process_scene
from mosaic_assets.scenes.records import SceneOutcome, SceneRecord
from mosaic_assets.scenes.synthetic import products_of_day
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.store.files import holding
from mosaic_assets_tests.scenes.copernicus_server import PROJECT, StandIn

DAY = date(2024, 6, 1)
MakeSettings = Callable[..., Settings]


def overwrite(path: Path, content: bytes) -> None:
    """Replace a file without touching the one it is linked to."""
    path.unlink()
    path.write_bytes(content)


def run(settings: Settings, **more: bool) -> DayReport:
    publish_catalogue(settings, DAY)
    return process_day(settings, DAY, **more)


def by_kind(records: tuple[SceneRecord, ...]) -> dict[str, SceneRecord]:
    """Records by the kind of their synthetic scene."""
    kinds = {spec.name.text: spec.kind for spec in products_of_day(DAY, 1)}
    return {kinds[record.name.text]: record for record in records}


def digests(settings: Settings) -> dict[str, str]:
    """SHA-256 of every published file."""
    root = settings.smcefr_folder
    files = [path for path in root.rglob("*") if path.is_file() and path.suffix in (".png", ".parquet")]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_day_at_the_stand_in(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    report = run(settings)
    records = by_kind(report.records)
    assert {kind: record.outcome.value for kind, record in records.items()} == {
        "land": "kept",
        "cloud": "screened_cloud",
        "small": "too_small",
    }
    assert report.bytes_fetched == served.bytes_served == sum(record.bytes_fetched for record in report.records)
    assert {record.source for record in report.records} == {"copernicus"}
    assert len(list(settings.smcefr_folder.glob("2024/*.png"))) == 1
    assert not list((settings.smcefr_folder / "fetching").glob("S3*"))


def test_a_rejected_scene_costs_its_manifest_and_flags(served: StandIn, at_stand_in: MakeSettings) -> None:
    records = by_kind(run(at_stand_in()).records)
    asked = served.counts()["requests"]
    assert asked["Oa08_radiance.nc"] == asked["Oa04_radiance.nc"]
    assert not {"geo_coordinates.nc", "tie_meteo.nc", "time_coordinates.nc"} & set(asked)
    small, cloud = records["small"], records["cloud"]
    manifest = (served.products / small.name.folder / "xfdumanifest.xml").stat().st_size
    flags = (served.products / cloud.name.folder / "qualityFlags.nc").stat().st_size
    assert small.bytes_fetched == manifest
    assert manifest < cloud.bytes_fetched <= manifest + flags + 300_000
    assert max(cloud.bytes_fetched, small.bytes_fetched) < 3_000_000


def test_the_same_day_from_a_folder_has_the_same_crops(
    served: StandIn, at_stand_in: MakeSettings, tmp_path: Path
) -> None:
    far = run(at_stand_in())
    settings = load_settings(home=tmp_path / "near", workers=1, scenes={"source": "folder", "folder": served.products})
    near = run(settings)
    assert [record.sha256 for record in near.records] == [record.sha256 for record in far.records]
    assert [record.numbers for record in near.records] == [record.numbers for record in far.records]


def test_whole_files_give_the_same_crops(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    run(settings)
    before = digests(settings)
    served.start_anew(served.products)
    served.set(ranges=False)
    records = by_kind(process_day(settings, DAY, again=True).records)
    band = served.products / records["land"].name.folder / "Oa08_radiance.nc"
    assert served.counts()["bytes"]["Oa08_radiance.nc"] >= band.stat().st_size
    assert {name: sha for name, sha in digests(settings).items() if name.endswith(".png")} == {
        name: sha for name, sha in before.items() if name.endswith(".png")
    }


def test_what_is_done_is_not_asked_for_again(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    run(settings)
    before, count = digests(settings), served.bytes_served
    again = process_day(settings, DAY)
    assert (again.worked_on, again.bytes_fetched, served.bytes_served) == (0, 0, count)
    assert digests(settings) == before


def test_another_recipe_makes_the_crops_anew(served: StandIn, at_stand_in: MakeSettings) -> None:
    """Scenes that were screened without a crop stay as they are."""
    run(at_stand_in())
    report = process_day(at_stand_in(recipe="smcefr_v1"), DAY)
    assert report.worked_on == 1
    assert {record.recipe for record in report.records if record.outcome is SceneOutcome.KEPT} == {"smcefr_v1"}


def test_a_scene_that_cannot_be_had_leaves_the_day_incomplete(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in(retries=0)
    publish_catalogue(settings, DAY)
    served.set(faults=[{"on": "_SYN_D_NT_004.SEN3)/Nodes(Oa06", "status": 503, "times": 1}])
    with pytest.raises(SourceUnavailableError, match="2024-06-01 is incomplete: 1 of 3 scenes") as raised:
        process_day(settings, DAY)
    assert raised.value.passing
    outcomes = [record.outcome.value for record in read_manifest(settings, DAY)]
    assert sorted(outcomes) == ["screened_cloud", "too_small", "unavailable"]
    report = process_day(settings, DAY)
    assert (report.worked_on, report.kept) == (1, 1)


def test_a_quota_ends_the_day_at_once_and_keeps_what_is_done(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    publish_catalogue(settings, DAY)
    served.set(faults=[{"on": "Oa06", "status": 429, "retry_after": 7_200}])
    with pytest.raises(SourceUnavailableError, match="come back at"):
        process_day(settings, DAY)
    served.set(faults=[])
    report = process_day(settings, DAY)
    assert (report.kept, len(report.records)) == (1, 3)


def test_a_token_that_ends_in_the_middle(served: StandIn, at_stand_in: MakeSettings) -> None:
    """Every token lasts a tenth of a second."""
    served.set(token_life_s=0.1)
    assert run(at_stand_in()).kept == 1


@pytest.mark.parametrize(
    ("file", "content", "outcome"),
    [
        ("xfdumanifest.xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "corrupt"),
        ("xfdumanifest.xml", b"", "corrupt"),
        ("Oa08_radiance.nc", b"no netCDF at all", "checksum"),
        ("qualityFlags.nc", None, "refused"),
        ("instrument_data.nc", None, "refused"),
    ],
)
def test_a_broken_product_costs_no_other(
    served: StandIn, at_stand_in: MakeSettings, file: str, content: bytes | None, outcome: str
) -> None:
    name = next(spec.name for spec in products_of_day(DAY, 1) if spec.kind == "land")
    for other in served.products.glob("*.SEN3"):
        if other.name != name.folder and "_0028_" not in other.name:  # the small one is the quickest companion
            shutil.rmtree(other)
    path = served.products / name.folder / file
    overwrite(path, content) if content is not None else path.unlink()
    records = by_kind(run(at_stand_in()).records)
    assert (records["land"].outcome.value, records["small"].outcome.value) == (outcome, "too_small")
    assert file in records["land"].detail


def test_an_account_that_may_fetch_nothing(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    publish_catalogue(settings, DAY)
    served.set(faults=[{"on": "/Nodes(", "status": 403}])
    with pytest.raises(SourceError, match="all 3 were refused"):
        process_day(settings, DAY)
    served.set(faults=[])
    assert process_day(settings, DAY).kept == 1


def test_a_server_that_goes_away_with_the_account(
    served: StandIn, at_stand_in: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = at_stand_in()
    publish_catalogue(settings, DAY)
    monkeypatch.setenv("CDSE_PASSWORD", "another")
    with pytest.raises(SourceError, match="signing in to Copernicus failed with status 401"):
        process_day(settings, DAY)
    assert read_manifest(settings, DAY) == ()


def test_a_disk_that_refuses(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    publish_catalogue(settings, DAY)
    (settings.smcefr_folder / "2024").write_bytes(b"a file where the year's folder is to be")
    with pytest.raises(HomeNotWritableError):
        process_day(settings, DAY)


def test_a_killed_run_is_gone_on_with(served: StandIn, at_stand_in: MakeSettings) -> None:
    """The process is killed after the first outcome is written; the result is that of a run that was not."""
    settings = at_stand_in(connections=1)
    publish_catalogue(settings, DAY)
    code = (
        "import os, signal, datetime\n"
        "from mosaic_assets.settings import load_settings\n"
        "from mosaic_assets.scenes.pipeline import process_day\n"
        f"settings = load_settings(home={str(settings.home)!r}, scenes={served.scene_settings(connections=1)!r})\n"
        f"process_day(settings, datetime.date.fromisoformat({str(DAY)!r}),\n"
        "            lambda n: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(read_manifest(settings, DAY)) == 1
    report = process_day(settings, DAY)
    assert (report.worked_on, report.kept) == (2, 1)
    whole = digests(settings)
    shutil.rmtree(settings.smcefr_folder)
    run(settings)
    assert digests(settings) == whole


def test_one_process_a_day(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    publish_catalogue(settings, DAY)
    lock = settings.smcefr_folder / "catalog" / f".{DAY}.lock"
    with holding(lock, "a test"), pytest.raises(BusyError, match="working on the scenes of 2024-06-01"):
        process_day(settings, DAY)


def test_a_catalogue_of_another_source_is_refused(served: StandIn, at_stand_in: MakeSettings) -> None:
    publish_catalogue(at_stand_in(), DAY)
    with pytest.raises(StoreError, match=r"of the source copernicus.* --source folder"):
        process_day(at_stand_in(source="folder", folder=served.products), DAY)


def test_a_better_edition_replaces_the_crop(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    run(settings)
    old = next(spec.name for spec in products_of_day(DAY, 1) if spec.kind == "land")
    assert (settings.smcefr_folder / "2024" / f"{old.text}.png").is_file()
    shutil.rmtree(served.products / old.folder)
    report = run(settings)
    assert old.text not in {record.name.text for record in report.records}
    assert not (settings.smcefr_folder / "2024" / f"{old.text}.png").exists()
    assert report.worked_on == 0


def test_a_day_without_scenes(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    report = run(settings)
    assert (report.records, day_rows(settings)[0]["scenes"]) == ((), 0)


def test_a_day_without_a_catalogue(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="mosaic scenes catalog"):
        process_day(load_settings(home=tmp_path), DAY)


def test_the_embedded_source_says_that_it_is_synthetic(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, seed=1)
    rows = publish_catalogue(settings, DAY).rows
    assert all(row.synthetic and row.name.centre == "SYN" for row in rows)
    small = next(row for row in rows if row.name.duration_s < 40)
    with opening_products(settings) as opener:
        record = process_scene(settings, small, opener)
    assert (record.synthetic, record.source, record.outcome.value) == (True, "embedded", "too_small")
    with pytest.raises(StoreError, match="seed = 2"), opening_products(load_settings(home=tmp_path, seed=2)) as opener:
        process_scene(load_settings(home=tmp_path, seed=2), small, opener)


def test_what_is_shown(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in(span_days=3)
    run(settings)
    assert day_rows(settings) == [
        {"day": "2024-06-01", "scenes": 3, "kept": 1, "discarded": 2, "to do": 0, "synthetic": 0}
    ]
    assert len(scene_rows(settings, DAY)) == 3
    assert missing_days(settings, date(2024, 6, 2)) == [date(2024, 6, 2), date(2024, 5, 31)]


def test_a_dry_run_asks_for_what_a_run_asks_for(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    run(settings)
    planned = {one.url.rpartition("Nodes(")[2].removesuffix(")/$value") for one in planned_requests(settings, [DAY])}
    asked = {name for name in served.counts()["requests"] if name.endswith((".nc", ".xml"))}
    assert asked == {name for name in planned if name.endswith((".nc", ".xml"))}


def test_a_catalogue_row_reads_back(served: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    rows = publish_catalogue(settings, DAY).rows
    assert [row.name for row in read_catalogue(settings, DAY)] == [row.name for row in rows]
