"""Finding, among many 64-bit perceptual hashes, those within a Hamming distance of given ones.

Two hashes that differ in at most k bits must nearly agree in one of their four 16-bit words: were the words
allowed r0, r1, r2, r3 differing bits with r0 + r1 + r2 + r3 = k - 3, and each of them exceeded, they would differ
in k + 1 bits or more. So each word has a table of the hashes by its value, a look-up visits the values near its own
(188 of them at k = 8, found by the radii 2, 1, 1, 1), and the full distance of what is found there decides. The
result is that of comparing all pairs.

Flat tiles are the caller's business: all of them share a hash (`mosaic_assets.core.phash.FLAT_PHASH`, or 0 for
black) that says nothing of where they lie. Leave them out of the index and of the queries.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BITS = 64

_WORDS = 4
_WORD_BITS = 16
_VALUES = 1 << _WORD_BITS
_QUERIES_AT_ONCE = 16  # measured: more at once leave the processor's cache
_PAIRS_AT_ONCE = 1 << 18
_SCAN_ADVANTAGE = 8  # comparing with everything in order is so much faster a pair than following tables
_LOOSE = 4_096  # hashes that no table has, which are compared one and all, before tables are made of them too
_LOOSE_SHARE = 16
_NONE = np.iinfo(np.int64).max


class NearIndex:
    """Perceptual hashes that can be asked for by nearness, and added to; positions count from 0 in that order.

    In memory, 24 bytes a hash, and 2 MB when they are many; for one thread at a time. Made from 500,000 hashes in some 20 ms, a
    look-up among them takes about 50 microseconds alone and half of that in company (`benchmarks/near_duplicates.py`).

    Parameters
    ----------
    codes : uint64 (n,), the hashes stored at first; n may be 0 and at most 2**31 - 1. Copied.

    Raises
    ------
    ValueError
        Another shape or type.

    Examples
    --------
    >>> index = NearIndex(np.array([0b0000_1111, 0b1111_0000], np.uint64))
    >>> index.near(np.array([0b0000_1110, 0b0011_1100], np.uint64), 1)
    array([ True, False])

    A merge decides tile by tile in order, and a tile that it keeps must be seen by the next ones. Ask the library
    once for all of the round, and a small index of the round's own for each tile (where most have no neighbour in the
    round itself, as `crowded` tells, only those that have one need that):

    >>> round_codes = np.array([0b0000_1110, 0b0011_1100, 0b0011_1101], np.uint64)
    >>> in_library, own, kept = index.near(round_codes, 1), NearIndex(np.empty(0, np.uint64)), []
    >>> for at in range(len(round_codes)):
    ...     code = round_codes[at : at + 1]
    ...     if not in_library[at] and not own.near(code, 1)[0]:  # and whatever else decides
    ...         own.add(code)
    ...         kept.append(at)
    >>> kept
    [1]
    """

    def __init__(self, codes: NDArray[np.uint64]) -> None:
        self._codes = _checked(codes, "indexing").copy()
        self._count, self._indexed = len(codes), 0
        self._index_if_due()

    def __len__(self) -> int:
        """Count the stored hashes."""
        return self._count

    @property
    def codes(self) -> NDArray[np.uint64]:
        """The stored hashes in order of position, uint64 (n,); a copy."""
        return self._codes[: self._count].copy()

    def add(self, codes: NDArray[np.uint64]) -> None:
        """Store further hashes, behind the others; hashes that stand there already are stored again.

        Parameters
        ----------
        codes : uint64 (n,), n may be 0.

        Raises
        ------
        ValueError
            Another shape or type.

        Examples
        --------
        >>> index = NearIndex(np.array([7], np.uint64))
        >>> index.add(np.array([8, 9], np.uint64))
        >>> index.codes
        array([7, 8, 9], dtype=uint64)
        """
        end = self._count + len(_checked(codes, "indexing"))
        if end > len(self._codes):  # twice the room: adding one by one copies each hash a few times, not each time all
            larger = np.empty(max(end, 2 * self._count), np.uint64)
            larger[: self._count] = self._codes[: self._count]
            self._codes = larger
        self._codes[self._count : end] = codes
        self._count = end
        self._index_if_due()

    def near(self, queries: NDArray[np.uint64], distance: int) -> NDArray[np.bool_]:
        """Whether any stored hash lies within a distance of each query.

        Parameters
        ----------
        queries : uint64 (n,), n may be 0.
        distance : the most bits that may differ, 0..64.

        Returns
        -------
        bool (n,); all False when nothing is stored.

        Raises
        ------
        ValueError
            Another shape or type, or a distance out of range.

        Examples
        --------
        >>> NearIndex(np.array([0b111], np.uint64)).near(np.array([0b100, 0], np.uint64), 2)
        array([ True, False])
        """
        return self.nearest(queries, distance) >= 0

    def nearest(self, queries: NDArray[np.uint64], distance: int) -> NDArray[np.int64]:
        """Position of the nearest stored hash within a distance of each query.

        Parameters
        ----------
        queries : uint64 (n,), n may be 0.
        distance : the most bits that may differ, 0..64.

        Returns
        -------
        int64 (n,): the lowest of the positions that are equally near; -1 where no stored hash is near enough.

        Raises
        ------
        ValueError
            Another shape or type, or a distance out of range.

        Examples
        --------
        >>> NearIndex(np.array([0b111, 0b100, 0b100], np.uint64)).nearest(np.array([0b101, 0b1_000_000], np.uint64), 1)
        array([ 0, -1])
        """
        return self._search(_checked(queries, "looking up"), distance, np.full(len(queries), -1))

    def crowded(self, distance: int) -> NDArray[np.bool_]:
        """Whether another stored hash lies within a distance of each, by position.

        Parameters
        ----------
        distance : the most bits that may differ, 0..64.

        Returns
        -------
        bool (n,), n the number of stored hashes; a hash stored twice is its own neighbour.

        Raises
        ------
        ValueError
            A distance out of range.

        Examples
        --------
        >>> NearIndex(np.array([0b111, 0b1_000_000, 0b110], np.uint64)).crowded(1)
        array([ True, False,  True])
        """
        return self._search(self._codes[: self._count], distance, np.arange(self._count)) >= 0

    def _search(self, queries: NDArray[np.uint64], distance: int, own: NDArray[np.int64]) -> NDArray[np.int64]:
        """Position of the nearest stored hash, -1 for none; that at position ``own`` is passed over."""
        if not 0 <= distance <= BITS:
            raise ValueError(f"looking up hashes within {distance!r} bits; give a whole number from 0 to {BITS}")
        best = np.full(len(queries), _NONE)
        if not self._indexed or _SCAN_ADVANTAGE * _count_probes(distance) > self._indexed:
            self._scan(queries, own, slice(None), 0, best)
        else:
            for start in range(0, len(queries), _QUERIES_AT_ONCE):
                part = slice(start, start + _QUERIES_AT_ONCE)
                self._follow_tables(queries[part], own[part], distance, best[part])
            self._scan(queries, own, slice(None), self._indexed, best)
        return np.where(best >> 32 <= distance, best & 0xFFFF_FFFF, -1)

    def _index_if_due(self) -> None:
        if self._count - self._indexed > max(_LOOSE, self._indexed // _LOOSE_SHARE):
            self._index_all()

    def _index_all(self) -> None:
        """Make the tables: per word, positions by the word's value, and where each value's positions start."""
        codes = self._codes[: self._count]
        order, sizes = np.empty((_WORDS, len(codes)), np.int32), np.empty((_WORDS, _VALUES), np.int64)
        for word in range(_WORDS):
            values = (codes >> np.uint64(word * _WORD_BITS)).astype(np.uint16)
            order[word] = np.argsort(values, kind="stable")  # of 16-bit numbers a radix sort, in linear time
            sizes[word] = np.bincount(values, minlength=_VALUES)
        self._order = order.ravel()
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._indexed = len(codes)

    def _follow_tables(
        self, queries: NDArray[np.uint64], own: NDArray[np.int64], distance: int, best: NDArray[np.int64]
    ) -> None:
        """Lower ``best`` to the indexed hashes that share a nearby word with the queries, of which there are few."""
        shifts, masks, tables = _probes(distance)
        keys = (((queries[:, None] >> shifts) & np.uint64(_VALUES - 1)) ^ masks).astype(np.int64) + tables
        firsts = self._starts[keys]
        sizes = self._starts[keys + 1] - firsts
        found = sizes.sum(axis=1)
        crowded = _SCAN_ADVANTAGE * found > self._indexed  # a cluster: nearly everything shares a word with the query
        if crowded.any():
            self._scan(queries, own, np.flatnonzero(crowded), 0, best)
            sizes[crowded], found[crowded] = 0, 0
        positions = self._order[_ranges(firsts.ravel(), sizes.ravel())]
        differing = np.bitwise_count(self._codes[positions] ^ np.repeat(queries, found))
        hits = np.flatnonzero(differing <= distance)
        whose = np.searchsorted(np.cumsum(found), hits, side="right")
        others = positions[hits] != own[whose]
        hits, whose = hits[others], whose[others]
        np.minimum.at(best, whose, differing[hits].astype(np.int64) << 32 | positions[hits])

    def _scan(
        self,
        queries: NDArray[np.uint64],
        own: NDArray[np.int64],
        which: slice | NDArray[np.int64],
        start: int,
        best: NDArray[np.int64],
    ) -> None:
        """Lower ``best`` of some queries to all stored hashes from a position on."""
        stored = self._codes[start : self._count]
        if not len(stored):
            return
        chosen, lowest, selves = queries[which], best[which], own[which] - start
        for part in _slices(len(chosen), max(1, _PAIRS_AT_ONCE // len(stored))):
            differing = np.bitwise_count(chosen[part, None] ^ stored)
            (some,) = np.nonzero(selves[part] >= 0)
            differing[some, selves[part][some]] = BITS + 1
            at = differing.argmin(axis=1)  # the first of equals
            least = differing[np.arange(len(at)), at].astype(np.int64)
            lowest[part] = np.minimum(lowest[part], least << 32 | (at + start))
        best[which] = lowest


def _radii(distance: int) -> list[int]:
    """Bits in which each word may differ, -1 for a word not to be looked at; see the module's first lines."""
    share, over = divmod(distance + 1, _WORDS)
    # The last word has the larger part of its values unused, its first bit being set in nearly every picture's hash:
    # what is over goes to the others.
    return [share - (word >= over) for word in range(_WORDS)]


def _count_probes(distance: int) -> int:
    return sum(math.comb(_WORD_BITS, bits) for radius in _radii(distance) for bits in range(radius + 1))


@functools.cache
def _probes(distance: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    """Every (word, change of its bits) to look at: the word's shift, the change, and the start of the word's table."""
    words, masks = [], []
    for word, radius in enumerate(_radii(distance)):
        for count in range(radius + 1):
            for bits in itertools.combinations(range(_WORD_BITS), count):
                words.append(word)
                masks.append(sum(1 << bit for bit in bits))
    numbers = np.array(words, np.int64)
    return (numbers * _WORD_BITS).astype(np.uint64), np.array(masks, np.uint64), numbers * _VALUES


def _ranges(firsts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Concatenate ``arange(first, first + size)`` of each."""
    ends = np.cumsum(sizes)
    return np.repeat(firsts - ends + sizes, sizes) + np.arange(ends[-1])


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))


def _checked(codes: NDArray[np.uint64], attempt: str) -> NDArray[np.uint64]:
    if codes.dtype != np.uint64 or codes.ndim != 1:
        raise ValueError(
            f"{attempt} perceptual hashes given as {codes.dtype} {codes.shape}; expected uint64 (n,), as phash returns"
        )
    return codes
