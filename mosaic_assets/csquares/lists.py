"""The index's lists: which squares have one, what they gain from scenes, and who is on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.store.csquare_packing import BITS, BLOCK, BLOCK_BITS, GAPS, unpack_gaps, unpack_places

Ints = arrays.Ints
Bools = arrays.Bools

TOUCH = 1 << 20
"""Added to the key of a 10- or 5-degree square: the list of scenes that have it or any square inside it."""
LIST_BITS = 21
"""A list's id is its block, then this many bits for the key, `TOUCH` included."""
_AT_ONCE = 256
"""Lists of gaps unpacked at a time: enough to spread numpy's overhead, few enough to stay in the cache."""


def lists_of(key: int) -> list[int]:
    """Return the lists that together name every scene which includes all or part of a square.

    A scene includes part of a square if its compressed squares have the square, one around it, or one inside it.
    For 10 and 5 degrees one list (`TOUCH`) stands for the square and all inside.

    Examples
    --------
    >>> lists_of(19)  # 1000:101:1: itself, 1000:101, 1000:1, 1000
    [19, 18, 1, 0]
    >>> lists_of(0) == [TOUCH]
    True
    """
    leaf, level = key >> 2, key & 3
    above = [leaf // 4 * 16 + 2, leaf // 100 * 400 + 1, leaf // 400 * 1600][3 - level :]
    if level < 2:
        return [TOUCH | key, *above]
    inside = [4 * (leaf + place) + 3 for place in range(4)] if level == 2 else []
    return [key, *inside, *above]


def postings_of(slots: Ints, offsets: Ints, keys: Ints) -> Ints:
    """Return what lists gain from scenes: numbers of (block, `TOUCH` and key, place in the block), unsorted.

    Parameters
    ----------
    slots : (n,) int64
    offsets : (n + 1,) int64
        The keys of the scene in ``slots[i]`` are ``keys[offsets[i]:offsets[i + 1]]``.
    keys : (m,) int64
        Ascending within a scene.
    """
    slot = np.repeat(slots, np.diff(offsets))
    leaf, level = keys >> 2, keys & 3
    found = [_numbered(slot, keys)]
    for finest, leaves in ((0, 400), (1, 100)):
        which = np.flatnonzero(level >= finest)
        around, of = leaf[which] // leaves, slot[which]
        # Keys ascend within a scene, so the squares around them come in runs.
        first = np.ones(len(which), bool)
        first[1:] = (around[1:] != around[:-1]) | (of[1:] != of[:-1])
        found.append(_numbered(of[first], around[first] * (4 * leaves) + finest | TOUCH))
    return np.concatenate(found)


def _numbered(slot: Ints, key: Ints) -> Ints:
    return ((slot >> BLOCK_BITS) << LIST_BITS | key) << BLOCK_BITS | slot & (BLOCK - 1)


def runs_of(postings: Ints) -> Iterator[tuple[int, Ints]]:
    """Yield list ids, ascending, with their places, from sorted postings."""
    ids = postings >> BLOCK_BITS
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    places = postings & (BLOCK - 1)
    ends = [*starts[1:].tolist(), len(ids)][: len(starts)]  # no end without a start
    for list_id, start, end in zip(ids[starts].tolist(), starts.tolist(), ends, strict=True):
        yield list_id, places[start:end]


def flags_of(
    lists: Iterable[tuple[int, int, bytes]], low: int, high: int, held: NDArray[np.uint8] | None = None
) -> Bools:
    r"""Return which slots of a range are on any of some lists.

    Parameters
    ----------
    lists : iterable of (id, kind, packed)
        Lists of any blocks; see `mosaic_assets.store.csquare_packing.pack_places`.
    low, high : int
        The first slot and the one behind the last, low <= high.
    held : (n,) uint8, optional
        Slots from 0 to ``high`` at least that count as well, a bit each, the least significant first.

    Returns
    -------
    (high - low,) bool

    Examples
    --------
    >>> flags_of([(19, 0, b"\x01\x00\x03\x00"), (18, 1, b"\x04")], 1, 5).tolist()
    [True, True, True, False]
    """
    low, skipped = low & ~7, low & 7
    bits = np.zeros((high - low + 7) >> 3, np.uint8) if held is None else held[low >> 3 : (high + 7) >> 3].copy()
    gaps: list[bytes] = []
    starts: list[int] = []
    found: list[Ints] = []
    beyond = False
    for number, kind, packed in lists:
        start = (number >> LIST_BITS << BLOCK_BITS) - low
        beyond |= not 0 <= start < high - low
        if kind == BITS:
            part, at = np.frombuffer(packed, np.uint8), start >> 3
            if at < 0:
                part, at = part[-at:], 0
            there = bits[at : at + len(part)]
            np.bitwise_or(there, part if len(there) == len(part) else part[: len(there)], out=there)
        elif kind == GAPS:
            gaps.append(packed)
            starts.append(start)
        else:
            found.append(unpack_places(kind, packed) + start)
    flags = np.unpackbits(bits, bitorder="little").view(bool)
    parts = (slice(first, first + _AT_ONCE) for first in range(0, len(gaps), _AT_ONCE))
    found.extend(unpack_gaps(gaps[part], starts[part]) for part in parts)
    # Lists of the range's own whole blocks stay within it.
    whole = len(flags) > 0 and not (low | len(flags)) & (BLOCK - 1) and not beyond
    for places in found:
        flags[places if whole else places[(places >= 0) & (places < len(flags))]] = True
    return flags[skipped : high - low]
