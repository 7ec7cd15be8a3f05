"""A PNG taken apart by the standard library."""

from __future__ import annotations

import struct
import zlib


def chunks_of(body: bytes) -> list[tuple[bytes, bytes]]:
    """Kinds and contents of a PNG's chunks, the checksums verified by zlib."""
    at, chunks = 8, []
    while at < len(body):
        length, kind = struct.unpack_from(">I4s", body, at)
        data = body[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", body, at + 8 + length)[0] == zlib.crc32(kind + data)
        chunks.append((kind, data))
        at += 12 + length
    assert at == len(body)
    return chunks
