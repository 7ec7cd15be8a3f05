"""Every format, written by tools that are not ours and read back; the real files that the project was given."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import shapely

from mosaic_assets.csquares import cover, cover_many
from mosaic_assets.csquares.footprints import FootprintBatch, write_footprints
from mosaic_assets.csquares.readers import SceneFootprint, read_scene_file
from mosaic_assets.store.csquare_db import Scene
from mosaic_assets_tests.conftest import SHARED_DATA, needs_shared_data
from mosaic_assets_tests.csquares.readers.written import SQUARE_WKT, collection, feature, frame, ids, read_text
from mosaic_assets_tests.csquares.shapes import expected_counts, real_footprints

NOON = datetime(2003, 6, 21, 6, 23, tzinfo=UTC)
EXPECTED = [
    Scene("h1awj", platform="NOAA-12", time=NOON, image_location="tape/1"),
    Scene("h1awl", platform="NOAA-14", time=datetime(2003, 6, 22, 3, 10, 0, 250_000, UTC), image_location="tape/2"),
    Scene("Köln"),
]


def by_duckdb(path: Path) -> None:
    rows = frame()
    table = rows.drop(columns="geometry").assign(wkt=rows.geometry.to_wkt())
    with duckdb.connect() as sql:
        sql.register("scenes", table)
        sql.execute(
            f"copy (select * exclude (wkt), wkt::geometry as geometry from scenes) to '{path}' (format parquet)"
        )


def by_csv(path: Path, delimiter: str = ",") -> None:
    rows = frame()
    rows["scene_date_time"] = rows["scene_date_time"].astype(str)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["WKT", *rows.columns[:-1]])
        for row in rows.itertuples(index=False):
            writer.writerow([row.geometry.wkt, *("" if value is None else value for value in row[:-1])])


def by_duckdb_csv(path: Path) -> None:
    rows = frame()
    table = rows.drop(columns="geometry").assign(Footprint=rows.geometry.to_wkt())
    with duckdb.connect() as sql:
        sql.register("scenes", table)
        sql.execute(f"copy scenes to '{path}' (header, delimiter ';')")


def by_pyogrio(path: Path) -> None:
    frame().to_file(path.with_suffix(".gpkg"), driver="GPKG")
    path.with_suffix(".gpkg").rename(path)


WRITERS: dict[str, tuple[str, Any]] = {
    "pyogrio GeoJSON": ("GeoJSON", lambda path: frame().to_file(path, driver="GeoJSON")),
    "pyogrio lines": ("newline-delimited GeoJSON", lambda path: frame().to_file(path, driver="GeoJSONSeq")),
    "pyogrio sequence": ("GeoJSON text sequence", lambda path: frame().to_file(path, driver="GeoJSONSeq", RS="YES")),
    "geopandas JSON": ("GeoJSON", lambda path: path.write_text(frame().to_json(default=str))),
    "geopandas Parquet": ("GeoParquet", lambda path: frame().to_parquet(path)),
    "row groups": ("GeoParquet", lambda path: frame().to_parquet(path, row_group_size=1)),
    "DuckDB Parquet": ("GeoParquet", by_duckdb),
    "pyogrio GeoPackage": ("GeoPackage", by_pyogrio),
    "csv commas": ("CSV", by_csv),
    "csv tabs": ("CSV", lambda path: by_csv(path, "\t")),
    "DuckDB CSV": ("CSV", by_duckdb_csv),
    "pandas CSV": ("CSV", lambda path: frame().to_wkt().to_csv(path, sep=";")),
    "PostGIS CSV": ("CSV", lambda path: frame().to_wkb(hex=True).to_csv(path, index=False)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_other_tools_write_is_read_whatever_the_name_of_the_file(tmp_path: Path, writer: str) -> None:
    name, write = WRITERS[writer]
    path = tmp_path / "scenes"
    write(path)
    found = read_scene_file(path)
    assert (found.format, found.rejected) == (name, [])
    assert [one.scene for one in found.footprints] == EXPECTED
    assert all(
        shapely.equals(one.geometry, wanted) for one, wanted in zip(found.footprints, frame().geometry, strict=True)
    )


@pytest.mark.parametrize("kind", ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"])
def test_outlines_that_geoparquet_does_not_hold_as_wkb_are_read(tmp_path: Path, kind: str) -> None:
    outlines = {
        "Point": shapely.Point(1, 2),
        "MultiPoint": shapely.MultiPoint([(1, 2), (3, 4)]),
        "LineString": shapely.LineString([(1, 2), (3, 4)]),
        "MultiLineString": shapely.MultiLineString([[(1, 2), (3, 4)], [(5, 6), (7, 8)]]),
        "Polygon": shapely.Polygon(shapely.box(0, 0, 9, 9).exterior, [shapely.box(1, 1, 2, 2).exterior]),
        "MultiPolygon": shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]),
    }
    rows = frame().iloc[:1].set_geometry([outlines[kind]], crs="EPSG:4326")
    rows.to_parquet(tmp_path / "scenes", geometry_encoding="geoarrow")
    (one,) = read_scene_file(tmp_path / "scenes").footprints
    assert shapely.equals_exact(one.geometry, outlines[kind])


def test_our_own_footprints_are_a_scene_file_too(tmp_path: Path) -> None:
    scenes = [SceneFootprint(scene, outline) for scene, outline in zip(EXPECTED, frame().geometry, strict=True)]
    write_footprints(tmp_path / "batch.parquet", FootprintBatch("one", NOON, scenes))
    found = read_scene_file(tmp_path / "batch.parquet")
    assert found.rejected == []
    assert [one.scene for one in found.footprints] == EXPECTED


def test_every_layer_of_a_geopackage_is_read_but_for_those_without_outlines(tmp_path: Path) -> None:
    path = tmp_path / "scenes.gpkg"
    frame().iloc[:1].to_file(path, layer="one", driver="GPKG")
    frame().iloc[1:].to_crs("EPSG:3857").to_file(path, layer="two", driver="GPKG", mode="a")
    frame().drop(columns="geometry").pipe(_as_table, path)
    found = read_scene_file(path)
    assert (ids(found), found.rejected) == (["h1awj", "h1awl", "Köln"], [])
    assert shapely.equals_exact(found.footprints[0].geometry, frame().geometry[0])


def _as_table(rows: Any, path: Path) -> None:
    import pyogrio

    pyogrio.write_dataframe(rows, path, layer="three", driver="GPKG", append=True)


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:3577", "EPSG:4283", "EPSG:2193", "EPSG:6933"])
@pytest.mark.parametrize("kind", ["GeoParquet", "GeoPackage", "GeoJSON"])
def test_other_coordinate_systems_are_reprojected(tmp_path: Path, crs: str, kind: str) -> None:
    """GeoPandas with PROJ there, ours back; squares of a footprint far from grid lines are the same."""
    outline = shapely.segmentize(shapely.box(170.2, -44.3, 174.3, -40.2), 0.05)
    rows = frame().iloc[:1].set_geometry([outline], crs="EPSG:4326").to_crs(crs)
    path = tmp_path / "scenes"
    if kind == "GeoParquet":
        rows.to_parquet(path)
    elif kind == "GeoPackage":
        rows.to_file(path.with_suffix(".gpkg"), driver="GPKG")
        path = path.with_suffix(".gpkg")
    else:
        path.write_text(rows.to_json(default=str))  # it names the system behind the features
    (one,) = read_scene_file(path).footprints
    assert shapely.hausdorff_distance(one.geometry, outline) < 1e-5
    assert cover(one.geometry, 0.5) == cover(outline, 0.5)


def test_long_edges_of_a_polar_projection_bend(tmp_path: Path) -> None:
    """A square of 4,000 km around the pole in EPSG:3995 reaches 70.7 degrees at its corners, 75.1 at its edges' middles.

    2,000 km from the pole on the ellipsoid are 71.9 degrees by pyproj's geodesic; the projection is true at 71 degrees.
    """
    import pyproj

    rows = frame().iloc[:1].set_geometry([shapely.box(-2e6, -2e6, 2e6, 2e6)], crs="EPSG:3995")
    rows.to_parquet(tmp_path / "scenes")
    (one,) = read_scene_file(tmp_path / "scenes").footprints
    to_world = pyproj.Transformer.from_crs("EPSG:3995", "EPSG:4326", always_xy=True)
    lowest, middle = to_world.transform(2e6, 2e6)[1], to_world.transform(2e6, 0)[1]
    reached = shapely.get_coordinates(one.geometry)[:, 1]
    assert (reached.min(), reached.max()) == pytest.approx((lowest, middle), abs=1e-6)
    # Every half-degree square north of 71.5 degrees belongs to it, also where only the corners' longitudes are near.
    assert {"1800:100:1", "7817:499:4", "1804:455:4", "7813:455:4"} <= set(cover(one.geometry, 0.5))


def test_great_circles_of_geoparquet_are_great_circles(tmp_path: Path) -> None:
    """From 0 to 90 E along 60 N a great circle reaches 67.8 N: atan(tan(60) / cos(45))."""
    rows = frame().iloc[:1].set_geometry([shapely.Polygon([(0, 60), (90, 60), (45, 50)])], crs="EPSG:4326")
    rows.to_parquet(tmp_path / "planar")
    table = pq.read_table(tmp_path / "planar")
    geo = json.loads(table.schema.metadata[b"geo"])
    geo["columns"]["geometry"]["edges"] = "spherical"
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(geo).encode()}), tmp_path / "spherical")
    planar, spherical = (read_scene_file(tmp_path / name).footprints[0].geometry for name in ("planar", "spherical"))
    assert (planar.bounds[3], spherical.bounds[3]) == (60, pytest.approx(67.79, abs=0.01))


def test_a_packed_file_is_read_as_what_is_in_it(tmp_path: Path) -> None:
    text = json.dumps(collection(feature("a"), feature("b"))).encode()
    found = read_text(tmp_path, gzip.compress(text), "scenes.geojson.gz")
    assert (found.format, ids(found)) == ("GeoJSON", ["a", "b"])
    lines = gzip.compress(b"\n".join(json.dumps(feature(name)).encode() for name in "abc"))
    assert read_text(tmp_path, lines, "x").format == "newline-delimited GeoJSON"
    packed = gzip.compress(f'id,wkt\na,"{SQUARE_WKT}"\n'.encode())
    assert read_text(tmp_path, packed, "y").format == "CSV"


@needs_shared_data
def test_the_real_footprints_are_read_but_for_those_that_cannot_be_covered() -> None:
    """216 footprints of Sentinel-1, 2 and 3; `cover` may refuse the two whose orbits lap the globe, numbers 210 and 212."""
    found = read_real()
    refused = cover_many(real_footprints().values(), 0.5, keep_refused=True).refused
    assert set(refused) <= {209, 211}
    assert (found.format, len(found.footprints)) == ("GeoJSON", 216 - len(refused))
    names = list(real_footprints())
    assert [one.record for one in found.rejected] == [f"feature {at + 1} (scene {names[at]})" for at in sorted(refused)]
    for number, one in zip(sorted(refused), found.rejected, strict=True):
        assert str(refused[number]).endswith(one.reason)
    assert [one.scene.id for one in found.footprints] == [name for at, name in enumerate(names) if at not in refused]
    without_time = {one.scene.id for one in found.footprints if one.scene.time is None}
    assert len(without_time) == 8 - len(refused)  # these two are among the eight that have no time


@needs_shared_data
def test_the_real_footprints_cover_what_two_other_methods_say() -> None:
    outlines = {one.scene.id: one.geometry for one in read_real().footprints}
    counts = {row["id"]: int(row["n_halfdeg_cells"]) for row in expected_counts() if row["id"] in outlines}
    assert len(counts) > 40
    assert {name: len(cover(outlines[name], 0.5)) for name in counts} == counts


def read_real() -> Any:
    return read_scene_file(SHARED_DATA / "csquares" / "footprints.geojson")


@needs_shared_data
def test_a_bare_list_of_features_is_read() -> None:
    found = read_scene_file(SHARED_DATA / "malformed" / "features_as_bare_list.json")
    assert (found.format, len(found.footprints), found.rejected) == ("GeoJSON", 340, [])
    assert ids(found)[:2] == ["10906", "10912"]


@needs_shared_data
def test_a_manifest_and_the_stac_item_that_stactools_made_of_it_are_one_scene() -> None:
    (made,) = read_scene_file(SHARED_DATA / "olci" / "xfdumanifest_collection002.xml").footprints
    item = read_scene_file(SHARED_DATA / "olci" / "stac_item.json")
    (wanted,) = item.footprints
    assert item.format == "STAC"
    # stactools rounds to four decimals.
    assert shapely.equals_exact(made.geometry, wanted.geometry, tolerance=6e-5)
    assert made.scene.time == wanted.scene.time == datetime(2021, 10, 21, 7, 38, 27, 254_946, UTC)
    assert (made.scene.platform, made.scene.instrument) == (wanted.scene.platform, wanted.scene.instrument)
    assert (made.scene.platform, made.scene.instrument) == ("Sentinel-3A", "OLCI")
    assert wanted.scene.image_location.endswith(".SEN3/Oa01_radiance.nc")


@needs_shared_data
def test_stac_items_come_alone_together_and_one_a_line(tmp_path: Path) -> None:
    item = json.loads((SHARED_DATA / "olci" / "stac_item.json").read_text())
    items = [item | {"id": name} for name in "abc"]
    together = read_text(tmp_path, json.dumps(collection(*items), indent=1))
    a_line = read_text(tmp_path, "\n".join(map(json.dumps, items)))
    assert (together.format, ids(together)) == ("STAC", ["a", "b", "c"])
    assert (a_line.format, a_line.footprints) == ("newline-delimited STAC", together.footprints)
    a_sequence = read_text(tmp_path, "".join(f"\x1e{json.dumps(one, indent=1)}\n" for one in items))
    assert (a_sequence.format, a_sequence.footprints) == ("STAC text sequence", together.footprints)
