"""Files of labels, good and bad: what is read, mended, ignored, dropped and refused."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pytest
from shapely import Point, Polygon, box
from shapely.geometry import GeometryCollection, LineString, MultiPolygon

from mosaic_assets.chips.labels import load_labels
from mosaic_assets.chips.plan_store import split_labels
from mosaic_assets.errors import LabelError, MosaicError, SettingsError, SourceError
from mosaic_assets_tests.chips.conftest import CRS, HEIGHT, LEFT, TOP, ground, scattered, write_raster
from mosaic_assets_tests.conftest import SHARED_DATA, needs_shared_data

BOW = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
"""Crosses itself: two triangles of a quarter each."""


def on_raster(shape):
    """A shape of the unit square, put on 20 by 20 pixels of the raster."""
    from shapely.affinity import affine_transform

    return affine_transform(shape, [200, 0, 0, 200, LEFT + 300, TOP - 500])


def rejected(labels):
    return [(reject.row, reject.action) for reject in labels.rejects]


@pytest.mark.parametrize("ending", ["geojson", "gpkg", "parquet", "shp", "json"])
def test_every_format_gives_the_same_polygons(make_chips, tmp_path, ending):
    frame = scattered(12)
    path = tmp_path / f"labels.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending == "json":  # a bare list of Features, which GDAL refuses
        path.write_text(json.dumps(json.loads(frame.to_crs("OGC:CRS84").to_json())["features"]))
    else:
        (frame.to_crs("OGC:CRS84") if ending == "geojson" else frame).to_file(path)
    labels = load_labels(make_chips(path).chips, CRS)
    found = labels.frame.sort_values("number").geometry
    assert labels.found == 12
    assert np.allclose(found.area, frame.area, rtol=1e-6)
    assert np.allclose(found.bounds, frame.bounds, atol=1e-3)


@needs_shared_data
def test_bare_list_that_gdal_refuses_is_read(make_chips):
    settings = make_chips(SHARED_DATA / "malformed" / "features_as_bare_list.json")
    labels = load_labels(settings.chips, "EPSG:32610")
    assert labels.found == 340
    # AREA in the file is in square metres, measured by those who made it; some polygons were cut afterwards.
    areas = [feature["properties"]["AREA"] for feature in json.loads(settings.chips.labels.read_text())]
    ratio = labels.frame.sort_values("number").area.to_numpy() / areas
    assert np.median(ratio) == pytest.approx(1, abs=2e-3)


def test_labels_without_crs_are_refused_until_it_is_said(make_chips, tmp_path):
    path = tmp_path / "no_crs.shp"
    with pytest.warns(UserWarning, match="crs"):
        scattered(5).set_crs(None, allow_override=True).to_file(path)
    with pytest.raises(LabelError, match=r"have no CRS.*chips\.label_crs"):
        load_labels(make_chips(path).chips, CRS)
    assert len(load_labels(make_chips(path, label_crs=CRS).chips, CRS).frame) == 5
    with pytest.raises(LabelError, match="is no CRS"):
        load_labels(make_chips(path, label_crs="EPSG:1").chips, CRS)


def test_geojson_in_metres_is_refused_until_its_crs_is_said(make_chips, tmp_path):
    path = tmp_path / "metres.geojson"
    features = json.loads(scattered(5).to_json())["features"]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(LabelError, match="no degrees"):
        load_labels(make_chips(path).chips, CRS)
    assert len(load_labels(make_chips(path, label_crs=CRS).chips, CRS).frame) == 5


def test_invalid_empty_and_mixed_geometries_have_a_row_each(make_chips, tmp_path):
    shapes = [
        on_raster(BOW),
        None,
        Polygon(),
        on_raster(Point(0.5, 0.5)),
        on_raster(LineString([(0, 0), (1, 1)])),
        on_raster(GeometryCollection([box(0, 0, 0.5, 0.5), Point(2, 2)])),
        on_raster(MultiPolygon([box(0, 0, 0.2, 0.2), box(0.5, 0.5, 1, 1)])),
    ]
    path = tmp_path / "mixed.parquet"
    gpd.GeoDataFrame(geometry=shapes, crs=CRS).to_parquet(path)
    labels = load_labels(make_chips(path).chips, CRS)
    assert rejected(labels) == [
        (0, "repaired"),
        (1, "dropped"),
        (2, "dropped"),
        (3, "dropped"),
        (4, "dropped"),
        (5, "repaired"),
    ]
    areas = dict(zip(labels.frame["number"], labels.frame.area, strict=True))
    # By hand, of the square of 200 m: two triangles of a quarter, a quarter, and 0.04 + 0.25.
    assert areas == pytest.approx({0: 20_000, 5: 10_000, 6: 11_600})


def test_malformed_geometry_costs_no_other_label(make_chips, tmp_path):
    path = tmp_path / "broken.geojson"
    good = json.loads(scattered(2).to_crs("OGC:CRS84").to_json())["features"]
    bad = [{"type": "Feature", "properties": None, "geometry": {"type": "Polygon", "coordinates": "here"}}]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": good + bad}))
    assert rejected(load_labels(make_chips(path).chips, CRS)) == [(2, "dropped")]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.geojson", "not json", "reading labels"),
        ("a.geojson", '{"type": "Point"}', "neither a FeatureCollection"),
        ("a.json", "[1, 2]", "no Feature"),
        ("a.geojson", '{"type": "FeatureCollection", "features": []}', "the file is empty"),
        ("a.gpkg", "nothing", "reading labels"),
        ("a.parquet", "nothing", "reading labels"),
        ("a.csv", "x,y", "is unknown"),
    ],
)
def test_file_that_is_no_label_file_is_refused_by_name(make_chips, tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(LabelError, match=says) as refused:
        load_labels(make_chips(tmp_path / name).chips, CRS)
    assert name in str(refused.value)


def test_absent_file_is_refused(make_chips, tmp_path):
    with pytest.raises(LabelError, match="does not exist"):
        load_labels(make_chips(tmp_path / "gone.gpkg").chips, CRS)


def test_values_become_classes_in_alphabetical_order(make_chips):
    labels = load_labels(make_chips(scattered(30), class_column="kind").chips, CRS)
    assert labels.classes == {"field": 1, "hut": 2}


def test_value_that_the_map_lacks_is_ignored_not_background(make_chips):
    labels = load_labels(make_chips(scattered(30), class_column="kind", classes={"hut": 7}).chips, CRS)
    assert set(labels.frame["label"]) == {7, 255}
    assert {reject.action for reject in labels.rejects} == {"ignored"}


def test_missing_columns_are_named_with_those_there_are(make_chips):
    with pytest.raises(LabelError, match=r"no column 'crop'.*kind, split"):
        load_labels(make_chips(class_column="crop").chips, CRS)
    with pytest.raises(LabelError, match=r"no column 'part'.*set chips.split to blocks"):
        load_labels(make_chips(split="column", split_column="part").chips, CRS)


def test_label_without_a_split_is_ignored_pixels(make_chips):
    frame = scattered(10)
    frame.loc[4, "split"] = None
    labels = load_labels(make_chips(frame, split="column").chips, CRS)
    assert labels.frame.loc[labels.frame["number"] == 4, "label"].tolist() == [255]


def test_column_of_many_values_is_no_column_of_splits(make_chips):
    frame = scattered(20).assign(split=[f"place {n}" for n in range(20)])
    with pytest.raises(LabelError, match="20 different values"):
        load_labels(make_chips(frame, split="column").chips, CRS)


BAD = [
    (LabelError, "no label can be burnt", {"labels": gpd.GeoDataFrame(geometry=[ground(-90, -90, 20, 20)], crs=CRS)}),
    (LabelError, "has 100 x 140 pixels|imagery has", {"patch": 101}),
    (LabelError, "chips.regions", {"regions": 61}),
    (LabelError, "no chip would be positive", {"min_label": 1.0}),
    (LabelError, "more than 3 chips", {"max_chips": 3}),
    (SettingsError, "has bands 1 to 3", {"bands": (4,)}),
    (SettingsError, "names no file", {"raster": None}),
    (SettingsError, "less than 1", {"overlap": 1}),
    (SettingsError, "class numbers", {"classes": {"hut": 0}}),
    (SettingsError, "less than 1", {"validation_share": 0.5, "test_share": 0.5}),
    (SourceError, "EPSG:99", {"crs": "EPSG:99"}),
]


@pytest.mark.parametrize(("kind", "says", "given"), BAD, ids=[case[1] for case in BAD])
def test_what_cannot_be_cut_is_refused_before_anything_is_written(make_chips, tmp_path, kind, says, given):
    with pytest.raises(kind, match=says):
        split_labels(make_chips(**given))
    assert not (tmp_path / "home" / "chips" / "plan.parquet").exists()


@pytest.mark.parametrize(
    ("profile", "says"),
    [({"crs": None}, "has no CRS"), ({"transform": [10, 3, LEFT, 3, -10, TOP]}, "not north up")],
)
def test_raster_off_any_grid_is_refused(make_chips, tmp_path, profile, says):
    from rasterio.transform import Affine

    given = {name: Affine(*value) if name == "transform" else value for name, value in profile.items()}
    path = write_raster(tmp_path / "off.tif", **given)
    with pytest.raises(SourceError, match=says):
        split_labels(make_chips(raster=path))


def test_raster_that_is_a_text_is_refused(make_chips, tmp_path):
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(MosaicError, match="opening the raster"):
        split_labels(make_chips(raster=tmp_path / "text.tif"))


def test_labels_partly_outside_are_cut_at_the_edge(make_chips):
    frame = gpd.GeoDataFrame(
        geometry=[ground(HEIGHT - 4, 10, 20, 20), ground(20, 100, 5, 5), ground(300, 0, 9, 9)], crs=CRS
    )
    plan = split_labels(make_chips(frame, regions=1, buffer=0))
    assert plan.account.total == 4 * 20 + 25
    assert plan.without_pixel == 1
