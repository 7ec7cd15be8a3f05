"""The buckets and their state, kept between requests until the library changes."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import MosaicError, NotBuiltError, StoreError
from mosaic_assets.explorer.damage import suspecting_damage
from mosaic_assets.explorer.reading import Shelf, kept
from mosaic_assets.library.centroids import load_centroids
from mosaic_assets.library.coverage import LibraryState, read_state
from mosaic_assets.library.report import current_decision, summary
from mosaic_assets.settings import Settings

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

STATES = ("empty", "seen", "filling", "filled", "full")
"""Never met; met, nothing kept; below the floor; at the floor or above; at the cap."""
Value = TypeVar("Value")
NEIGHBOURS = 20
"""Centroids around each that bound where its tiles can lie."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The library's buckets; arrays have one row a bucket."""

    lab: NDArray[np.float64]
    rgb: list[str]
    """Each bucket's colour as ``#rrggbb``, or the nearest that a screen shows."""
    kept: NDArray[np.int64]
    hits: NDArray[np.int64]
    """Judged tiles, before cap and duplicates."""
    states: list[str]
    tree: cKDTree
    neighbours: NDArray[np.int64]
    """(buckets, `NEIGHBOURS`): the centroids nearest to each, without itself."""
    floor: int
    cap: int
    note: str | None
    """What to do about a library without tiles."""

    def bucket(self, number: int, kept: int | None = None) -> dict[str, Any]:
        """Return a bucket as plain values, with ``kept`` tiles where it is known better by now."""
        held = int(self.kept[number]) if kept is None else kept
        return {
            "bucket": number,
            "lab": self.lab[number].round(3).tolist(),
            "rgb": self.rgb[number],
            "kept": held,
            "hits": int(self.hits[number]),
            "state": states_of(np.array([held]), self.hits[number : number + 1], self.floor, self.cap)[0],
        }


def palette_of(shelf: Shelf) -> Palette:
    """Return the library's buckets as they are now.

    Raises
    ------
    NotBuiltError
        There are no centroids yet.
    StoreError
        Centroids or library are damaged, or do not belong together.
    """
    return _kept(shelf, "colours.palette", _library_now(shelf.settings), _read_palette)


def coverage_of(shelf: Shelf) -> dict[str, Any]:
    """Return what ``mosaic coverage --json`` prints, as it is now.

    Raises
    ------
    StoreError
        Library, biomes or imagery source cannot be read.
    """
    now = _library_now(shelf.settings), _harvest_now(shelf.settings)
    return _kept(shelf, "colours.coverage", now, _read_coverage)


def states_of(kept: NDArray[np.int64], hits: NDArray[np.int64], floor: int, cap: int) -> list[str]:
    """Return the state of each bucket, one of `STATES`.

    Examples
    --------
    >>> states_of(np.array([0, 0, 2, 3, 9]), np.array([0, 1, 2, 3, 9]), floor=3, cap=9)
    ['empty', 'seen', 'filling', 'filled', 'full']
    """
    levels = np.select([kept >= cap, kept >= floor, kept > 0, hits > 0], [4, 3, 2, 1], 0)
    return [STATES[level] for level in levels]


def hex_of(lab: NDArray[np.float64]) -> list[str]:
    """Return LAB colours (n, 3) as ``#rrggbb``; those that no screen shows are clipped.

    Examples
    --------
    >>> hex_of(np.array([[53.24, 80.09, 67.2], [100.0, 0.0, 0.0]]))
    ['#ff0000', '#ffffff']
    """
    from skimage.color import lab2rgb

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it clips
        rgb = np.rint(np.clip(lab2rgb(lab[:, None])[:, 0], 0, 1) * 255).astype(np.uint8)
    return [f"#{one.tobytes().hex()}" for one in rgb]


def _read_palette(settings: Settings) -> Palette:
    if not (settings.library / "centroids.npy").exists():
        raise NotBuiltError(
            f"there are no colour buckets in {settings.library} yet; build the library, for example with `mosaic run`, "
            "or materialize lab_centroids"
        )
    centroids, state = load_centroids(settings.library), read_state(settings)
    tree = centroids.tree()
    floor, cap = settings.target.floor, settings.bucket_cap
    hits = _hits(state, len(centroids.lab))
    return Palette(
        lab=centroids.lab,
        rgb=hex_of(centroids.lab),
        kept=state.kept,
        hits=hits,
        states=states_of(state.kept, hits, floor, cap),
        tree=tree,
        neighbours=np.asarray(tree.query(centroids.lab, k=NEIGHBOURS + 1)[1][:, 1:], np.int64),
        floor=floor,
        cap=cap,
        note=None if state.kept.any() else _what_to_do(settings),
    )


def _hits(state: LibraryState, buckets: int) -> NDArray[np.int64]:
    hits = np.zeros(buckets, np.int64)
    for bucket, count in state.total_hits().items():
        hits[bucket] = count
    return hits


def _what_to_do(settings: Settings) -> str:
    return (
        f"there are no tiles in {settings.library} yet; harvest some and merge them, for example with `mosaic run`, "
        "or materialize bucketed_library"
    )


def _read_coverage(settings: Settings) -> dict[str, Any]:
    state = read_state(settings)
    return summary(settings, current_decision(settings, state), state)


def _kept(shelf: Shelf, name: str, now: Hashable, read: Callable[[Settings], Value]) -> Value:
    """Return what was read while ``now`` was the same, or read it."""

    def make() -> Value:
        with _blaming_the_home(), suspecting_damage(shelf.settings.library, "run `mosaic library verify`"):
            return read(shelf.settings)

    return kept(shelf, name, now, make)


@contextlib.contextmanager
def _blaming_the_home() -> Iterator[None]:
    """Whoever asked is not to blame for settings, biomes, sources or centroids that are not as they should be."""
    try:
        yield
    except StoreError:
        raise
    except MosaicError as error:
        raise StoreError(str(error)) from error


def _library_now(settings: Settings) -> tuple[tuple[int, ...], ...]:
    """Return what changes whenever the library does; every commit touches the database or the log beside it."""
    names = ("tiles.db", "tiles.db-wal", "centroids.npy", "centroids.json")
    return tuple(_identity(settings.library / name) for name in names)


def _harvest_now(settings: Settings) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return what changes whenever a round is published: steering reads how the newest was planned."""
    with contextlib.suppress(OSError):
        return tuple((folder.name, _identity(folder)) for folder in sorted(settings.harvest.iterdir()))
    return ()


def _identity(path: Path) -> tuple[int, ...]:
    """Return time, size and place of a file; nothing of one that is not there or empty (readers leave an empty log)."""
    with contextlib.suppress(OSError):
        found = path.stat()
        if found.st_size:
            return found.st_mtime_ns, found.st_size, found.st_dev, found.st_ino
    return ()
