from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from mosaic_assets.errors import SettingsError, TermsError, UnknownNameError, ZoomError
from mosaic_assets.settings import load_settings
from mosaic_assets.sources.providers import ESRI_PLACEHOLDER, PRESETS
from mosaic_assets.sources.records import BulkUse
from mosaic_assets.sources.registry import all_records, check_zoom, open_source, source_record

OWN = {
    "kind": "xyz",
    "url": "https://tiles.example.org/{z}/{x}/{y}.png",
    "licence": "CC0",
    "attribution": "me",
    "bulk_use": "allowed",
}


def settings_with(**tables):
    return load_settings(sources=tables)


@pytest.mark.parametrize("name", [*PRESETS])
def test_every_preset_is_complete(name):
    record = source_record(name, load_settings())
    assert record.name == name
    assert record.title and record.licence and record.attribution and record.terms_url
    assert urlsplit(record.url).scheme == "https"
    assert all(part in record.url for part in ("{z}", "{x}", "{y}"))
    assert record.min_zoom <= record.default_zoom <= record.max_zoom
    assert 0 < record.requests_per_s <= 20
    assert record.max_connections <= 8


@pytest.mark.parametrize("name", ["esri_world_imagery", "esri_wayback"])
def test_esri_is_forbidden_and_its_placeholder_known(name):
    record = PRESETS[name]
    assert record.bulk_use is BulkUse.FORBIDDEN
    assert record.placeholder_sha256 == (ESRI_PLACEHOLDER,)
    assert record.repeats_are_placeholders


@pytest.mark.parametrize(
    ("name", "bulk_use"),
    [
        ("usgs", BulkUse.ALLOWED),
        ("ign_france", BulkUse.ALLOWED),
        ("nasa_blue_marble", BulkUse.ALLOWED),
        ("eox_s2cloudless_2016", BulkUse.ASK),
        ("eox_s2cloudless_2020", BulkUse.ASK),
        ("pdok_netherlands", BulkUse.ASK),
        ("basemap_at", BulkUse.ASK),
        ("linz_new_zealand", BulkUse.ASK),
    ],
)
def test_what_a_provider_allows(name, bulk_use):
    assert PRESETS[name].bulk_use is bulk_use


def test_editions_of_one_imagery_share_its_name_and_differ_in_release():
    one, other = PRESETS["eox_s2cloudless_2016"], PRESETS["eox_s2cloudless_2020"]
    assert one.identity[0] == other.identity[0]
    assert one.identity != other.identity


def test_an_unknown_source_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"'usgss'; known are: .*embedded.*mine.*usgs"):
        source_record("usgss", settings_with(mine=OWN))


def test_all_records_hold_embedded_presets_and_tables():
    names = list(all_records(settings_with(mine=OWN)))
    assert {"embedded", "usgs", "mine"} <= set(names)
    assert names == sorted(names)


def test_a_table_defines_a_source():
    record = source_record("mine", settings_with(mine=OWN))
    assert (record.name, record.bulk_use, record.max_connections) == ("mine", BulkUse.ALLOWED, 4)


def test_a_table_changes_only_what_it_names_of_a_preset():
    record = source_record("usgs", settings_with(usgs={"requests_per_s": 2}))
    assert record == PRESETS["usgs"].model_copy(update={"requests_per_s": 2.0})


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"urll": "x"}, "urll"),
        ({"kind": "wms"}, "kind"),
        ({"kind": "embedded"}, "kind"),
        ({"licence": None}, "licence"),
        ({"max_zoom": 99}, "max_zoom"),
        ({"max_zoom": "deep"}, "max_zoom"),
        ({"min_zoom": 9, "max_zoom": 8}, "min_zoom"),
        ({"max_zoom": 8, "default_zoom": 9}, "default_zoom"),
        ({"max_connections": 0}, "max_connections"),
        ({"requests_per_s": 0}, "requests_per_s"),
        ({"bulk_use": "sure"}, "bulk_use"),
        ({"name": "other"}, "name"),
        ({"url": ""}, "url"),
        ({"url": "https://tiles.example.org/{z}/{x}.png"}, "url"),
        ({"url": "https://tiles.example.org/{z}/{x}/{y}/{s}"}, "url"),
        ({"url": "ftp://tiles.example.org/{z}/{x}/{y}"}, "url"),
        ({"url": "http://tiles.example.org:http/{z}/{x}/{y}"}, "url"),
        ({"url": "http://tiles.example.org:70000/{z}/{x}/{y}"}, "url"),
        ({"url": "https:///{z}/{x}/{y}"}, "url"),
        ({"url": "https://[bad/{z}/{x}/{y}"}, "url"),
        ({"url": "https://tiles.example.org/{z}/{x}/{y}?k={key}"}, "key_variable"),
        ({"kind": "raster"}, "paths"),
    ],
)
def test_a_malformed_table_is_refused_by_the_name_of_its_field(change, where):
    with pytest.raises(SettingsError, match=rf"sources\.mine\.{where} "):
        source_record("mine", settings_with(mine=OWN | change))


@pytest.mark.parametrize("field", ["licence", "attribution", "kind"])
def test_a_new_source_must_say_what_it_is(field):
    table = {name: value for name, value in OWN.items() if name != field}
    with pytest.raises(SettingsError, match=rf"sources\.mine\.{field}"):
        source_record("mine", settings_with(mine=table))


def test_a_key_written_into_a_template_is_not_repeated():
    url = "https://tiles.example.org/{z}/{x}?token=s3cret"
    with pytest.raises(SettingsError) as caught:
        source_record("mine", settings_with(mine=OWN | {"url": url}))
    assert "s3cret" not in str(caught.value)


def test_a_default_zoom_that_nobody_chose_moves_into_the_range():
    assert source_record("mine", settings_with(mine=OWN | {"max_zoom": 9})).default_zoom == 9


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("esri_world_imagery", {"bulk_use": "allowed"}),
        ("esri_world_imagery", {"bulk_use": "ask"}),
        ("pdok_netherlands", {"bulk_use": "allowed"}),
        ("usgs", {"kind": "raster", "paths": ["x.tif"]}),
        ("usgs", {"synthetic": True}),
        ("embedded", {"licence": "mine"}),
    ],
)
def test_a_table_cannot_make_a_preset_tell_an_untruth(name, change):
    with pytest.raises(SettingsError, match=rf"sources\.{name}\."):
        source_record(name, settings_with(**{name: change}))


def test_a_table_may_be_stricter_than_the_preset():
    assert source_record("usgs", settings_with(usgs={"bulk_use": "ask"})).bulk_use is BulkUse.ASK


@pytest.mark.parametrize(
    "host", ["server.arcgisonline.com", "wayback-a.maptiles.arcgis.com", "ARCGISONLINE.com", "arcgisonline.com."]
)
def test_a_forbidding_host_stays_forbidding_under_another_name(host):
    url = f"https://{host}/World_Imagery/MapServer/tile/{{z}}/{{y}}/{{x}}"
    assert source_record("mine", settings_with(mine=OWN | {"url": url})).bulk_use is BulkUse.FORBIDDEN


def test_a_host_that_only_ends_alike_is_not_forbidding():
    url = "https://notarcgisonline.com/{z}/{y}/{x}"
    assert source_record("mine", settings_with(mine=OWN | {"url": url})).bulk_use is BulkUse.ALLOWED


@pytest.mark.parametrize("name", ["esri_world_imagery", "esri_wayback", "eox_s2cloudless_2020", "mine"])
def test_terms_must_be_acknowledged_by_name(name):
    table = {field: value for field, value in OWN.items() if field != "bulk_use"}  # nothing said means: ask
    with pytest.raises(TermsError) as caught:
        open_source(name, settings_with(mine=table))
    message = str(caught.value)
    assert f'acknowledged_terms = ["{name}"]' in message
    assert f"--acknowledge {name}" in message
    assert source_record(name, settings_with(mine=table)).terms_url in message
    acknowledged = load_settings(sources={"mine": table}, acknowledged_terms=[name])
    with open_source(name, acknowledged) as source:
        assert source.record.name == name


def test_an_acknowledgement_adds_to_those_there_are():
    with pytest.raises(TermsError, match=r'acknowledged_terms = \["basemap_at", "esri_wayback"\]'):
        open_source("esri_wayback", load_settings(acknowledged_terms=["basemap_at"]))


@pytest.mark.parametrize("zoom", [0, 8])
def test_zooms_at_the_ends_of_the_range_are_inside(zoom):
    assert check_zoom(PRESETS["nasa_blue_marble"], zoom) == zoom


def test_no_zoom_means_the_sources_own():
    assert check_zoom(PRESETS["eox_s2cloudless_2016"], None) == 13


@pytest.mark.parametrize(("name", "zoom"), [("nasa_blue_marble", 9), ("pdok_netherlands", 5)])
def test_a_zoom_out_of_range_is_refused_with_the_range(name, zoom):
    record = PRESETS[name]
    with pytest.raises(ZoomError, match=f"zoom {zoom}, but has zooms {record.min_zoom} to {record.max_zoom}"):
        check_zoom(record, zoom)


def test_opening_checks_the_zoom_of_the_settings():
    with pytest.raises(ZoomError):
        open_source("nasa_blue_marble", load_settings(zoom=15))


def test_opening_a_source_without_its_key_says_which_variable(monkeypatch):
    monkeypatch.delenv("LINZ_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="LINZ_API_KEY"):
        open_source("linz_new_zealand", load_settings(acknowledged_terms=["linz_new_zealand"]))


def test_embedded_opens_without_asking():
    with open_source("embedded", load_settings()) as source:
        assert source.record.synthetic


def test_rasters_need_no_acknowledgement(tmp_path):
    table = {"kind": "raster", "paths": ["*.tif"], "licence": "mine", "attribution": "me"}
    assert source_record("files", settings_with(files=table)).bulk_use is BulkUse.ALLOWED
