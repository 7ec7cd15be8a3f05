"""Releases: what the archive holds, the same bytes for the same crops, and what is not released."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path

import pytest

from mosaic_assets.errors import StoreError, UnknownNameError
from mosaic_assets.scenes.publish import crop_path
from mosaic_assets.scenes.release import publish_release, release_path
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets_tests.scenes.worked_day import Day


@pytest.fixture(scope="module")
def release(day: Day) -> Path:
    return publish_release(day.settings, "full").path


def test_a_release_holds_crops_manifest_card_and_checksums_that_hold(release: Path, day: Day, tmp_path: Path) -> None:
    subprocess.run(["tar", "xzf", release, "-C", tmp_path], check=True)
    folder = tmp_path / "smcefr-full"
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    crops = sorted(f"2024/{day.records[kind].name.text}.png" for kind in ("land", "coast"))
    assert names == sorted(["README.md", "SHA256SUMS", "manifest.parquet", *crops])
    card = (folder / "README.md").read_text()
    assert "2 of the crops are SYNTHETIC" in card


def test_the_same_crops_give_the_same_release(release: Path, day: Day, home: Settings) -> None:
    again = publish_release(home, "full")
    assert again.path.read_bytes() == release.read_bytes()
    assert again.sha256 == hashlib.sha256(release.read_bytes()).hexdigest()
    assert again.crops == again.synthetic == 2
    with tarfile.open(release) as tar:
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in tar} == {(0, 0, "", 0o644)}
    assert publish_release(home, "mini").sha256 != again.sha256  # another folder name inside


def test_a_release_of_nothing_of_a_damaged_crop_or_of_an_unknown_kind_is_refused(
    home: Settings, day: Day, tmp_path: Path
) -> None:
    with pytest.raises(UnknownNameError, match="full, mini"):
        publish_release(home, "huge")
    earlier = publish_release(home, "full").path.read_bytes()
    crop_path(home, day.records["land"]).write_bytes(b"damaged")
    with pytest.raises(StoreError, match="--again"):
        publish_release(home, "full")
    assert release_path(home, "full").read_bytes() == earlier
    with pytest.raises(StoreError, match="mosaic scenes fetch"):
        publish_release(load_settings(home=tmp_path / "empty"), "mini")
