"""Searching scenes by place, time and platform, and asking what squares they have.

::

    from mosaic_assets.csquares import open_index

    with open_index(home / "csquares") as index:
        page = index.search(box=(150, -30, 155, -25), start="2003-06-22", end="2003-06-23")

Scenes are ordered by time, then platform, then id; a scene's **number** is its position in that order. Numbers hold until
the index changes, ids for ever.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares.answers import Found, Page, Span, all_ids, spans_of
from mosaic_assets.csquares.choosing import of_platforms, span_of
from mosaic_assets.csquares.compress import compress
from mosaic_assets.csquares.holding import CatalogueStaleError, Holding
from mosaic_assets.csquares.index import index_path
from mosaic_assets.csquares.merging import KEY_LEVEL
from mosaic_assets.csquares.overlap import Overlap, overlap_of_keys
from mosaic_assets.csquares.pairs import codes_of_keys
from mosaic_assets.csquares.places import Where, ids_at, keys_of_place, level_at
from mosaic_assets.errors import SettingsError, UnknownNameError
from mosaic_assets.store.csquare_db import CsquareDatabase, open_csquare_db
from mosaic_assets.store.csquare_pages import SceneRow, scene_rows
from mosaic_assets.store.csquare_records import Scene

Ints = arrays.Ints
Bools = arrays.Bools
T = TypeVar("T")


class SceneIndex:
    """An open index; see `open_index`. For one thread at a time."""

    def __init__(self, db: CsquareDatabase) -> None:
        self._db = db
        self._held = Holding(db)
        self._ids: NDArray[Any] | None = None
        self._spans: tuple[Span, ...] | None = None

    def search(self, *, limit: int = 100, page: int = 1, **where: Unpack[Where]) -> Page:
        """Return a page of the scenes that include all or part of a place.

        Parameters
        ----------
        limit : int
            Scenes a page, 0..100,000; 0 counts only.
        page : int
            From 1; beyond the last it is empty.
        **where
            One of ``codes``, ``box``, ``point``, ``geometry``, ``scene``, or none for everywhere; ``resolution``,
            ``start``, ``end``, ``platform``. `Where` explains each.

        Raises
        ------
        CodeError
            Not a c-square, or one smaller than half a degree; a resolution other than 10, 5, 1 and 0.5.
        GeometryError
            A place outside the world, or a geometry that cannot be covered.
        UnknownNameError
            No such scene or platform in the index.
        SettingsError
            Two places at once, an unreadable time, a limit or a page out of range.

        Examples
        --------
        See ``docs/csquares.md``.
        """
        if not (0 <= limit <= 100_000 and page >= 1):
            raise SettingsError(
                f"searching for page {page} of {limit} scenes: expected a page from 1, a limit of 0..100,000"
            )
        with self._db.reading() as generation:
            self._renew(generation)
            numbers = self._find(where)
            slots = self._held.catalogue.order[numbers[(page - 1) * limit : page * limit]]
            return Page(len(numbers), page, limit, self._db.scenes(slots) if len(slots) else [])

    def find(self, *, limit: int = 100, page: int = 1, **where: Unpack[Where]) -> Found:
        """Return a page of scenes as rows, and the squares that stood for the place. Parameters as for `search`."""
        with self._db.reading() as generation:
            self._renew(generation)
            place = keys_of_place(where, self._keys_of)
            numbers = self._matching(where, place)
            slots = self._held.catalogue.order[numbers[(page - 1) * limit : page * limit]].tolist()
            return Found(len(numbers), scene_rows(self._db, slots) if slots else [], place)

    def row(self, scene: str) -> tuple[SceneRow, Ints]:
        """Return a scene by its id, and the keys of its compressed squares.

        Raises
        ------
        UnknownNameError
            No such scene.
        """
        with self._db.reading():
            keys = self._keys_of(scene)
            slot = self._db.slot_of(scene)
            return scene_rows(self._db, [slot] if slot is not None else [])[0], keys

    def spans(self) -> tuple[Span, ...]:
        """Return what the index has of each platform, sorted by platform; kept until the index changes."""
        with self._db.reading() as generation:
            self._renew(generation)
            if self._spans is None:
                self._spans = spans_of(self._held.catalogue)
            return self._spans

    def generation(self) -> int:
        """Return a number that grows whenever the index changes."""
        with self._db.reading() as generation:
            return generation

    def count(self, **where: Unpack[Where]) -> int:
        """Return how many scenes a search finds, without making a list of them. Parameters as for `search`."""
        return self._answer(where, self._count)

    def numbers(self, **where: Unpack[Where]) -> Ints:
        """Return the numbers of all scenes that a search finds, (n,) int64 ascending. Parameters as for `search`."""
        return self._answer(where, self._find)

    def ids(self, **where: Unpack[Where]) -> arrays.Texts:
        """Return the ids of all scenes that a search finds, (n,) text in their order. Parameters as for `search`.

        The first call reads all ids of the index into memory, about 50 ms and 24 bytes a scene for ids of 6 letters.
        """
        found = self._answer(where, lambda where: self._all_ids()[self._find(where)])
        if found.dtype.kind == "U":
            return found
        return found.astype(f"<U{max(1, int(np.strings.str_len(found).max(initial=0)))}")

    def scenes(self, numbers: Ints) -> list[Scene]:
        """Return scenes by their numbers."""
        with self._db.reading() as generation:
            self._renew(generation)
            return self._db.scenes(self._held.catalogue.order[numbers])

    def platforms(self) -> list[str]:
        """Return the platforms that scenes of the index have, sorted."""
        with self._db.reading() as generation:
            self._renew(generation)
            return sorted(self._held.catalogue.names[number] for number in np.unique(self._held.catalogue.platforms))

    def squares_of(self, scene: str, resolution: float = 0.5, *, compressed: bool = False) -> list[str]:
        """Return the sorted codes of the squares that a scene includes all or part of.

        Parameters
        ----------
        scene : str
            Its id.
        resolution : float
            10, 5, 1 or 0.5 degrees.
        compressed : bool
            Write ``*`` where whole squares are full.

        Raises
        ------
        UnknownNameError
            No such scene.
        CodeError
            Another resolution.
        """
        level = level_at(resolution)
        keys = self.keys_of(scene)
        if compressed and level == KEY_LEVEL:
            return codes_of_keys(keys).tolist()  # type: ignore[no-any-return]
        ids = ids_at(keys, level)
        codes: list[str] = arrays.codes_of_ids(ids, level).tolist()
        return compress(codes) if compressed else codes

    def keys_of(self, scene: str) -> Ints:
        """Return the keys of a scene's compressed squares, (n,) int64 ascending; the fastest form of `squares_of`.

        Raises
        ------
        UnknownNameError
            No such scene.
        """
        with self._db.reading():
            return self._keys_of(scene)

    def overlap(self, first: str, second: str, resolution: float = 0.5) -> Overlap:
        """Return what the squares of two scenes have in common; `overlap` does it with lists of codes.

        Raises
        ------
        UnknownNameError
            No such scene.
        CodeError
            A resolution other than 10, 5, 1 and 0.5.
        """
        with self._db.reading():
            keys = self._keys_of(first), self._keys_of(second)
        return overlap_of_keys(*keys, level_at(resolution))

    def _renew(self, generation: int) -> None:
        """Read the catalogue anew if the index has changed; call it inside `CsquareDatabase.reading`."""
        if self._held.renew(generation):
            self._ids = self._spans = None

    def _answer(self, where: Where, question: Callable[[Where], T]) -> T:
        """Answer from one state of the index, with a catalogue to match.

        A question that reads lists and nothing else needs one statement, which tells whether the catalogue still
        holds. All others, and this one if it does not, need a transaction.
        """
        if self._held.generation >= 0 and where.get("scene") is None:
            try:
                return question(where)
            except CatalogueStaleError:
                self._held.generation = -1
        with self._db.reading() as generation:
            self._renew(generation)
            return question(where)

    def _count(self, where: Where) -> int:
        low, high = span_of(where, self._held.catalogue)
        held = self._flags(where, keys_of_place(where, self._keys_of), low, high)
        return high - low if held is None else int(np.count_nonzero(held))

    def _find(self, where: Where) -> Ints:
        return self._matching(where, keys_of_place(where, self._keys_of))

    def _matching(self, where: Where, place: list[int] | None) -> Ints:
        low, high = span_of(where, self._held.catalogue)
        held = self._flags(where, place, low, high)
        if held is None:
            return np.arange(low, high)
        (numbers,) = held.nonzero()
        if low:
            numbers += low
        return numbers

    def _flags(self, where: Where, place: list[int] | None, low: int, high: int) -> Bools | None:
        """Return which of the scenes numbered low..high-1 are there and of the platform; None for all."""
        held = self._held.flags(place, low, high)
        if (platform := where.get("platform")) is not None:
            of = of_platforms([platform] if isinstance(platform, str) else platform, self._held.catalogue, low, high)
            held = of if held is None else held & of
        if held is not None and (scene := where.get("scene")) is not None:
            held &= self._held.catalogue.order[low:high] != self._db.slot_of(scene)
        return held

    def _keys_of(self, scene: str) -> Ints:
        slot = self._db.slot_of(scene)
        if slot is None:
            raise UnknownNameError(
                "scene", scene, f"{len(self._held.catalogue.order):,} others", "Search for it by place or time."
            )
        return self._db.footprint(slot)

    def _all_ids(self) -> NDArray[Any]:
        """Return the ids of all scenes by number."""
        if self._ids is None:
            if not self._db.is_reading:
                raise CatalogueStaleError  # one statement more than `_answer` tries without a transaction
            self._ids = all_ids(self._db, self._held.catalogue)
        return self._ids


@contextlib.contextmanager
def open_index(folder: Path) -> Iterator[SceneIndex]:
    """Open the index for searching; close it on leaving. Updates made meanwhile show up in the next search.

    Parameters
    ----------
    folder : Path
        The folder ``csquares`` of the data home.

    Raises
    ------
    DatabaseError
        There is no index yet, or it is damaged, not ours or from a newer version.

    Examples
    --------
    >>> import tempfile; from mosaic_assets.csquares.index import rebuild_index
    >>> folder = Path(tempfile.mkdtemp())
    >>> report = rebuild_index(folder)
    >>> with open_index(folder) as index:
    ...     index.count(box=(150, -30, 155, -25))
    0
    """
    with open_csquare_db(index_path(folder)) as db:
        yield SceneIndex(db)
