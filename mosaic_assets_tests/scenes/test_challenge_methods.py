"""Methods of one's own: registered by a decorator, named in a setting, and refused with a reason."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mosaic_assets.errors import SettingsError, UnknownNameError
from mosaic_assets.scenes.challenges import cloud_method, codec, denoiser, restored
from mosaic_assets.scenes.challenges.benchmark import measure_pictures, run_challenge
from mosaic_assets.scenes.challenges.registry import CLOUD_METHODS, CODECS, DENOISERS, catalogue, load_methods
from mosaic_assets.scenes.challenges.results import Row
from mosaic_assets_tests.scenes.challenge_samples import settings_for

OWN = '''
from mosaic_assets.scenes.challenges import cloud_method, codec, denoiser

@cloud_method("own_clouds")
def own_clouds(scene):
    """Everything bright."""
    return scene.rgb.min(axis=2) > 128

@denoiser("own_denoiser", for_kinds=["gaussian", "stripes"])
def own_denoiser(degraded):
    return degraded.picture

@codec("own_codec", lossless=True, decode=lambda data: __import__("numpy").frombuffer(data, "u1").reshape(24, 24, 3))
def own_codec(picture, level):
    return picture.tobytes()
'''


@pytest.fixture(autouse=True)
def _forgotten_afterwards() -> Iterator[None]:
    modules = set(sys.modules)
    with restored():
        yield
    for name in set(sys.modules) - modules:
        if name.startswith("own"):
            del sys.modules[name]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 24, 3)).astype(np.uint8)).save(path)
    return path


def rows_of(picture: Path, challenge: str, *names: str) -> list[Row]:
    return measure_pictures(settings_for(picture.parent / "home"), challenge, [picture], names).rows


def test_a_module_named_in_the_setting_is_measured_with_the_others(tmp_path: Path, picture: Path) -> None:
    (tmp_path / "own_methods.py").write_text(OWN)  # the working directory, where mosaic.toml is looked for
    settings = settings_for(tmp_path / "home", picture.parent, challenge_methods=["own_methods"])
    assert "own_clouds" in {row["method"] for row in run_challenge(settings, "clouds").rows}
    noise = run_challenge(settings, "noise", ["own_denoiser", "nothing"]).rows
    own = {row["case"]: row["psnr"] for row in noise if row["method"] == "own_denoiser"}
    assert set(own) == {"gaussian_15", "gaussian_25", "gaussian_50", "stripes"}
    assert own == {row["case"]: row["psnr"] for row in noise if row["method"] == "nothing" and row["case"] in own}
    (row,) = run_challenge(settings, "compression", ["own_codec"]).rows
    assert (row["bits_a_pixel"], row["equal"]) == (24, True)


def test_the_example_of_the_page_works_as_it_stands(tmp_path: Path, picture: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "challenges.md").read_text()
    (example,) = re.findall(r"```python\n# my_methods\.py\n(.*?)```", page, re.DOTALL)
    (tmp_path / "own_example.py").write_text(example)
    load_methods(["own_example"])
    assert [row["note"] for row in rows_of(picture, "clouds", "blue_and_bright")] == ["skipped: needs Oa04"]
    assert {row["note"] for row in rows_of(picture, "noise", "bilateral")} == {""}
    assert [row["equal"] for row in rows_of(picture, "compression", "tiff")] == [True]


def test_the_list_of_methods_says_what_each_does_and_where_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "own_methods.py").write_text(OWN)
    load_methods(["own_methods"])
    listed = {row["method"]: row for row in catalogue()}
    assert listed["own_clouds"] == {
        "challenge": "clouds",
        "method": "own_clouds",
        "for": "any picture",
        "what it does": "Everything bright.",
        "module": "own_methods",
    }
    assert listed["idepix_thresholds"]["for"] == "Oa03, Oa17, land"
    assert listed["jpeg"]["for"].startswith("levels 20, 40")
    assert all(row["what it does"] for row in listed.values() if row["module"].startswith("mosaic_assets"))


@pytest.mark.parametrize(
    ("text", "name", "complaint"),
    [
        (None, "own_absent", "ModuleNotFoundError.*put it in .* or on PYTHONPATH"),
        ("def broken(:", "own_broken", "SyntaxError"),
        ("1 / 0", "own_raising", "ZeroDivisionError"),
        (OWN.replace('"own_clouds"', '"otsu"'), "own_taking", "'otsu' failed: .*clouds.otsu has that name"),
        (OWN.replace('"gaussian", "stripes"', '"fog"'), "own_kind", "fog.*expected a list of names of: gaussian"),
        (OWN.replace('"own_clouds"', '"x", needs=["Oa99"]'), "own_band", "Oa99"),
        (OWN.replace('"own_clouds"', '"x", needs="land"'), "own_text", "expected a list"),
        (OWN.replace("lossless=True", "levels=[]"), "own_levels", "no levels"),
        (None, "../own", "no module name"),
    ],
)
def test_a_module_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, text: str | None, name: str, complaint: str
) -> None:
    if text is not None:
        (tmp_path / f"{name}.py").write_text(text)
    with pytest.raises(SettingsError, match=complaint):
        load_methods([name])


def test_loading_leaves_the_path_of_python_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "own_methods.py").write_text(OWN)
    before = list(sys.path)
    load_methods(["own_methods"])
    assert sys.path == before


def test_an_unknown_method_is_refused_with_the_known_ones(picture: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown denoiser 'nml'; known are: .*nlm"):
        rows_of(picture, "noise", "nml")


def test_a_name_may_be_registered_again_by_the_same_function_only() -> None:
    def register(function: Callable[..., np.ndarray]) -> None:
        cloud_method("mine")(function)

    def first(scene: object) -> np.ndarray:
        return np.zeros((1, 1), bool)

    def second(scene: object) -> np.ndarray:
        return np.zeros((1, 1), bool)

    register(first)
    register(first)
    with pytest.raises(SettingsError, match="choose another"):
        register(second)


def test_a_fingerprint_follows_the_text_of_the_function_and_its_version(tmp_path: Path) -> None:
    found = []
    for text in (OWN, OWN.replace("128", "129"), OWN.replace('"own_clouds"', '"own_clouds", version="2"')):
        with restored():
            (tmp_path / f"own_{len(found)}.py").write_text(text)
            load_methods([f"own_{len(found)}"])
            found.append([register.select(None)[-1].fingerprint for register in (CLOUD_METHODS, DENOISERS, CODECS)])
    clouds, denoisers, codecs = zip(*found, strict=True)
    assert len(set(clouds)) == 3 and len(set(denoisers)) == 1 and len(set(codecs)) == 1
    assert clouds[2].startswith("2-")


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        (lambda picture: picture[:-1], "expected uint8 (24, 24, 3)"),
        (lambda picture: picture / 255, "float64"),
        (lambda picture: picture.tolist(), "list"),
        (lambda picture: picture.fill(0), "read-only"),
        (lambda picture: picture.no_such, "AttributeError"),
    ],
)
def test_a_method_that_fails_leaves_a_note_and_the_others_their_numbers(
    picture: Path, made: Callable[[np.ndarray], np.ndarray], complaint: str
) -> None:
    denoiser("bad", for_kinds=["impulse"])(lambda degraded: made(degraded.picture))
    codec("bad")(lambda picture, level: str(made(picture)) * int(level))
    cloud_method("bad")(lambda scene: made(scene.rgb))
    by_method = {
        row["method"]: row for row in rows_of(picture, "noise", "bad", "median") if row["case"] == "salt_pepper"
    }
    assert complaint in by_method["bad"]["note"] and by_method["bad"]["psnr"] is None
    assert by_method["median"]["note"] == "" and by_method["median"]["psnr"] > 5
    for challenge in ("clouds", "compression"):
        (row,) = rows_of(picture, challenge, "bad")
        assert row["note"].startswith("failed: ")


def test_a_codec_whose_bytes_do_not_decode_leaves_a_note(picture: Path) -> None:
    codec("nonsense")(lambda picture, level: picture.tobytes()[: int(level) + 8])
    (row,) = rows_of(picture, "compression", "nonsense")
    assert row["note"].startswith("failed: UnidentifiedImageError")
