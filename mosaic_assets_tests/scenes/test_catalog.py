"""The catalogue of a day: searched in pages and slices, one edition a scene, published whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import shapely

from mosaic_assets.errors import SettingsError, SourceError, SourceUnavailableError, StoreError
from mosaic_assets.scenes.catalog import catalogue_path, catalogued_days, publish_catalogue, read_catalogue, search_day
from mosaic_assets.scenes.region import load_region, rings_to_search
from mosaic_assets.settings import Settings, load_settings
from mosaic_assets.sources.copernicus import open_catalogue, search
from mosaic_assets_tests.scenes.copernicus_server import StandIn, write_plain_product

DAY = date(2024, 6, 1)
WORLD = "POLYGON ((-180 -90, 180 -90, 180 90, -180 90, -180 -90))"
MakeSettings = Callable[..., Settings]


def product_name(second: int, frame: int = 1, timeliness: str = "NT", collection: str = "004") -> str:
    """A product of `DAY` that started so many seconds after midnight."""
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC) + timedelta(seconds=second)
    stamps = "_".join(f"{start + timedelta(seconds=more):%Y%m%dT%H%M%S}" for more in (0, 180, 4000))
    return f"S3A_OL_1_EFR____{stamps}_0180_077_334_{frame:04d}_PS1_O_{timeliness}_{collection}"


def named(*names: str) -> list[str]:
    return [name + ".SEN3" for name in names]


def test_all_pages_are_followed(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    stand_in.set(names=named(*(product_name(n) for n in range(35))), page=10)
    report = search_day(at_stand_in(), DAY)
    assert [row.name.text for row in report.rows] == [product_name(n) for n in range(35)]
    assert stand_in.counts()["requests"]["search"] == 4


def test_a_day_beyond_the_limit_of_paging_is_cut_by_time(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    """12,000 products: more than any paging gives."""
    settings = at_stand_in()
    stand_in.set(names=named(*(product_name(n * 7) for n in range(12_000))))
    midnight = datetime(2024, 6, 1, tzinfo=UTC)
    found = list(
        search(open_catalogue(settings), settings.scenes.catalogue_url, WORLD, midnight, midnight + timedelta(days=1))
    )
    assert len({product.name for product in found}) == len(found) == 12_000


def test_one_edition_of_a_scene_is_kept(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    editions = [product_name(5, timeliness="NR"), product_name(5, collection="003"), product_name(5)]
    stand_in.set(names=named(*editions, product_name(9), "S3A_OL_2_LFR____20240601T000100_and_more"))
    report = search_day(at_stand_in(), DAY)
    assert [row.name.text for row in report.rows] == [product_name(5), product_name(9)]
    assert (report.found, report.superseded, report.unreadable) == (
        5,
        2,
        ("S3A_OL_2_LFR____20240601T000100_and_more.SEN3",),
    )


def test_only_scenes_that_start_in_the_day(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    stand_in.set(names=named(product_name(-1), product_name(0), product_name(86_399), product_name(86_400)))
    assert [row.name.text for row in search_day(at_stand_in(), DAY).rows] == [product_name(0), product_name(86_399)]


def test_a_day_without_scenes_is_published_empty(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    report = publish_catalogue(settings, DAY)
    assert report.path is not None
    assert report.path.is_file()
    assert read_catalogue(settings, DAY) == []
    assert catalogued_days(settings) == [DAY]


def test_the_same_answer_gives_the_same_bytes(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    stand_in.set(names=named(product_name(5), product_name(9)))
    digests = []
    for _ in range(2):
        path = publish_catalogue(settings, DAY).path
        assert path is not None
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    rows = read_catalogue(settings, DAY)
    assert [row.name.text for row in rows] == [product_name(5), product_name(9)]
    assert [row.source for row in rows] == ["copernicus"] * 2


@pytest.mark.parametrize("link", ["http://127.0.0.1:9/odata/v1/Products?$skip=1", "https://elsewhere.example/p", "7"])
def test_a_next_page_elsewhere_is_not_followed(stand_in: StandIn, at_stand_in: MakeSettings, link: str) -> None:
    stand_in.set(names=named(*(product_name(n) for n in range(3))), page=2, next_link=link)
    with pytest.raises(SourceError, match="another host"):
        search_day(at_stand_in(), DAY)


def test_pages_that_lead_in_circles_end(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    names = named(*(product_name(n) for n in range(3)))
    circle = f"{stand_in.url}/odata/v1/Products?$filter=Start%20ge%202024%20lt%209999&$top=2"
    stand_in.set(names=names, page=2, next_link=circle)
    with pytest.raises(SourceError, match="again"):
        search_day(at_stand_in(), DAY)


def test_fewer_products_than_counted_are_not_taken_for_all(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    settings = at_stand_in()
    stand_in.set(names=named(product_name(5)), count_more=1)
    with pytest.raises(SourceUnavailableError, match="counted 2 products and gave 1"):
        publish_catalogue(settings, DAY)
    assert not catalogue_path(settings, DAY).exists()


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"status": 503}, SourceUnavailableError, "status 503"),
        ({"status": 200, "body": "<html>"}, SourceError, "no OData page"),
        ({"status": 200, "body": '{"value": [{"Id": "x", "Name": "y"}]}'}, SourceError, "Id 'x'"),
        ({"status": 200, "body": '{"value": [7]}'}, SourceError, "Id None"),
        ({"status": 200, "body": "[" * 100_000}, SourceError, "no OData page"),
        ({"status": 403, "body": "no"}, SourceError, "status 403"),
        ({"status": 429, "retry_after": 90_000}, SourceUnavailableError, "come back at"),
        ({"status": 302, "location": "https://elsewhere.example/"}, SourceError, "another host"),
    ],
)
def test_a_catalogue_that_fails_is_an_error_in_words(
    stand_in: StandIn, at_stand_in: MakeSettings, fault: dict[str, object], error: type[SourceError], words: str
) -> None:
    settings = at_stand_in(retries=1)
    stand_in.set(faults=[{"on": "/Products?", **fault}])
    with pytest.raises(error, match=words) as raised:
        publish_catalogue(settings, DAY)
    assert raised.value.passing == (error is SourceUnavailableError)
    assert not catalogue_path(settings, DAY).exists()


def test_a_passing_failure_is_tried_again(stand_in: StandIn, at_stand_in: MakeSettings) -> None:
    stand_in.set(
        names=named(product_name(5)),
        faults=[
            {"on": "/Products?", "status": 502, "times": 1},
            {"on": "/Products?", "status": 429, "retry_after": 0, "times": 1},
        ],
    )
    assert len(search_day(at_stand_in(), DAY).rows) == 1


def folder_settings(tmp_path: Path, **scenes: object) -> Settings:
    return load_settings(home=tmp_path / "home", scenes={"source": "folder", "folder": tmp_path / "products", **scenes})


def test_a_folder_of_products(tmp_path: Path) -> None:
    """One over South America, one over Siberia, one with a broken manifest, one of another day, one of another kind."""
    products = tmp_path / "products"
    write_plain_product(products, product_name(1), {"a.nc": b"12345"})
    write_plain_product(products, product_name(2), {"a.nc": b"12345"}, ring="60 90 60 99 70 99 70 90 60 90")
    broken = write_plain_product(products, product_name(3), {"a.nc": b"12345"})
    (broken / "xfdumanifest.xml").write_bytes(b"<no")
    write_plain_product(products, product_name(90_000), {"a.nc": b"12345"})
    (products / "S3A_SL_1_RBT____20240601.SEN3").mkdir()
    report = publish_catalogue(folder_settings(tmp_path), DAY)
    assert [row.name.text for row in report.rows] == [product_name(1), product_name(3)]
    assert (report.outside, report.unreadable) == (1, ("S3A_SL_1_RBT____20240601.SEN3",))
    first, second = read_catalogue(folder_settings(tmp_path), DAY)
    assert first.footprint is not None
    assert first.footprint.equals(shapely.box(-60, 0, -50, 10))
    assert (first.size_bytes, second.footprint) == (5, None)


@pytest.mark.parametrize("folder", [None, "nowhere"])
def test_a_folder_that_is_not_there(tmp_path: Path, folder: str | None) -> None:
    with pytest.raises(SettingsError, match=r"scenes\.folder"):
        search_day(folder_settings(tmp_path, folder=folder), DAY)


def test_no_catalogue_and_a_damaged_one(tmp_path: Path) -> None:
    settings = folder_settings(tmp_path)
    with pytest.raises(StoreError, match="mosaic scenes catalog --day 2024-06-01"):
        read_catalogue(settings, DAY)
    path = catalogue_path(settings, DAY)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(StoreError, match="is damaged"):
        read_catalogue(settings, DAY)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "no GeoJSON object"),
        ('{"type": "Point", "coordinates": [1, 2]}', "no polygon"),
        ('{"type": "Polygon", "coordinates": [[[0, 0], [900, 0], [900, 9], [0, 0]]]}', "out of the world"),
        ('{"type": "Polygon", "coordinates": "no"}', "unusable"),
        ('{"type": "FeatureCollection", "features": [5]}', "no polygon"),
    ],
)
def test_a_region_that_is_none(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "region.geojson"
    path.write_text(content)
    with pytest.raises(SettingsError, match=words):
        load_region(folder_settings(tmp_path, region=path))


def test_a_region_of_ones_own_leaves_scenes_out(tmp_path: Path) -> None:
    path = tmp_path / "region.geojson"
    path.write_text(
        json.dumps({"type": "Feature", "geometry": json.loads(shapely.to_geojson(shapely.box(0, 0, 9, 9)))})
    )
    write_plain_product(tmp_path / "products", product_name(1), {"a.nc": b"12345"})
    assert search_day(folder_settings(tmp_path, region=path), DAY).outside == 1


def test_a_detailed_region_is_searched_by_what_holds_it() -> None:
    coast = shapely.Point(0, 0).buffer(10, quad_segs=100)
    (ring,) = rings_to_search(coast, 50)
    assert shapely.from_wkt(ring).contains(coast.buffer(-1e-5))


@pytest.mark.parametrize(
    ("lng", "lat", "inside"),
    [
        (-149.9, 61.2, True),
        (-99.1, 19.4, True),
        (-34.9, -8.05, True),
        (-68.3, -54.8, True),
        (-9.1, 38.7, False),
        (139.7, 35.7, False),
    ],
)  # Anchorage, Mexico City, Recife, Ushuaia; Lisbon, Tokyo
def test_the_americas(lng: float, lat: float, inside: bool) -> None:
    assert load_region(load_settings()).contains(shapely.Point(lng, lat)) == inside
