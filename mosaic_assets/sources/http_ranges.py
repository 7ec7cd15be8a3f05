"""One file on a server: a range of it, or the whole with size and MD5; a whole file goes on where it broke off."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic_assets.errors import SourceError, SourceUnavailableError
from mosaic_assets.sources.http_errors import FileRefusedError, PassingAnswerError
from mosaic_assets.sources.http_files import HttpFiles

if TYPE_CHECKING:
    import requests

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
RANGE_NOT_SATISFIABLE = 416
PROGRESS_BYTES = 1 << 16
"""A try that brought so much was no failure, though the connection broke off."""


class WrongFileError(SourceError):
    """What a server has is not the file that the manifest lists."""


class NoRangesError(Exception):
    """The server answers a request for a range with the whole file; for those who then fetch it whole."""


@dataclass(frozen=True, slots=True)
class RemoteName:
    """A file on a server, and what its manifest says of it."""

    url: str
    label: str
    """For messages: product and file."""
    size_bytes: int
    md5: str
    """32 hexadecimal digits; '' when nobody lists one."""


def fetch_range(http: HttpFiles, file: RemoteName, offset: int, size: int) -> bytes:
    """Return ``size`` bytes from ``offset``.

    Raises
    ------
    NoRangesError
        The server would send the whole file.
    WrongFileError
        The server's file has another size than the manifest lists.
    """

    def use(response: requests.Response) -> bytes:
        if response.status_code == 200:
            if size == file.size_bytes:
                return _exactly(http, response, file.size_bytes)
            raise NoRangesError
        _check_range(response, file, offset, size)
        return _exactly(http, response, size)

    headers = {"Range": f"bytes={offset}-{offset + size - 1}"}
    try:
        return http.get(file.url, use, attempt=f"fetching a part of {file.label}", headers=headers)
    except FileRefusedError as error:
        if error.status == RANGE_NOT_SATISFIABLE:
            raise _wrong(file, "has fewer bytes") from error
        raise


def fetch_whole(http: HttpFiles, file: RemoteName, path: Path) -> None:
    """Fetch a file to ``path``, going on after the bytes that are there from an earlier attempt; check size and MD5.

    A file that came complete but wrong is fetched once more from its beginning, because it may have been damaged on
    its way or changed between two attempts.

    Raises
    ------
    WrongFileError
        Size or MD5 are wrong again.
    """
    part = path.with_name(path.name + ".part")
    for last in (False, True):
        _bring(http, file, part)
        if part.stat().st_size == file.size_bytes and file.md5 in ("", _md5(part)):
            part.replace(path)
            return
        part.unlink()
        if last:
            raise _wrong(file, "has another size or MD5")


def _bring(http: HttpFiles, file: RemoteName, part: Path) -> None:
    """Add to ``part`` until it is as long as the file; a try goes on where the one before broke off."""
    tries, longest = 0, _size(part)
    while (there := _size(part)) < file.size_bytes:
        try:
            _go_on(http, file, part, there)
        except SourceUnavailableError as error:
            # Each try asks for another range, so they are counted here: those in a row that brought next to nothing.
            tries = tries + 1 if _size(part) < longest + PROGRESS_BYTES else 0
            http.pause_after(tries, error)
        longest = max(longest, _size(part))


def _go_on(http: HttpFiles, file: RemoteName, part: Path, there: int) -> None:
    """Ask once for what is missing, and keep what comes."""

    def use(response: requests.Response) -> None:
        if response.status_code == 206:
            _check_range(response, file, there, file.size_bytes - there)
        with part.open("ab" if response.status_code == 206 else "wb") as out:
            for piece in http.read(response, file.size_bytes + 1):
                out.write(piece)
        if _size(part) < file.size_bytes:
            raise PassingAnswerError("a truncated answer")

    headers = {"Range": f"bytes={there}-"} if there else {}
    try:
        http.get(file.url, use, attempt=f"fetching {file.label}", headers=headers, tries=1)
    except FileRefusedError as error:
        if error.status != RANGE_NOT_SATISFIABLE:
            raise
        raise _wrong(file, "has fewer bytes") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _exactly(http: HttpFiles, response: requests.Response, size: int) -> bytes:
    body = b"".join(http.read(response, size))
    if len(body) < size:
        raise PassingAnswerError(f"a truncated answer: {len(body):,} of {size:,} bytes")
    return body


def _check_range(response: requests.Response, file: RemoteName, offset: int, size: int) -> None:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match is None:
        raise PassingAnswerError("an answer that does not say which range it is")
    if match[3] not in ("*", str(file.size_bytes)):
        raise _wrong(file, f"has {int(match[3]):,} bytes")
    if (int(match[1]), int(match[2])) != (offset, offset + size - 1):
        raise PassingAnswerError("another range than the one asked for")


def _wrong(file: RemoteName, found: str) -> WrongFileError:
    return WrongFileError(
        f"fetching {file.label} failed: the server's file {found}; expected {file.size_bytes:,} bytes with "
        f"MD5 {file.md5 or '(none listed)'}, as its manifest lists. The scene is left out until its day is fetched again"
    )


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
