"""A published query set as it was found: what its lists, TIFFs and README say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.query_files import (
    QueryImage,
    QueryRow,
    look_at_query,
    read_csv,
    read_scene_classes,
    tiffs_in,
)

NO_SPLIT = ""
"""Split of TIFFs that no list names and that lie in no folder of a split."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published query set: what lists, TIFFs and README say."""

    rows: dict[str, list[QueryRow]]
    """Lines of the lists by split."""
    classes: dict[str, str] = field(default_factory=dict)
    """Scene class by name, where a list has a column ``scene_class``."""
    images: dict[tuple[str, str], QueryImage] = field(default_factory=dict)
    """TIFFs by (split, name)."""
    unreadable: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why a TIFF cannot be used."""
    readme: str = ""

    def all_rows(self) -> Iterator[tuple[str, QueryRow]]:
        """Yield every line with its split."""
        for split, rows in self.rows.items():
            yield from ((split, row) for row in rows)


@dataclass(frozen=True, slots=True)
class Finding:
    """An inconsistency by name."""

    name: str
    what: str
    count: int
    summary: str
    examples: tuple[str, ...]
    remedy: str


def read_published(folder: Path) -> Published:
    """Read a folder of lists (``<split>.csv``), folders of TIFFs (``<split>/``) and, if there is one, a README.

    TIFFs beside the lists are of the split whose list names them, or of `NO_SPLIT`. Those that cannot be used are noted with
    the reason, not refused.

    Raises
    ------
    GalleryError
        The folder does not exist or has neither lists nor TIFFs, or a list cannot be read.
    """
    if not folder.is_dir():
        raise GalleryError(
            f"reading a query set: {folder} is no folder; give the one that holds <split>.csv and <split>/"
        )
    rows = {path.stem: read_csv(path) for path in sorted(folder.glob("*.csv"))}
    images: dict[tuple[str, str], QueryImage] = {}
    unreadable: dict[tuple[str, str], str] = {}
    listed = {row.imgname: split for split, found in rows.items() for row in found}
    folders = [sub for sub in sorted(folder.iterdir()) if sub.is_dir()]
    for path in (tiff for sub in (folder, *folders) for tiff in tiffs_in(sub)):
        place = listed.get(path.name, NO_SPLIT) if path.parent == folder else path.parent.name, path.name
        try:
            images[place] = look_at_query(path)
        except GalleryError as error:
            unreadable[place] = str(error)
    if not rows and not images and not unreadable:
        raise GalleryError(f"reading a query set: {folder} has no <split>.csv and no folder of TIFFs; check the path")
    readmes = [path for path in (*folder.glob("README*"), *folder.parent.glob("README*")) if path.is_file()]
    readme = readmes[0].read_text(encoding="utf-8", errors="replace") if readmes else ""
    classes = {name: said for path in sorted(folder.glob("*.csv")) for name, said in read_scene_classes(path).items()}
    return Published(rows, classes, images, unreadable, readme)
