"""The query set as the settings want it: taken over from a folder, or cut from a source."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mosaic_assets.gallery.importing import import_queries
from mosaic_assets.gallery.manifest import Query
from mosaic_assets.gallery.published import Finding
from mosaic_assets.gallery.queries import cut_query_set
from mosaic_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class QuerySet:
    """A query set that was just made."""

    queries: tuple[Query, ...]
    findings: tuple[Finding, ...]
    """What is inconsistent in a published set; empty for one that was cut."""
    set_aside: tuple[str, ...]
    bytes: int
    seconds: float
    folder: Path

    @property
    def synthetic(self) -> bool:
        """Whether any of the queries shows imagery that is made up."""
        return any(query.synthetic for query in self.queries)

    @property
    def splits(self) -> dict[str, int]:
        """Queries by split."""
        return _counted([query.split for query in self.queries])

    @property
    def classes(self) -> dict[str, int]:
        """Queries by scene class; of the empty one nobody says."""
        return _counted([query.scene_class for query in self.queries])


def make_query_set(settings: Settings, progress: Callable[[int], None] | None = None) -> QuerySet:
    """Take over the queries of ``gallery.query_folder``, or cut some where it is not set; `GalleryError` as in both."""
    began = clock.perf_counter()
    if settings.gallery.query_folder is not None:
        taken = import_queries(settings, settings.gallery.query_folder.expanduser(), progress=progress)
        seconds = clock.perf_counter() - began
        return QuerySet(taken.queries, taken.findings, taken.set_aside, taken.bytes, seconds, taken.folder)
    cut = cut_query_set(settings, progress)
    return QuerySet(cut.queries, (), (), cut.bytes, clock.perf_counter() - began, cut.folder)


def _counted(names: list[str]) -> dict[str, int]:
    return {name: names.count(name) for name in sorted(set(names))}
