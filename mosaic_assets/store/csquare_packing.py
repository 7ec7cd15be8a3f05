"""Numbers in few bytes: a scene's keys, and the places of scenes in a block."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

BLOCK_BITS = 15
"""A block is ``1 << BLOCK_BITS`` slots: a bitset of 4 kB. Larger blocks make additions slow, smaller ones searches."""
BLOCK = 1 << BLOCK_BITS

LIST, BITS, GAPS = 0, 1, 2
"""How places are packed: 16-bit numbers; a bit a place, the least significant first; a byte a gap."""
_SKIP = 255
"""As a gap: skip this many places and take none. A smaller gap is skipped, and the place behind it taken."""
_SKIP_BYTE = bytes([_SKIP])
_FEW = 32
"""Lists up to this long stay numbers; packing them tighter would save next to nothing."""
_COUNT = np.arange(BLOCK)
_COUNT.setflags(write=False)


def pack_keys(keys: Ints) -> bytes:
    """Return ascending keys as bytes: differences, bytes of one weight together, deflated.

    Parameters
    ----------
    keys : (n,) int64
        Ascending, 0..2**24 - 1.

    Examples
    --------
    >>> unpack_keys(pack_keys(np.array([5, 9, 70_000]))).tolist()
    [5, 9, 70000]
    """
    steps = np.diff(keys, prepend=0).astype("<i4")
    return zlib.compress(steps.view(np.uint8).reshape(-1, 4)[:, :3].T.tobytes(), 6)


def unpack_keys(packed: bytes) -> Ints:
    """Return the keys in what `pack_keys` made, (n,) int64."""
    low, middle, high = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(3, -1).astype(np.int64)
    return np.cumsum(low | middle << 8 | high << 16)


def pack_places(places: Ints) -> tuple[int, bytes]:
    r"""Return ascending places in a block in a short form.

    Returns
    -------
    kind : int
        `LIST`, `BITS` or `GAPS`.
    packed : bytes

    Examples
    --------
    >>> pack_places(np.array([1, 300])), pack_places(np.array([0, 1, 9]))
    ((0, b'\x01\x00,\x01'), (1, b'\x03\x02'))
    """
    count, size = len(places), int(places[-1]) // 8 + 1
    if 2 * count > size:  # gaps would be shorter still, but bits are by far the fastest to read
        bits = np.zeros(8 * size, np.uint8)
        bits[places] = 1
        return BITS, np.packbits(bits, bitorder="little").tobytes()
    if count > _FEW:
        gaps = places.copy()
        gaps[1:] -= places[:-1] + 1
        skips = gaps // _SKIP
        length = count + int(skips.sum())
        if length < 2 * count:
            packed = np.full(length, _SKIP, np.uint8)
            packed[np.cumsum(skips + 1) - 1] = gaps - _SKIP * skips
            return GAPS, packed.tobytes()
    return LIST, places.astype("<u2").tobytes()


def unpack_places(kind: int, packed: bytes) -> Ints:
    """Return the places in what `pack_places` made, (n,) int64 ascending."""
    if kind == BITS:
        return np.flatnonzero(np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little"))
    if kind == LIST:
        return np.frombuffer(packed, "<u2").astype(np.int64)
    return unpack_gaps([packed], [0])


def unpack_gaps(lists: Sequence[bytes], starts: Sequence[int]) -> Ints:
    """Return the places in several lists of the kind `GAPS`, each moved by a number of its own.

    One pass over all of them costs about as much as one over each: their bytes are few, numpy's calls are many.

    Parameters
    ----------
    lists : sequence of bytes
        None of them empty, and at least one.
    starts : sequence of int
        What is added to the places of each.

    Returns
    -------
    (n,) int64
        Ascending within a list.
    """
    joined = b"".join(lists)
    gaps = np.frombuffer(joined, np.uint8)
    reach = np.add.accumulate(gaps, dtype=np.int64)
    skips = _SKIP_BYTE in joined
    # A place taken is itself a step; that a list starts anew undoes what came before it.
    if skips:
        taken = gaps != _SKIP
        reach += np.add.accumulate(taken, dtype=np.int64)
        reach -= 1
    else:  # the usual case: every byte is a place
        reach += _COUNT[: len(reach)] if len(reach) <= BLOCK else np.arange(len(reach))
    moves, before = [], 0
    for end, start in zip(accumulate(map(len, lists)), starts, strict=True):
        moves.append(start - before)
        before = int(reach[end - 1]) + 1
    reach += np.repeat(np.array(moves), [len(packed) for packed in lists])
    return reach[taken] if skips else reach


def extend_places(kind: int, packed: bytes, more: Ints) -> tuple[int, bytes]:
    """Return what `pack_places` made with further places, all behind those that are there.

    A bitset stays one, though a list might become shorter in time; a rebuild chooses anew.

    Examples
    --------
    >>> unpack_places(*extend_places(*pack_places(np.array([0, 1, 9])), np.array([20]))).tolist()
    [0, 1, 9, 20]
    """
    extended = _extend_gaps(packed, more.tolist()) if kind == GAPS else b""
    if extended:
        return GAPS, extended
    if kind != BITS:
        return pack_places(np.concatenate([unpack_places(kind, packed), more]))
    bits = bytearray(packed)
    bits.extend(bytes(int(more[-1]) // 8 + 1 - len(bits)))
    for place in more.tolist():
        bits[place >> 3] |= 1 << (place & 7)
    return BITS, bytes(bits)


def _extend_gaps(packed: bytes, more: Sequence[int]) -> bytes:
    """Return a list of gaps with further places, without unpacking it; empty when gaps are no longer the best form."""
    count = len(packed) - packed.count(_SKIP)
    last = sum(packed) + count - 1
    extended = bytearray(packed)
    for place in more:
        skips, gap = divmod(place - last - 1, _SKIP)
        extended += bytes([_SKIP]) * skips
        extended.append(gap)
        last = place
    count += len(more)
    return b"" if 2 * count > last // 8 + 1 or len(extended) >= 2 * count else bytes(extended)
