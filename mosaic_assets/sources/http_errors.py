"""How fetching files over HTTP fails: for good, for now, or because of where a redirect leads."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from mosaic_assets.errors import SourceError, SourceUnavailableError


class FileRefusedError(SourceError):
    """A server refuses one file for good (403, 404, 410); others may still be had."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ComeBackLaterError(SourceUnavailableError):
    """A server asks for a pause so long that it is not waited for: a quota is used up, or there is maintenance."""


class PassingAnswerError(Exception):
    """Between `HttpFiles` and those who read bodies for it: the answer is worth another try."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads; only to the host itself or, encrypted, to a sister of it, because a token goes along."""
    target = urljoin(url, location)
    here, there = urlsplit(url), urlsplit(target)
    same = (here.scheme, here.netloc) == (there.scheme, there.netloc)
    sister = there.scheme == "https" and _family(here.hostname) == _family(there.hostname) != ""
    if not location or not (same or sister):
        raise SourceError(
            f"fetching from {here.netloc} failed: it redirects to {there.netloc or location[:60]!r}, another host, which is "
            f"not followed because the token would go along"
        )
    return target


def _family(host: str | None) -> str:
    """Return a host without its first part, if three parts at least are left: ``dataspace.copernicus.eu``."""
    rest = (host or "").partition(".")[2]
    return rest if rest.count(".") >= 2 and not rest.replace(".", "").isdigit() else ""


def as_passing(error: Exception) -> Exception:
    """Return a failed connection as worth another try, unless its certificate or address is at fault."""
    import requests

    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error).upper():
        return SourceError("connecting failed: the server's certificate is not valid; check the address and the clock")
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return SourceError("connecting failed: the address is none; check the addresses in the table `scenes`")
    return PassingAnswerError(kind_of_failure(error))


def kind_of_failure(error: Exception) -> str:
    """Name a failure of the connection without repeating what it says, which may be anything."""
    import requests

    if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error):
        return "a timeout"
    if "refused" in str(error):
        return "connection refused"
    if "IncompleteRead" in str(error) or "IncompleteRead" in repr(error):
        return "a truncated answer"
    return "a lost connection"
