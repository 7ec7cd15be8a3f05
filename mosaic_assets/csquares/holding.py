"""Who has a square: the index's lists, read as far as a question needs them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.csquares.lists import LIST_BITS, flags_of, lists_of
from mosaic_assets.store.csquare_db import CsquareDatabase
from mosaic_assets.store.csquare_packing import BLOCK, BLOCK_BITS
from mosaic_assets.store.csquare_records import Catalogue

Bools = arrays.Bools

_KEPT_BYTES = 32_000_000
"""Memory for decoded lists: at 60,000 scenes enough for every 5-degree square of the world."""


class CatalogueStaleError(Exception):
    """The index has changed since its catalogue was read; `SceneIndex` reads it anew and asks again."""


class Holding:
    """The catalogue of one state of the index, and who has which squares in that state."""

    def __init__(self, db: CsquareDatabase) -> None:
        self._db = db
        self.generation = -1
        """Of the catalogue; -1 before the first is read."""
        self.catalogue = Catalogue(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint16), (), 0)
        self._in_place = True
        self._kept: dict[int, NDArray[np.uint8]] = {}

    def renew(self, generation: int) -> bool:
        """Read the catalogue anew if it is of another generation, inside `CsquareDatabase.reading`; say whether it was."""
        if generation == self.generation:
            return False
        self.catalogue = self._db.catalogue()
        self._in_place = self.catalogue.in_place
        self._kept.clear()
        self.generation = generation
        return True

    def flags(self, keys: list[int] | None, low: int, high: int) -> Bools | None:
        """Return which of the scenes numbered low..high-1 include all or part of any of some squares.

        None stands for all of them: for no squares asked for, or no scenes.

        Raises
        ------
        CatalogueStaleError
            The index has another generation by now.
        """
        if keys is None or low == high:
            self._read([])  # says whether there are others by now
            return None
        wanted = {number for key in keys for number in lists_of(key)}
        if not self._in_place:
            slots = self.catalogue.order[low:high]
            lists = self._read([b << LIST_BITS | n for b in np.unique(slots >> BLOCK_BITS).tolist() for n in wanted])
            first = int(slots.min())
            found: Bools = flags_of(lists, first, int(slots.max()) + 1)[slots - first]
            return found
        around = None
        if len(keys) == 1 and keys[0] & 3 >= 2:
            around = self._around(keys[0], wanted, narrow=2 * (high - low) < self.catalogue.slots)
        if high - low < BLOCK >> 1:
            return flags_of(self._read_in(low, high, wanted), low, high, around)
        first, last = low & -BLOCK, high + BLOCK - 1 & -BLOCK  # whole blocks need no cutting of lists
        return flags_of(self._read_in(first, last, wanted), first, last, around)[low - first : high - first]

    def _around(self, key: int, wanted: set[int], narrow: bool) -> NDArray[np.uint8] | None:
        """Return who has the 5- or 10-degree square around a smaller one, a bit a slot, and take these off what is wanted.

        The two lists are long, and the same for 25 or 100 squares: decoded, they are kept for the next question nearby.
        A narrow question uses what is kept, but is not worth decoding all slots for.
        """
        five, ten = lists_of(key)[-2:]
        kept = self._kept.get(five)
        if kept is None:
            if narrow:
                return None
            last = self.catalogue.slots + BLOCK - 1 & -BLOCK
            kept = np.packbits(flags_of(self._read_in(0, last, (five, ten)), 0, last), bitorder="little")
            if (len(self._kept) + 1) * len(kept) > _KEPT_BYTES:
                self._kept.clear()
            self._kept[five] = kept
        wanted -= {five, ten}
        return kept

    def _read_in(self, first: int, last: int, wanted: Iterable[int]) -> list[tuple[int, int, bytes]]:
        """Return lists in the blocks of a range of slots."""
        blocks = range(first >> BLOCK_BITS, (last - 1 >> BLOCK_BITS) + 1)
        return self._read([block << LIST_BITS | number for block in blocks for number in wanted])

    def _read(self, ids: list[int]) -> list[tuple[int, int, bytes]]:
        generation, lists = self._db.lists(ids)
        if generation != self.generation:
            raise CatalogueStaleError
        return lists
