"""Bytes changed at random in every format: nothing raises, and what is not touched is read."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaic_assets.csquares import cover
from mosaic_assets.csquares.readers import ReadFile, read_scene_file
from mosaic_assets_tests.csquares.readers.test_formats import WRITERS
from mosaic_assets_tests.csquares.readers.test_tables import MANIFEST
from mosaic_assets_tests.csquares.readers.written import SQUARE, collection, feature, ids

FORMATS = [
    "pyogrio GeoJSON",
    "pyogrio lines",
    "pyogrio sequence",
    "geopandas Parquet",
    "pyogrio GeoPackage",
    "csv commas",
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One sound file of each format."""
    found = {"manifest": MANIFEST.encode()}
    for name in FORMATS:
        path = tmp_path_factory.mktemp("sound") / "scenes"
        WRITERS[name][1](path)
        found[name] = path.read_bytes()
    return found


changes = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 8), st.binary(max_size=6)), min_size=1, max_size=12
)
quick = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("name", [*FORMATS, "manifest"])
@quick
@given(changes=changes)
def test_damage_never_raises(
    tmp_path: Path, sound: dict[str, bytes], name: str, changes: list[tuple[float, int, bytes]]
) -> None:
    """Each change takes some bytes out at a place and puts others in."""
    content = sound[name]
    for place, taken, put in changes:
        at = int(place * len(content))
        content = content[:at] + put + content[at + taken :]
    found = read(tmp_path, content)
    assert found.footprints or found.rejected
    assert all(cover(one.geometry, 0.5) for one in found.footprints)
    assert all(one.record.encode() and one.reason.encode() for one in found.rejected)


@given(content=st.binary(max_size=200))
@quick
def test_noise_never_raises(tmp_path: Path, content: bytes) -> None:
    found = read(tmp_path, content)
    assert found.footprints == []
    assert found.rejected


@given(number=st.integers(1, 9), place=st.floats(0, 1, exclude_max=True), put=st.binary(max_size=6))
@quick
def test_damage_to_a_line_costs_that_line(tmp_path: Path, number: int, place: float, put: bytes) -> None:
    lines = [json.dumps(feature(f"s{one}")).encode() for one in range(10)]
    at = int(place * len(lines[number]))
    lines[number] = lines[number][:at] + put.replace(b"\n", b" ").replace(b"\r", b" ") + lines[number][at + 1 :]
    (tmp_path / "x.ndjson").write_bytes(b"\n".join(lines))
    found = read_scene_file(tmp_path / "x.ndjson")
    assert {f"s{one}" for one in range(10) if one != number} <= set(ids(found))


ITEM: dict[str, Any] = {
    "type": "Feature", "stac_version": "1.0.0", "id": "h1awj", "geometry": SQUARE, "collection": "noaa",
    "properties": {"datetime": "2003-06-21T06:23:00Z", "platform": "NOAA-12", "instruments": ["AVHRR"], "providers": [{"name": "x"}],
                   "thumbnail": "t.gif", "ContentDate": {"Start": "2003-06-21"}, "title": "x"},
    "assets": {"visual": {"href": "./v.tif", "roles": ["visual"]}},
    "links": [{"rel": "self", "href": "https://example.org/i"}, {"rel": "license", "href": "l"}],
}  # fmt: skip
ODD: list[Any] = [
    *(
        None,
        True,
        7,
        -1e308,
        float("inf"),
        float("nan"),
        10**400,
        "9" * 5_000,
        "",
        "x",
        "[",
        "{}",
        '{"a": 1}',
        "\ud800",
        "\x00",
    ),
    *(
        [],
        {},
        [[]],
        [{}],
        [1, 2],
        [None],
        {"a": []},
        {"name": {}},
        {"type": "Polygon"},
        {"Start": 7},
        "2020/",
        "EPSG:3857",
    ),
]


def places(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all values inside a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [one for key, inner in items for one in [(*before, key), *places(inner, (*before, key))]]


@given(
    st.lists(
        st.tuples(st.sampled_from(places(collection(ITEM, crs=None))), st.sampled_from(ODD)), min_size=1, max_size=3
    )
)
@quick
def test_values_of_the_wrong_kind_never_raise_and_get_a_reason_of_their_own(
    tmp_path: Path, changes: list[tuple[tuple[Any, ...], Any]]
) -> None:
    value = json.loads(json.dumps(collection(ITEM, crs=None)))
    for way, odd in changes:
        inner = value
        with contextlib.suppress(KeyError, IndexError, TypeError):  # a change before took the place away
            for step in way[:-1]:
                inner = inner[step]
            inner[way[-1]] = odd
    found = read(tmp_path, json.dumps(value).encode())
    assert found.footprints or found.rejected
    assert all(one.record.encode() and one.reason.encode() for one in found.rejected)
    assert not any("it cannot be read" in one.reason for one in found.rejected)


def read(folder: Path, content: bytes) -> ReadFile:
    (folder / "scenes").write_bytes(content)
    return read_scene_file(folder / "scenes")
