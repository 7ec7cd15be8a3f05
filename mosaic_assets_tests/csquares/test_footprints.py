"""Files of footprints, and what becomes of a batch on its way into the index."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from mosaic_assets.csquares import compress, cover, cover_many
from mosaic_assets.csquares.footprints import (
    FootprintBatch,
    footprints_path,
    published_footprints,
    queue_path,
    read_footprints,
    read_header,
    read_scenes,
    write_footprints,
)
from mosaic_assets.csquares.geos import differing_squares
from mosaic_assets.csquares.pairs import read_stamp
from mosaic_assets.csquares.readers import SceneFootprint
from mosaic_assets.csquares.search import open_index
from mosaic_assets.csquares.uploading import (
    Uploading,
    publish_footprints,
    publish_pairs,
    sizes_of,
    uploading,
    waiting_batches,
)
from mosaic_assets.errors import MosaicError, StoreError
from mosaic_assets.store.csquare_db import Scene
from mosaic_assets_tests.conftest import needs_shared_data
from mosaic_assets_tests.csquares.archived import ACQUIRED, archive, drop, footprint, later, take, upload
from mosaic_assets_tests.csquares.shapes import expected_counts, random_polygon, real_footprints

MIXED = [
    footprint("h1awj"),
    SceneFootprint(
        Scene("timeless; ünïcode"), shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(3, 3, 4, 4)])
    ),
    SceneFootprint(Scene("track", platform="Sentinel-3A", licence="CC-BY-4.0"), shapely.LineString([(0, 0), (9, 9)])),
]


def test_footprints_come_back_as_written(tmp_path: Path) -> None:
    batch = FootprintBatch("one", ACQUIRED, MIXED)
    write_footprints(tmp_path / "one.parquet", batch)
    assert read_footprints(tmp_path / "one.parquet") == batch
    assert read_scenes(tmp_path / "one.parquet") == [one.scene for one in MIXED]
    header = read_header(tmp_path / "one.parquet")
    assert (header.batch, header.taken_at, header.scenes) == ("one", ACQUIRED, 3)


def test_geopandas_reads_the_file_as_geoparquet(tmp_path: Path) -> None:
    write_footprints(tmp_path / "one.parquet", FootprintBatch("one", ACQUIRED, MIXED))
    frame = gpd.read_parquet(tmp_path / "one.parquet")
    assert frame.crs == "OGC:CRS84"
    assert frame["scene_id"].tolist() == [one.scene.id for one in MIXED]
    assert frame.geometry.tolist() == [one.geometry for one in MIXED]
    assert frame["time"][0] == pd.Timestamp(MIXED[0].scene.time) and frame["time"].isna().tolist()[1:] == [True, True]


def test_duckdb_reads_the_file_without_its_spatial_extension(tmp_path: Path) -> None:
    write_footprints(tmp_path / "one.parquet", FootprintBatch("one", ACQUIRED, MIXED))
    with duckdb.connect() as sql:
        rows = sql.execute(f"select scene_id from '{tmp_path}/one.parquet' where platform = 'NOAA-12'").fetchall()
    assert rows == [("h1awj",)]


def test_a_batch_without_scenes_can_be_written_and_read(tmp_path: Path) -> None:
    write_footprints(tmp_path / "none.parquet", FootprintBatch("none", ACQUIRED, []))
    assert read_footprints(tmp_path / "none.parquet").footprints == []


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def _foreign(path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(path)


def _newer(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"format_version": 1', b'"format_version": 9'))


def _turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut, "Restore"),
        (_foreign, "Restore"),
        (Path.unlink, "Restore"),
        (_turn_a_bit, "Restore"),
        (_newer, "upgrade mosaic_assets"),
    ],
)
def test_a_damaged_or_foreign_file_is_named_with_a_remedy(tmp_path: Path, damage: Any, said: str) -> None:
    path = tmp_path / "one.parquet"
    write_footprints(path, FootprintBatch("one", ACQUIRED, MIXED))
    damage(path)
    with pytest.raises(StoreError, match=rf"one\.parquet.*{said}"):
        read_footprints(path)


@needs_shared_data
def test_squares_of_real_footprints_are_counted_as_geos_counted_them() -> None:
    """Counts from data/csquares/footprints_expected_halfdeg.csv, agreed by two independent methods."""
    outlines = real_footprints()
    rows = [row for row in expected_counts() if row["method"] == "as-is"]
    assert len(rows) > 15
    for row in rows:
        finest = sizes_of(cover_many([outlines[row["id"]]], 0.5))[-1]
        expected = (int(row["n_halfdeg_cells"]), int(row["n_codes_compressed"]))
        assert (finest.resolution, (finest.squares, finest.compressed)) == (0.5, expected), row["id"]


def test_all_four_sizes_equal_a_cover_at_each() -> None:
    """Sizes of a batch are derived from the half-degree squares; covering at each size must say the same."""
    rng = np.random.default_rng(4)
    outlines = [random_polygon(rng, snap) for snap in (None, 0.5, 1, 5) for _ in range(10)]
    expected = [
        (resolution, sum(map(len, covers)), sum(len(compress(codes)) for codes in covers))
        for resolution in (10, 5, 1, 0.5)
        for covers in [[cover(outline, resolution) for outline in outlines]]
    ]
    found = [(size.resolution, size.squares, size.compressed) for size in sizes_of(cover_many(outlines, 0.5))]
    assert found == expected


@needs_shared_data
def test_the_second_opinion_of_the_checks_agrees_with_the_first_on_real_footprints() -> None:
    outlines = [outline for outline in real_footprints().values() if outline.is_valid]
    covers = [cover(outline, 0.5) for outline in outlines]
    opinions = [differing_squares(outline, codes) for outline, codes in zip(outlines, covers, strict=True)]
    assert opinions.count([]) > 190  # the others go round a pole
    assert opinions.count([]) + opinions.count(None) == len(opinions)
    heard = zip(covers, opinions, strict=True)
    assert any(told is not None and {code[0] for code in codes} >= {"1", "7"} for codes, told in heard)


def test_the_second_opinion_agrees_on_polygons_over_the_date_line_with_corners_on_the_grid() -> None:
    rng = np.random.default_rng(3)
    heard = 0
    for snap in [None, 1, 0.5, 0.1] * 50:
        polygon = shapely.Polygon(random_polygon(rng, snap).exterior)
        east = round(rng.uniform(172, 188) - polygon.centroid.x)
        moved = shapely.transform(polygon, lambda xy: np.stack([(xy[:, 0] + east + 180) % 360 - 180, xy[:, 1]], 1))  # noqa: B023
        opinion = differing_squares(moved, cover(moved, 0.5))
        heard += opinion is not None
        assert not opinion
    assert heard > 150


@pytest.mark.parametrize(
    ("geometry", "bled"),
    [
        (shapely.box(10, 10, 20, 20), "1202:100:1"),  # touches the corner at 20, 20
        (shapely.box(10, 10, 20, 20), "1102:100:1"),  # touches the edge at 20 E
        (shapely.Polygon([(0, 0), (1, 0), (0, 1)]), "1000:100:4"),  # touches the corner at 0.5, 0.5
    ],
)
def test_the_second_opinion_sees_a_square_that_is_only_touched(geometry: shapely.Geometry, bled: str) -> None:
    codes = cover(geometry, 0.5)
    assert bled not in codes
    assert differing_squares(geometry, codes) == []
    assert differing_squares(geometry, [*codes, bled]) == [bled]
    assert differing_squares(geometry, codes[1:]) == codes[:1]


@pytest.mark.parametrize(
    "geometry",
    [
        shapely.Point(1, 1),
        shapely.LineString([(0, 0), (1, 1)]),
        shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]),
        shapely.Polygon([(-170, 80), (-50, 80), (70, 80), (170, 80)]),
    ],
)
def test_the_second_opinion_is_silent_where_the_plane_has_no_answer(geometry: shapely.Geometry) -> None:
    assert differing_squares(geometry, []) is None


def test_a_batch_goes_from_the_queue_to_the_index(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "a", "b")
    take(settings)
    name = "scenes-000001-00001"
    assert (waiting_batches(settings), uploading(settings)) == ([name], Uploading(0, 1, 2))
    report = publish_footprints(settings, name)
    assert (report.scenes, report.platforms, report.path) == (
        2, {"NOAA-12": 2}, tmp_path / f"csquares/footprints/{name}.parquet",
    )  # fmt: skip
    assert not queue_path(settings, name).exists() and report.path.exists()
    assert uploading(settings) == Uploading(0, 1, 2)
    assert publish_pairs(settings, name).scenes == 2
    assert uploading(settings) == Uploading(0, 1, 2)
    upload(settings)
    assert uploading(settings) == Uploading(0, 0, 0)


def test_the_pairs_report_shows_the_scene_with_the_most_squares(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    large = SceneFootprint(Scene("large"), shapely.box(100, -50, 150, -10))
    path = queue_path(settings, "scenes-000001-00001")
    write_footprints(path, FootprintBatch("scenes-000001-00001", ACQUIRED, [footprint("small"), large]))
    publish_footprints(settings, "scenes-000001-00001")
    report = publish_pairs(settings, "scenes-000001-00001")
    assert (report.example, report.example_geometry) == ("large", large.geometry)
    assert report.example_codes == compress(cover(large.geometry, 0.5))
    assert [(size.squares, size.compressed) for size in report.example_sizes] == [
        (20, 20), (80, 20), (2000, 20), (8000, 20),
    ]  # fmt: skip
    assert report.scenes_a_second > 0


def test_publishing_a_batch_again_changes_nothing(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "a")
    take(settings)
    upload(settings)
    before = read_stamp(settings.csquares, "scenes-000001-00001")
    publish_footprints(settings, "scenes-000001-00001")
    publish_pairs(settings, "scenes-000001-00001")
    assert read_stamp(settings.csquares, "scenes-000001-00001") == before is not None


def test_making_an_old_batch_anew_does_not_bring_old_editions_back(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    for minutes, west in ((0, 10), (1, 50)):
        drop(settings, "one", ("a", west, 0))
        take(settings, minutes=minutes)
    for batch in ("scenes-000002-00001", "scenes-000001-00001"):  # by hand, and in the wrong order
        publish_footprints(settings, batch)
        publish_pairs(settings, batch)
    upload(settings)
    with open_index(settings.csquares) as index:
        assert (index.ids(point=(51, 1)).tolist(), index.count(point=(11, 1))) == (["a"], 0)


@pytest.mark.parametrize("publish", [publish_footprints, publish_pairs])
def test_a_batch_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path, publish: Any) -> None:
    with pytest.raises(MosaicError, match=r"scenes-000009-00001.*again"):
        publish(archive(tmp_path), "scenes-000009-00001")


def test_a_damaged_batch_stays_in_the_queue(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    drop(settings, "one", "a")
    take(settings)
    _cut(queue_path(settings, "scenes-000001-00001"))
    with pytest.raises(StoreError, match="Restore"):
        publish_footprints(settings, "scenes-000001-00001")
    assert published_footprints(settings.csquares) == []
    assert queue_path(settings, "scenes-000001-00001").exists()


def test_what_the_file_says_of_its_scenes_is_what_the_index_answers(tmp_path: Path) -> None:
    settings = archive(tmp_path)
    full = replace(
        footprint("h1awj").scene, instrument="AVHRR", thumbnail="gif/1.gif", source="CSIRO", licence="CC-BY-4.0"
    )
    batch = FootprintBatch("scenes-000001-00001", later(0), [SceneFootprint(full, shapely.box(140, -41, 141, -40))])
    write_footprints(footprints_path(settings.csquares, batch.name), batch)
    upload(settings)
    with open_index(settings.csquares) as index:
        assert index.search(codes="3414:100:1").scenes == [full]
