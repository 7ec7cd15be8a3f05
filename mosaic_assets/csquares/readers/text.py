"""Text files piece by piece: encodings, gzip, and a bound on what is read."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mosaic_assets.csquares.readers.records import MAX_RECORD_CHARACTERS, Lost

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP = b"\x1f\x8b"
"""First bytes of a gzip file."""

_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Byte order marks, the longer ones first."""


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than a number of bytes."""

    def __init__(self, inner: io.BufferedIOBase, most: int, what: str) -> None:
        self._inner, self._left, self._most, self._what = inner, most, most, what

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        piece = self._inner.read1(len(memoryview(buffer)))  # what stands before damage comes by itself
        self._left -= len(piece)
        if self._left < 0:
            raise Lost(f"{self._what} more than {self._most:,} bytes; expected fewer: split the file")
        memoryview(buffer)[: len(piece)] = piece
        return len(piece)


@contextlib.contextmanager
def open_text(path: Path, max_bytes: int) -> Iterator[IO[str]]:
    r"""Open a text file, packed or not; line ends are ``\n``.

    What is not UTF-8 in a file without a byte order mark is kept as lone surrogates, so that a bad byte spoils the record
    it is in and no other.

    Parameters
    ----------
    max_bytes : int
        Most that the file may hold when unpacked, bytes.

    Raises
    ------
    Lost
        While reading: it holds more, or it is a damaged archive.
    OSError
        It cannot be read.
    """
    with path.open("rb") as plain, contextlib.ExitStack() as stack:
        packed = plain.read(len(GZIP)) == GZIP
        plain.seek(0)
        inner = stack.enter_context(gzip.GzipFile(fileobj=plain)) if packed else plain
        raw = _Bounded(inner, max_bytes, "it unpacks to" if packed else "it holds")
        try:
            buffered = io.BufferedReader(raw, 1 << 16)
            encoding = _encoding(buffered.peek(4)[:4])
            errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
            yield io.TextIOWrapper(buffered, encoding, errors)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Lost(f"the rest of the gzip archive is damaged ({error}); pack the file again") from error


def _encoding(head: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    zeros = [byte == 0 for byte in head]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else "utf-8"


def lines(stream: IO[str]) -> Iterator[tuple[int, str | None]]:
    r"""Yield numbered lines, from 1, with their ends; None for one that is too long to be held.

    Examples
    --------
    >>> list(lines(io.StringIO("a\nb")))
    [(1, 'a\n'), (2, 'b')]
    """
    number = 0
    while line := stream.readline(MAX_RECORD_CHARACTERS + 1):
        number += 1
        whole = len(line) <= MAX_RECORD_CHARACTERS
        yield number, line if whole else None
        while not (whole or line.endswith("\n")) and (line := stream.readline(MAX_RECORD_CHARACTERS)):
            pass
