"""Each way to damage a library. One is done to one tile, so that all of them can be done at once to different ones."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from PIL import Image

from mosaic_assets_tests.library.painted import ask, texture
from mosaic_assets_tests.library.repair.looks import change, victims


def lose_file(settings, tile):
    (settings.home / tile.path).unlink()


def add_orphan(settings, tile):
    path = settings.home / tile.path
    Image.fromarray(texture(5)).save(path.with_name("orphan.png"))


def truncate(settings, tile):
    path = settings.home / tile.path
    path.write_bytes(path.read_bytes()[:2000])


def write_html(settings, tile):
    (settings.home / tile.path).write_text("<!DOCTYPE html>")


def shrink(settings, tile):
    Image.new("RGB", (128, 128)).save(settings.home / tile.path)


def paint_over(settings, tile):
    Image.fromarray(texture(77, (10, 200, 30))).save(settings.home / tile.path)


def make_opaque_rgba(settings, tile):
    path = settings.home / tile.path
    Image.open(path).convert("RGBA").save(path)


def change_bucket(settings, tile):
    change(settings, "UPDATE tiles SET bucket_id = (bucket_id + 7) % 5000 WHERE id = ?", tile.id)


def move_to_another_bucket(settings, tile):
    """Row and file agree on a bucket to which the colour does not belong."""
    other = tile.path.replace(f"bucket_{tile.bucket:04d}", "bucket_4999")
    (settings.home / other).parent.mkdir(exist_ok=True)
    (settings.home / tile.path).rename(settings.home / other)
    change(settings, "UPDATE tiles SET bucket_id = 4999, filepath = ? WHERE id = ?", other, tile.id)


def move_file_alone(settings, tile):
    other = settings.home / tile.path.replace(f"bucket_{tile.bucket:04d}", "bucket_4998")
    other.parent.mkdir(exist_ok=True)
    (settings.home / tile.path).rename(other)


def change_hash(settings, tile):
    change(settings, "UPDATE tiles SET phash = '00000000000000ff' WHERE id = ?", tile.id)


def garble_hash(settings, tile):
    change(settings, "UPDATE tiles SET phash = 'none of it' WHERE id = ?", tile.id)


def change_colour(settings, tile):
    change(settings, "UPDATE tiles SET mean_a = mean_a + 1e-6 WHERE id = ?", tile.id)


def forget_colour(settings, tile):
    change(settings, "UPDATE tiles SET mean_l = NULL WHERE id = ?", tile.id)


def leave_in_temp(settings, tile):
    (settings.library / "temp" / "half.png").write_bytes(b"half")


def announce_a_picture(settings, tile):
    path = tile.path.replace(".png", "-announced.png")
    (settings.home / path).write_bytes(b"of a killed merge")
    change(settings, "INSERT INTO pending VALUES (?)", path)


def change_count(settings, tile):
    change(settings, "UPDATE buckets SET kept = kept + 1 WHERE bucket_id = ?", tile.bucket)


def forget_packed_hashes(settings, tile):
    change(settings, "DELETE FROM hashes")


def lose_provenance(settings, tile):
    change(settings, "DELETE FROM provenance WHERE id = ?", tile.id)


def empty_licence(settings, tile):
    change(settings, "UPDATE provenance SET licence = '' WHERE id = ?", tile.id)


def shift_bounds(settings, tile):
    change(settings, "UPDATE provenance SET west = west + 5 WHERE id = ?", tile.id)


def lose_tile_row(settings, tile):
    change(settings, "DELETE FROM tiles WHERE id = ?", tile.id)


def exchange_outcomes(settings, tile):
    text = ask(settings, "SELECT outcomes FROM rounds WHERE biome = 'west' AND round = 1")[0][0]
    counts = json.loads(text)
    counts["kept"], counts["missing"] = counts["kept"] - 1, 1
    change(settings, "UPDATE rounds SET outcomes = ? WHERE biome = 'west' AND round = 1", json.dumps(counts))


def lose_a_line_of_the_ledger(settings, tile):
    change(settings, "DELETE FROM rounds WHERE biome = 'east' AND round = 2")


def forget_centroids(settings, tile):
    change(settings, "DELETE FROM meta WHERE key = 'centroids_sha256'")


def spoil_an_index(settings, tile):
    with closing(sqlite3.connect(settings.library / "tiles.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        # A second one over another column, as if it had missed changes.
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '(bucket_id)', '(mean_l)') WHERE name = 'idx_bucket'"
        )


MENDED_ALWAYS = {
    make_opaque_rgba: {"damaged_picture"},
    change_bucket: {"wrong_bucket", "wrong_counts"},
    move_to_another_bucket: {"wrong_bucket", "wrong_counts"},
    move_file_alone: {"missing_file"},
    change_hash: {"wrong_hash", "wrong_counts"},
    garble_hash: {"wrong_hash", "wrong_counts"},
    change_colour: {"wrong_colour"},
    forget_colour: {"wrong_colour"},
    leave_in_temp: {"leftover"},
    announce_a_picture: {"leftover"},
    change_count: {"wrong_counts"},
    forget_packed_hashes: {"wrong_counts"},
    lose_provenance: {"no_provenance"},
    empty_licence: {"no_provenance"},
    shift_bounds: {"no_provenance"},
    lose_tile_row: {"lone_provenance", "wrong_counts"},
    exchange_outcomes: {"ledger"},
    forget_centroids: {"ledger"},
    spoil_an_index: {"index"},
}
"""Damage, and the faults that are found; whatever is lost stands elsewhere too, and the library is as it was."""

MENDED_FROM_SOURCE_BYTES = {
    lose_file: {"missing_file"},
    truncate: {"damaged_picture"},
    write_html: {"damaged_picture"},
    shrink: {"damaged_picture", "wrong_bucket", "wrong_colour", "wrong_hash"},
    paint_over: {"other_picture"},
}
"""Damage to a picture: made anew where the round file has the source bytes, else sent away."""

ALL_DAMAGE = [*MENDED_ALWAYS, *MENDED_FROM_SOURCE_BYTES, add_orphan, lose_a_line_of_the_ledger]


def damage_everything(settings):
    """Damage a tile in each way; the paths of these."""
    tiles = victims(settings)
    assert len(tiles) > len(ALL_DAMAGE) + 5
    for damage, tile in zip(ALL_DAMAGE, tiles, strict=False):
        damage(settings, tile)
    return {tile.path for tile in tiles[: len(ALL_DAMAGE)]}
