"""A file on a server as a seekable handle that fetches only what is read."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from mosaic_assets.errors import MosaicError
from mosaic_assets.sources.http_files import HttpFiles
from mosaic_assets.sources.http_ranges import NoRangesError, RemoteName, fetch_range, fetch_whole

BLOCK_BYTES = 1 << 15
"""What a read fetches at least: the directory of a netCDF file is read in many small pieces."""

MAX_GAP_BYTES = 1 << 16
"""Ranges with no more than this between them are fetched as one."""


class RemoteFile(io.RawIOBase):
    """A file on a server, read by ranges; where the server gives none, fetched whole on the first read.

    Parameters
    ----------
    http : the client.
    file : where it is, and its size and MD5.
    whole : where the whole file goes when the server gives no ranges.
    connections : ranges that `read_ranges` fetches at a time.
    failed : told of the error that ends a read, because libraries between here and the caller may replace it.
    """

    def __init__(
        self,
        http: HttpFiles,
        file: RemoteName,
        whole: Path,
        *,
        connections: int,
        failed: Callable[[MosaicError | OSError], None],
    ) -> None:
        super().__init__()
        self._http = http
        self._file = file
        self._whole = whole
        self._connections = connections
        self._failed = failed
        self._blocks: dict[int, bytes] = {}
        self._local: BinaryIO | None = None
        self._lock = threading.Lock()
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to where the next read is to begin."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from where the handle stands; return how many bytes there were."""
        size = min(len(buffer), max(0, self._file.size_bytes - self._at))
        if size:
            buffer[:size] = self.read_ranges([(self._at, size)])[0] if size > BLOCK_BYTES else self._cached(size)
            self._at += size
        return size

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each ``(offset, size)``; near ones come in one request, several requests at a time."""
        try:
            return self._read_ranges(ranges)
        except (MosaicError, OSError) as error:
            self._failed(error)
            raise

    def close(self) -> None:
        """Drop what was fetched."""
        self._blocks.clear()
        if self._local is not None:
            self._local.close()
            self._local = None
        super().close()

    def _read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        spans = joined(ranges, MAX_GAP_BYTES)
        if len(spans) == 1 or self._local is not None:
            bodies = [self._span(*span) for span in spans]
        else:
            with ThreadPoolExecutor(min(self._connections, len(spans))) as pool:
                bodies = list(pool.map(lambda span: self._span(*span), spans))
        out = []
        for offset, size in ranges:
            number = next(n for n, (start, length) in enumerate(spans) if start <= offset < start + max(length, 1))
            begin = offset - spans[number][0]
            out.append(bodies[number][begin : begin + size])
        return out

    def _span(self, offset: int, size: int) -> bytes:
        if size == 0:
            return b""
        if not self._http.no_ranges.is_set() and self._local is None:
            try:
                return fetch_range(self._http, self._file, offset, size)
            except NoRangesError:
                self._http.no_ranges.set()
        with self._lock:
            local = self._fetched_whole()
            local.seek(offset)
            return local.read(size)

    def _fetched_whole(self) -> BinaryIO:
        if self._local is None:
            if not self._whole.exists():
                fetch_whole(self._http, self._file, self._whole)
            self._local = self._whole.open("rb")
        return self._local

    def _cached(self, size: int) -> bytes:
        """Return bytes from where the handle stands by way of whole blocks."""
        first, last = self._at // BLOCK_BYTES, (self._at + size - 1) // BLOCK_BYTES
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        spans = [(n * BLOCK_BYTES, min(BLOCK_BYTES, self._file.size_bytes - n * BLOCK_BYTES)) for n in missing]
        if spans:
            self._blocks.update(zip(missing, self.read_ranges(spans), strict=True))
        joint = b"".join(self._blocks[number] for number in range(first, last + 1))
        begin = self._at - first * BLOCK_BYTES
        return joint[begin : begin + size]


def joined(ranges: Sequence[tuple[int, int]], max_gap: int) -> list[tuple[int, int]]:
    """Join ranges that overlap or lie near one another.

    Parameters
    ----------
    ranges : ``(offset, size)`` in any order; sizes >= 0.
    max_gap : bytes between two ranges that are fetched along rather than asked around.

    Examples
    --------
    >>> joined([(0, 10), (15, 5), (100, 10)], max_gap=8)
    [(0, 20), (100, 10)]
    """
    spans: list[tuple[int, int]] = []
    for offset, size in sorted(ranges):
        if spans and offset - sum(spans[-1]) <= max_gap:
            start, length = spans[-1]
            spans[-1] = (start, max(length, offset + size - start))
        else:
            spans.append((offset, size))
    return spans
