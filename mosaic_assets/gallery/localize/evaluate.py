"""Measure methods on the gallery: queries cut and changed with a seed, and the query set; a killed run goes on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.localize import plots
from mosaic_assets.gallery.localize.cutting import cut_queries, given_queries, query_key
from mosaic_assets.gallery.localize.gallery import Gallery, opening_gallery
from mosaic_assets.gallery.localize.index import Progress
from mosaic_assets.gallery.localize.metrics import Asked, grouped, judged
from mosaic_assets.gallery.localize.records import Query
from mosaic_assets.gallery.localize.registry import Method, method_named
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import write_bytes

KEPT_EVERY_S = 5.0
"""Seconds of work that a killed run loses at most."""

PICTURES = 2
"""Pictures of matches that are drawn for each method: a good one, and one that went wrong where there is one."""


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """What was measured."""

    rows: list[dict[str, Any]]
    """A row for each method and kind of change, first those of all queries together (group ``all``)."""
    scenes: list[dict[str, Any]]
    """A row for each method and class of scene."""
    plots: dict[str, bytes]
    """PNG by title."""
    pictures: dict[str, bytes]
    """Matches of some queries, PNG by title."""
    asked: list[Asked]
    facts: dict[str, Any] = field(default_factory=dict)
    """Cells, bytes and seconds a tile, queries, what is synthetic."""


def run_benchmark(settings: Settings, progress: Progress | None = None) -> BenchmarkReport:
    """Measure the methods of the settings on the gallery.

    Queries are of three kinds: cut from the gallery and changed (the changes are synthetic); mirror images of such cuts,
    which are nowhere; and the GeoTIFFs of the query set whose place the gallery has, as they are.

    Parameters
    ----------
    progress : called with what is being done, how much is done, how much there is.

    Raises
    ------
    GalleryError
        There is no gallery, it is empty, or too small to cut a query from.
    """
    tell = progress or (lambda _what, _done, _of: None)
    methods = [method_named(name, settings.gallery.localize_modules) for name in settings.gallery.localize_methods]
    with opening_gallery(settings, progress) as gallery:
        queries = list(benchmark_queries(gallery, settings))
        asked: list[Asked] = []
        for method in methods:
            asked += ask_all(method, queries, gallery, settings.gallery_folder, tell)
        return BenchmarkReport(
            grouped(asked, lambda _one: "all") + grouped(asked, lambda one: one.kind), grouped(asked, lambda one: one.scene),
            plots.all_plots(asked), _pictures(methods, queries, asked, gallery), asked, _facts(gallery, queries, settings),
        )  # fmt: skip


def benchmark_queries(gallery: Gallery, settings: Settings) -> Iterable[Query]:
    """Yield the queries that the settings ask for."""
    options = settings.gallery
    yield from cut_queries(gallery.view, options.localize_places, options.query_pixels, settings.seed)
    scenes = _scene_classes(settings)
    for query in given_queries(settings.gallery_folder / "queries", gallery.view):
        yield Query(query.name, query.image, query.truth, query.footprint, "query set", scenes.get(query.name, ""))


def _scene_classes(settings: Settings) -> dict[str, str]:
    from mosaic_assets.gallery.manifest import has_queries, read_manifest

    if not has_queries(settings):
        return {}
    return {query.path(settings).name: query.scene_class for query in read_manifest(settings)}


def ask_all(
    method: Method, queries: Sequence[Query], gallery: Gallery, folder: Path, progress: Progress
) -> list[Asked]:
    """Ask a method all queries; answers of an earlier run on the same gallery are taken from its file."""
    path = _results_path(method, gallery, folder)
    known = read_answers(path)
    saved = time.monotonic()
    asked = []
    for at, query in enumerate(queries, 1):
        key = query_key(query)
        if key not in known:
            known[key] = ask(method, query, gallery)
            if time.monotonic() - saved > KEPT_EVERY_S:
                _write(path, known)
                saved = time.monotonic()
        asked.append(known[key])
        progress(f"asking {method.name}, queries", at, len(queries))
    _write(path, known)
    return asked


def ask(method: Method, query: Query, gallery: Gallery) -> Asked:
    """Ask a method one query and judge the answer.

    Raises
    ------
    GalleryError
        The method failed; the message names it and the query.
    """
    start, processor = time.perf_counter(), time.process_time()
    try:
        candidates = method.run(query, gallery)
    except Exception as error:
        raise GalleryError(
            f"asking the method {method.name!r} where {query.name} is failed: {type(error).__name__}: {error}; a method is a "
            "function (query, gallery) that returns a list of candidates, empty when it finds none"
        ) from error
    seconds, processor_s = time.perf_counter() - start, time.process_time() - processor
    return judged(query, method.name, candidates, seconds, processor_s)


def _results_path(method: Method, gallery: Gallery, folder: Path) -> Path:
    """File of the answers; its name changes with the gallery, the method's version and the settings that answers hang on."""
    options = gallery.options.model_dump(mode="json", exclude={"localize_places", "localize_methods"})
    wanted = {name: value for name, value in options.items() if name.startswith("localize_")}
    state = json.dumps([gallery.index.folder.name, method.version, wanted], sort_keys=True)
    return results_folder(folder) / f"{method.name}-{hashlib.sha256(state.encode()).hexdigest()[:16]}.json"


def results_folder(gallery_folder: Path) -> Path:
    """Return where answers are kept, a file a method and state of gallery and settings: ``<method>-<state>.json``."""
    return gallery_folder / "localize" / "results"


def read_answers(path: Path) -> dict[str, Asked]:
    """Return the kept answers of a file by the key of their query; none if there is no such file.

    Raises
    ------
    GalleryError
        It cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        return {key: Asked(**one) for key, one in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise GalleryError(
            f"reading kept answers from {path}: {error}; remove the file, they are measured again"
        ) from error


def _write(path: Path, known: dict[str, Asked]) -> None:
    content = json.dumps({key: asdict(one) for key, one in known.items()}, indent=0)
    write_bytes(path, content.encode(), "keeping the answers of a method")


def _pictures(
    methods: Sequence[Method], queries: Sequence[Query], asked: Sequence[Asked], gallery: Gallery
) -> dict[str, bytes]:
    """Draw for each method the right answer of middling confidence, and the surest wrong one."""
    by_name = {query.name: query for query in queries}
    drawn = {}
    for method in methods:
        mine = [one for one in asked if one.method == method.name and not one.nowhere]
        right = sorted((one for one in mine if one.right), key=lambda one: one.confidence)
        wrong = sorted((one for one in mine if not one.right), key=lambda one: -one.confidence)
        for one in (right[len(right) // 2 :][:1] + wrong[:1])[:PICTURES]:
            query = by_name[one.query]
            candidates = method.run(query, gallery)
            title = f"{method.name}: {one.query}"
            drawn[title] = plots.match_picture(query, candidates[0] if candidates else None, gallery.view, title)
    return drawn


def _imagery(gallery: Gallery) -> str:
    """Say whether what is on the tiles is made up."""
    said = [
        one.provenance.get("synthetic") for one in gallery.view.database.coverages() if one.zoom == gallery.view.zoom
    ]
    return "not said" if not said else "synthetic" if any(said) else "real"


def _facts(gallery: Gallery, queries: Sequence[Query], settings: Settings) -> dict[str, Any]:
    index, view = gallery.index, gallery.view
    cells = max(1, len(index.cells))
    return {
        "zoom": view.zoom,
        "grid": view.grid.name,
        "tiles": len(view.tiles),
        "cells": len(index.cells),
        "index_seconds": index.facts["seconds"],
        "index_seconds_a_tile": round(index.facts["seconds"] / max(1, len(view.tiles)), 5),
        "vector_bytes_a_tile": round(index.facts["vector_bytes"] / cells),
        "edge_bytes_a_tile": round(index.facts["edge_bytes"] / cells),
        "queries": len(queries),
        "query_bytes": round(float(np.mean([query.image.nbytes for query in queries]))),
        "seed": settings.seed,
        "imagery": _imagery(gallery),
        "changes": "synthetic: made from cuts of the gallery with the seed; the kind `query set` is as given",
    }
