"""Cutting what was cut or begun before: nothing twice, nothing half written, nothing of another plan."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mosaic_assets.chips import cut as cutting
from mosaic_assets.chips.cut import cut_region
from mosaic_assets.chips.dataset import make_dataset
from mosaic_assets.chips.ledger import ledger_path
from mosaic_assets.chips.plan_store import as_planned, split_labels
from mosaic_assets.errors import LabelError, MosaicError, SourceError, UnknownNameError
from mosaic_assets_tests.chips.conftest import HEIGHT, WIDTH, cut_all, failing, files_of, scattered, write_raster


def test_nothing_is_fetched_twice(make_chips, monkeypatch):
    settings = make_chips()
    plan, _, _ = cut_all(settings)
    monkeypatch.setattr(cutting, "open_imagery", lambda _: pytest.fail("imagery was opened"))
    again = [cut_region(settings, region) for region in plan.regions]
    assert [(report.cut, report.kept) for report in again] == [(0, report.chips) for report in again]


def test_only_what_is_missing_damaged_or_relabelled_is_cut_again(make_chips):
    settings = make_chips()
    plan, _, _ = cut_all(settings)
    before, own = files_of(settings), [chip for chip in plan.chips if chip.region == plan.regions[0]]
    (settings.chips_folder / own[0].path).unlink()
    (settings.chips_folder / own[1].path).write_bytes(b"damaged")
    assert cut_region(settings, plan.regions[0]).cut == 2
    assert files_of(settings) == before
    labels = scattered(60)
    labels.loc[0, "geometry"] = labels.geometry[0].buffer(10)
    labels.to_file(settings.chips.labels)
    changed = split_labels(settings)
    cut = sum(cut_region(settings, region).cut for region in changed.regions)
    assert 0 < cut < len(changed.chips)


def test_chips_of_an_earlier_plan_go_with_the_next_manifest(make_chips):
    settings = make_chips()
    cut_all(settings)
    fewer = as_planned(settings).model_copy(update={"chips": settings.chips.model_copy(update={"min_label": 0.3})})
    plan, _, report = cut_all(fewer)
    assert report.removed > 0
    assert set(files_of(fewer)) == {chip.path for chip in plan.chips}


def test_plan_of_other_settings_is_not_cut(make_chips):
    settings = make_chips()
    plan = split_labels(settings)
    with pytest.raises(LabelError, match="made with other settings"):
        cut_region(make_chips(overlap=0.5), plan.regions[0])


def test_raster_that_changed_since_the_plan_is_not_cut(make_chips, tmp_path):
    settings = make_chips()
    plan = split_labels(settings)
    write_raster(tmp_path / "raster.tif", np.zeros((3, HEIGHT, WIDTH), np.uint8))
    with pytest.raises(LabelError, match="not that of the plan"):
        cut_region(settings, plan.regions[0])


def test_region_that_is_none_and_data_set_that_is_not_whole_are_refused(make_chips):
    settings = make_chips()
    plan = split_labels(settings)
    with pytest.raises(UnknownNameError, match="region-000"):
        cut_region(settings, "region-999")
    cut_region(settings, plan.regions[0])
    with pytest.raises(LabelError, match=rf"not whole.*{plan.regions[1]}"):
        make_dataset(settings)


def test_torn_line_in_the_ledger_costs_one_chip(make_chips):
    settings = make_chips()
    plan, _, _ = cut_all(settings)
    path = ledger_path(settings.chips_folder, plan.regions[0])
    path.write_bytes(path.read_bytes()[:-40])
    assert cut_region(settings, plan.regions[0]).cut == 1
    assert failing(settings) == []


KILLED = """
import sys, time
from mosaic_assets.chips import cut
from mosaic_assets.settings import load_settings
settings = load_settings(home=sys.argv[1], seed=1, workers=2, chips=eval(sys.argv[2]))
cut.BATCH, encode = 4, cut.encode
def slow(*given):
    time.sleep(0.05)
    return encode(*given)
cut.encode = slow
cut.cut_region(settings, "region-000")
"""


def test_killed_cut_goes_on_and_ends_with_the_same_bytes(make_chips):
    whole, killed = make_chips(home="whole", overlap=0.5), make_chips(home="killed", overlap=0.5)
    cut_all(whole)
    plan = split_labels(killed)
    table = killed.chips.model_dump(mode="json")
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(killed.home), repr(table)], env={**os.environ})
    path = ledger_path(killed.chips_folder, "region-000")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (path.exists() and path.read_text().count("{") >= 8):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    own = [chip for chip in plan.chips if chip.region == "region-000"]
    report = cut_region(killed, "region-000")
    assert 0 < report.kept < len(own)
    assert report.kept + report.cut == len(own)
    for region in plan.regions[1:]:
        cut_region(killed, region)
    make_dataset(killed)
    assert files_of(killed) == files_of(whole)
    assert not list(killed.chips_folder.rglob("*.tmp"))


def test_failure_in_the_middle_keeps_what_is_cut(make_chips, monkeypatch):
    settings = make_chips()
    plan = split_labels(settings)
    calls, encode = [], cutting.encode

    def failing_once(*given):
        calls.append(given)
        if len(calls) == 5:
            raise SourceError("the imagery broke")
        return encode(*given)

    monkeypatch.setattr(cutting, "encode", failing_once)
    with pytest.raises(SourceError, match="broke"):
        cut_region(settings, plan.regions[0])
    assert cut_region(settings, plan.regions[0]).kept == len([c for c in plan.chips if c.region == plan.regions[0]]) - 1


def test_two_processes_do_not_cut_one_region(make_chips):
    from mosaic_assets.store.files import holding

    settings = make_chips()
    plan = split_labels(settings)
    path = ledger_path(settings.chips_folder, plan.regions[0])
    with holding(path.with_suffix(".lock"), "this test"), pytest.raises(MosaicError, match="another process"):
        cut_region(settings, plan.regions[0])
