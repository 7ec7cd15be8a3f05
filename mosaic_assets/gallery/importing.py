"""Taking over a published query set: what is inconsistent is reported, what the TIFFs prove is written anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from mosaic_assets.core.grids import grid_named
from mosaic_assets.core.imaging import decode_tile
from mosaic_assets.errors import GalleryError, GeometryError
from mosaic_assets.gallery.inspecting import inspect
from mosaic_assets.gallery.manifest import TEST, TUNE, Query, describe_query, queries_folder
from mosaic_assets.gallery.published import NO_SPLIT, Finding, Published, read_published
from mosaic_assets.gallery.queries import IMPORT_REPORT, publish_query_set
from mosaic_assets.gallery.query_files import NAME, QueryImage, QueryRow, look_at_query, overlaps
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import publishing, write_bytes
from mosaic_assets.store.foreign_gallery import foreign_tiles
from mosaic_assets.store.gallery_db import open_gallery
from mosaic_assets.store.gallery_records import StoredTile

NO_LICENCE = "none stated by the publisher"

BATCH = 500
"""Tiles of another gallery that are taken over in one transaction."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What taking over a published query set did."""

    findings: tuple[Finding, ...]
    queries: tuple[Query, ...]
    set_aside: tuple[str, ...]
    """Queries left out because they share ground with an earlier split."""
    repaired: dict[str, int]
    """Lines whose figure differs from the published one, by column."""
    bytes: int
    folder: Path


def import_queries(
    settings: Settings,
    folder: Path,
    *,
    licence: str = NO_LICENCE,
    attribution: str = "",
    keep_overlapping: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take over the TIFFs of a published query set; lists and manifest are written from them.

    Parameters
    ----------
    folder : holds ``<split>/*.tiff`` and, if there are, ``<split>.csv`` and a README. TIFFs right in it that no list names
        are split by place: those that overlap are in one split.
    licence, attribution : what the publisher says.
    keep_overlapping : keep queries that share ground with one of an earlier split; the check then fails.
    progress : told of every TIFF taken.

    Raises
    ------
    GalleryError
        The folder is none, or holds no TIFF that can be used.
    """
    published = read_published(folder)
    findings = tuple(inspect(published))
    if not published.images:
        why = next(iter(published.unreadable.values()), "there are none")
        raise GalleryError(f"importing queries of {folder}: no TIFF can be used ({why}); the list alone proves nothing")
    published = split_by_place(published, settings)
    aside = set() if keep_overlapping else overlapping(published)
    queries = []
    for (split, name), image in sorted(published.images.items()):
        if (split, name) in aside:
            continue
        target = queries_folder(settings) / split / name
        _copy(image.path, target)
        said = _said_of(image, folder, licence, attribution)
        known = published.classes.get(name) or scene_class(split, name)
        queries.append(describe_query(look_at_query(target), split, said, scene_class=known, time=""))
        if progress:
            progress(1)
    left_out, mended = tuple(sorted("/".join(place) for place in aside)), repaired(published)
    # Before the manifest: from here on cutting refuses to replace the set.
    _write_report(settings, findings, left_out, mended)
    size = publish_query_set(settings, queries)
    return ImportReport(findings, tuple(queries), left_out, mended, size, queries_folder(settings))


def _said_of(image: QueryImage, folder: Path, licence: str, attribution: str) -> dict[str, object]:
    """Return what is known of a picture's imagery: what the file itself says goes before what the publisher says."""
    named = NAME.match(image.path.name)
    return {
        "source": image.tags.get("source") or (named["type"] if named else folder.name),
        "licence": image.tags.get("licence") or licence,
        "attribution": image.tags.get("attribution") or attribution,
        "synthetic": image.tags.get("synthetic") == "yes",
    }


def split_by_place(published: Published, settings: Settings) -> Published:
    """Give TIFFs of no split one: whole groups of overlapping pictures to the tune split until it has its share, the rest to test."""
    names = [name for split, name in published.images if split == NO_SPLIT]
    groups = groups_by_place([published.images[NO_SPLIT, name].row() for name in names])
    order = np.random.default_rng([settings.seed, len(names)]).permutation(len(groups))
    splits: dict[str, str] = {}
    for group in (groups[int(number)] for number in order):
        wanted = settings.gallery.query_tune_share * len(names)
        tuned = sum(split == TUNE for split in splits.values())
        splits |= dict.fromkeys(group, TUNE if tuned + len(group) <= wanted else TEST)
    images = {
        (splits[name] if split == NO_SPLIT else split, name): image for (split, name), image in published.images.items()
    }
    return replace(published, images=images)


def groups_by_place(rows: Sequence[QueryRow]) -> list[list[str]]:
    """Names of pictures in groups, by name: two that overlap are in one group."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(row.imgname for row in rows)
    graph.add_edges_from((one.imgname, other.imgname) for one, other, _ in overlaps(rows, rows) if one != other)
    return sorted(sorted(group) for group in nx.connected_components(graph))


def overlapping(published: Published) -> set[tuple[str, str]]:
    """TIFFs that share ground with one of a split whose name sorts before theirs."""
    splits: dict[str, list[QueryRow]] = {}
    for (split, _), image in sorted(published.images.items()):
        splits.setdefault(split, []).append(image.row())
    names, aside = list(splits), set()
    for number, split in enumerate(names):
        for earlier in names[:number]:
            aside |= {(split, later.imgname) for _, later, _ in overlaps(splits[earlier], splits[split])}
    return aside


def repaired(published: Published) -> dict[str, int]:
    """Count lines of the published lists that a TIFF proves to be wrong, by column; rounding in the last digits is not counted."""
    wrong: dict[str, int] = {}
    for split, row in published.all_rows():
        image = published.images.get((split, row.imgname))
        if image is not None:
            for column in _differing(row, image):
                wrong[column] = wrong.get(column, 0) + 1
    return wrong


def _differing(row: QueryRow, image: QueryImage) -> list[str]:
    said, true = asdict(row), asdict(image.row())
    return [
        column
        for column, value in true.items()
        if (abs(said[column] - value) > 1e-9 if isinstance(value, float) else said[column] != value)
    ]


def scene_class(split: str, name: str) -> str:
    """Scene class of a query of reference 4 by its README: F* urban, a*, b* and m* not; of other names nobody says.

    >>> scene_class("test400", "F4_L15_arcgis.tiff"), scene_class("test100", "f4_L15_arcgis.tiff")
    ('urban', '')
    """
    if not (split == "test400" and NAME.match(name)):
        return ""
    return {"F": "urban", "a": "non-urban", "b": "non-urban", "m": "non-urban"}.get(name[0], "")


def _copy(source: Path, target: Path) -> None:
    if (
        target.is_file()
        and target.stat().st_size == source.stat().st_size
        and target.read_bytes() == source.read_bytes()
    ):
        return
    with publishing(target, f"taking over query {target.name}") as temporary:
        shutil.copyfile(source, temporary)


def _write_report(
    settings: Settings, findings: Sequence[Finding], set_aside: Sequence[str], mended: dict[str, int]
) -> None:
    said = {"findings": [asdict(finding) for finding in findings], "set_aside": set_aside, "repaired": mended}
    path = queries_folder(settings) / IMPORT_REPORT
    write_bytes(path, json.dumps(said, indent=1).encode(), "writing the report of the import")


def import_gallery(
    settings: Settings, path: Path, progress: Callable[[int], None] | None = None, *, licence: str = NO_LICENCE
) -> int:
    """Take over the tiles of a database with reference 4's ``ge_tiles``, which does not say its grid; return how many.

    The grid is that of the settings (``gallery.grid``): whoever calls has to know it. Tiles that do not decode are refused.

    Raises
    ------
    GalleryError
        No such database or table, a tile outside the grid or that is no picture.
    """
    grid, batch, total = grid_named(settings.gallery.grid), list[StoredTile](), 0
    with open_gallery(settings.gallery_folder, grid=grid, create=True) as gallery:
        with gallery.writing():
            gallery.note("imported", json.dumps({"file": path.name, "licence": licence}))
        built = {(one.zoom, one.time): one.provenance.get("source") for one in gallery.coverages()}
        for one in foreign_tiles(path):
            if (one.tile.z, one.time) in built:
                raise GalleryError(
                    f"importing {path}: {gallery.path} has tiles of {built[one.tile.z, one.time]!r} at zoom {one.tile.z} and time "
                    f"{one.time!r}, and those of the file would be mixed with them; import into another --home"
                )
            try:
                grid.check(one.tile)
            except GeometryError as error:
                raise GalleryError(
                    f"importing {path}: {error}; is it in the other grid, or does y count from the south?"
                ) from error
            batch.append(_sound(one, path))
            if len(batch) == BATCH:
                total += gallery.commit(batch)
                batch.clear()
                if progress:
                    progress(BATCH)
        total += gallery.commit(batch)
        if progress:
            progress(len(batch))
    return total


def _sound(one: StoredTile, path: Path) -> StoredTile:
    image, outcome, detail = decode_tile(one.data)
    if image is None:
        raise GalleryError(f"importing {path}: tile {tuple(one.tile)} is no picture of 256 x 256 ({outcome}: {detail})")
    return one
