"""The queries of the gallery's manifest, what the methods of localization answered, and the pictures that they left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mosaic_assets.errors import NotBuiltError, StoreError, UnknownNameError
from mosaic_assets.explorer.datasets.keeping import reading_home
from mosaic_assets.explorer.datasets.safe_files import identity_at
from mosaic_assets.explorer.reading import Shelf, kept
from mosaic_assets.gallery.localize.metrics import Asked
from mosaic_assets.gallery.manifest import Query, has_queries, manifest_path, read_manifest

NOT_BUILT = "there is no query set yet; materialize query_set, or run `mosaic gallery queries`"
QUERY_SET = "query set"
"""Kind of the answers that are about the query set; others are about cuts that nobody kept."""

Answers = dict[str, Any]


def queries(shelf: Shelf) -> list[Query]:
    """Return the query set, by split and name.

    Raises
    ------
    NotBuiltError
        There is none.
    StoreError
        Its manifest is damaged.
    """
    if not has_queries(shelf.settings):
        raise NotBuiltError(NOT_BUILT)
    identity = identity_at(manifest_path(shelf.settings))
    with reading_home():
        return kept(shelf, "queries", identity, lambda: read_manifest(shelf.settings))


def query_id(query: Query) -> str:
    """Return the id of a query, as the index has it: ``<split>/<name of the TIFF>``."""
    return f"{query.split}/{query.row.imgname}"


def query_row(shelf: Shelf, number: str) -> Query:
    """Return a query by its id; `NotBuiltError` and `UnknownNameError` when it is not there."""
    for query in queries(shelf):
        if query_id(query) == number:
            return query
    raise UnknownNameError("query", number[:100], "those of the query set", "See /api/queries.")


def result_files(shelf: Shelf) -> list[Path]:
    """Return the newest file of answers of each method, by method."""
    folder = shelf.settings.gallery_folder / "localize" / "results"
    newest: dict[str, tuple[int, Path]] = {}
    for path in folder.glob("*.json"):
        identity = identity_at(path)
        method = path.stem.rpartition("-")[0]
        if identity is not None and method and identity[0] > newest.get(method, (0, path))[0]:
            newest[method] = identity[0], path
    return [path for _, (_, path) in sorted(newest.items())]


def answers(shelf: Shelf) -> list[tuple[Asked, list[list[float]] | None]]:
    """Return every answer of every method, each with the outline of the answer where it was kept.

    Raises
    ------
    StoreError
        A file of answers is damaged.
    """
    files = result_files(shelf)
    identity = tuple((path.name, identity_at(path)) for path in files)
    return kept(shelf, "answers", identity, lambda: [one for path in files for one in _read(path)])


def answers_by_query(shelf: Shelf) -> dict[str, list[tuple[Asked, list[list[float]] | None]]]:
    """Return the answers about the query set by the name of the TIFF."""
    found: dict[str, list[tuple[Asked, list[list[float]] | None]]] = {}
    for asked, outline in answers(shelf):
        if asked.kind == QUERY_SET:
            found.setdefault(asked.query, []).append((asked, outline))
    return found


def match_pictures(shelf: Shelf, name: str, methods: list[str]) -> dict[str, str]:
    """Return the kept pictures of a query beside the gallery: path below the home by what made them.

    Parameters
    ----------
    name : of the query's TIFF.
    methods : whose pictures are looked for among those of the evaluation.
    """
    folder = shelf.settings.gallery_folder
    found = {}
    if (folder / "located" / f"{Path(name).stem}.png").is_file():
        found["mosaic gallery locate"] = f"gallery/located/{Path(name).stem}.png"
    drawn = {path.stem.partition("-")[2]: path.name for path in sorted((folder / "evaluation").glob("[0-9]*-*.png"))}
    for method in methods:
        file = drawn.get(slug(f"{method}: {name}"))
        if file is not None:
            found[method] = f"gallery/evaluation/{file}"
    return found


def slug(title: str) -> str:
    """Return a title as `mosaic gallery evaluate` makes it the name of a file.

    Examples
    --------
    >>> slug("sift_vlad: none north_up-000")
    'sift-vlad-none-north-up-000'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-").lower()


def _read(path: Path) -> Iterator[tuple[Asked, list[list[float]] | None]]:
    try:
        for one in json.loads(path.read_text(encoding="utf-8")).values():
            given = {name: value for name, value in one.items() if name in Asked.__slots__}
            yield _as_asked().validate_python(given), _outline(one.get("answer"))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(
            f"reading the answers in {path.name} failed: {error}; delete the file and run `mosaic gallery evaluate` again"
        ) from error


@cache
def _as_asked() -> TypeAdapter[Asked]:
    return TypeAdapter(Asked)


def _outline(answer: Any) -> list[list[float]] | None:
    """Return four corners, lng and lat, of an answer that has them."""
    if not isinstance(answer, list) or len(answer) != 4:
        return None
    return [[float(lng), float(lat)] for lng, lat in answer]
