"""Each check passes on what was built, and fails on the damage it is there for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from mosaic_assets.core.checks import CheckResult, Scope, run_check
from mosaic_assets.core.grids import grid_named
from mosaic_assets.core.records import Tile
from mosaic_assets.gallery.checks import GALLERY_CHECKS
from mosaic_assets.gallery.manifest import queries_folder, read_manifest, sha256_of, write_manifest
from mosaic_assets.gallery.query_files import read_query, write_query
from mosaic_assets.settings import Settings
from mosaic_assets.store.gallery_db import gallery_path, open_gallery
from mosaic_assets.store.gallery_records import MissingTile
from mosaic_assets_tests.gallery.conftest import settings_at

CHECKS = {check.name: check for check in GALLERY_CHECKS}


def result(name: str, settings: Settings, scope: Scope = Scope.ALL) -> CheckResult:
    return run_check(CHECKS[name], settings, scope)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("name", CHECKS)
def test_what_was_built_passes(built: Settings, name: str, scope: Scope) -> None:
    found = result(name, built, scope)
    assert found.passed, found.summary


@pytest.mark.parametrize("name", CHECKS)
def test_a_home_without_a_gallery_passes_and_says_so(
    built: Settings, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    found = result(name, settings_at(tmp_path_factory.mktemp("empty")))
    assert found.passed and "yet" in found.summary


def execute(settings: Settings, sql: str) -> None:
    with sqlite3.connect(gallery_path(settings.gallery_folder)) as connection:
        connection.execute(sql)


def blank_query(settings: Settings) -> None:
    query = read_manifest(settings)[0]
    image, pixels = read_query(query.path(settings))
    pixels[:] = 7
    write_query(query.path(settings), pixels, image.left, image.top, image.pixel_width)
    from dataclasses import replace

    fresh = replace(query, sha256=sha256_of(query.path(settings)))
    write_manifest(settings, [fresh, *read_manifest(settings)[1:]])


def move_list(settings: Settings) -> None:
    path = queries_folder(settings) / "test.csv"
    path.write_text(path.read_text().replace(",0.7", ",0.8", 1))


def share_ground(settings: Settings) -> None:
    """Put a copy of a test query into the tune split."""
    import shutil

    from mosaic_assets.gallery.manifest import describe_query
    from mosaic_assets.gallery.query_files import look_at_query

    one = read_manifest(settings)[0]
    target = queries_folder(settings) / "tune" / one.row.imgname
    shutil.copyfile(one.path(settings), target)
    said = {"source": "x", "licence": "x", "attribution": "x", "synthetic": True}
    again = describe_query(look_at_query(target), "tune", said, scene_class="", time="")
    write_manifest(settings, [*read_manifest(settings), again])


def forget(settings: Settings) -> None:
    """Leave the gallery with a tile that no source gave, and that is listed as such."""
    execute(settings, "DELETE FROM ge_tiles WHERE zoom_level = 14 AND tile_row = 6031 AND tile_column = 8225")
    execute(settings, "DELETE FROM tile_facts WHERE zoom_level = 14 AND tile_row = 6031 AND tile_column = 8225")
    grid = grid_named(settings.gallery.grid)
    with open_gallery(settings.gallery_folder, grid=grid, create=True) as gallery, gallery.writing():
        gallery.add_missing([MissingTile(Tile(8225, 6031, 14), "", "missing", "outside")])


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        (
            "gallery_grid_is_recorded",
            "INSERT INTO ge_tiles VALUES (15, 7, 9, '', x'00')",
            "not in the grid GoogleCRS84Quad",
        ),
        ("gallery_grid_is_recorded", "UPDATE gallery_info SET value = 'WebMercatorQuad'", "was asked for"),
        ("gallery_grid_is_recorded", "UPDATE gallery_info SET value = 'EPSG:9'", "not known here"),
        ("gallery_grid_is_recorded", "DELETE FROM gallery_info", "does not say which grid"),
        ("every_tile_was_asked_for", "DELETE FROM tile_facts WHERE tile_row = 6031", "4 problem.*zoom 14: tile"),
        ("gallery_has_no_holes", forget, "1 problem.*: missing"),
        (
            "every_tile_decodes",
            "UPDATE ge_tiles SET tile_data = substr(tile_data, 1, 900) WHERE zoom_level = 13",
            "4 problem",
        ),
        (
            "tile_checksums_agree",
            "UPDATE ge_tiles SET tile_data = CAST(tile_data || x'00' AS BLOB) WHERE zoom_level = 13",
            "4 problem",
        ),
        ("tile_checksums_agree", "DELETE FROM tile_facts WHERE tile_row = 6031", "no checksum"),
        ("tile_checksums_agree", "DELETE FROM ge_tiles WHERE tile_row = 6031", "no tile"),
        ("query_lists_agree_with_tiffs", move_list, "by the TIFF"),
        ("query_lists_agree_with_tiffs", lambda s: read_manifest(s)[0].path(s).unlink(), "no picture"),
        ("query_lists_agree_with_tiffs", share_ground, "not in the list"),
        ("every_query_decodes", blank_query, "one colour all over"),
        ("every_query_decodes", lambda s: read_manifest(s)[0].path(s).write_bytes(b"II*"), "no picture"),
        ("no_query_overlaps_another_split", share_ground, "100%"),
        ("queries_lie_in_the_gallery", "DELETE FROM tile_facts", "10 problem"),
    ],
)
def test_damage_is_found(own: Settings, name: str, damage: str | Callable[[Settings], None], words: str) -> None:
    import re

    execute(own, damage) if isinstance(damage, str) else damage(own)
    found = result(name, own)
    assert not found.passed
    assert re.search(words, found.summary), found.summary


def test_a_listed_gap_warns_and_does_not_stop_anybody(own: Settings) -> None:
    forget(own)
    assert result("every_tile_was_asked_for", own).passed
    assert not CHECKS["gallery_has_no_holes"].blocking
