"""Many HTTP requests at a time from one thread, by libcurl.

A thread for each connection would spend most of a fast network's time handing the interpreter's lock around: 0.6 ms of
CPU a tile where this takes 0.03 ms (``benchmarks/harvest.py`` prints today's figure). What an answer means, and whether
to ask again, is decided by the caller; here is only how bytes come and how long is waited for them.
"""

from __future__ import annotations

import errno
import functools
import io
import ssl
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import pycurl

from mosaic_assets.settings import Network
from mosaic_assets.sources.answers import HOSTS, origin

PATIENCE = 4
"""Time limit of a whole answer in units of ``Network.timeout_s``, which itself limits each part of it."""

USED = frozenset({"content-type", "etag", "blank-tile", "x-ve-tile-info", "location", "retry-after", "content-length"})
"""Names of the header lines that are read; a distant server sends three times as many."""

_LOST = "connection lost"

Key = TypeVar("Key")


class Received(NamedTuple):
    """What came back for one request: a status with its header and body, or why nothing usable did."""

    status: int = 0
    headers: Mapping[str, str] = MappingProxyType({})
    """Those of `USED`, by their names in lower case."""
    body: bytes | None = b""
    """None: larger than allowed."""
    failure: str = ""
    """Why there is no whole answer; it contains no URL, because URLs carry access keys."""
    unreachable: bool = False
    """Not even a connection could be made."""
    final: bool = False
    """The failure would happen again."""


class Transfers(Generic[Key]):
    """Requests under way on one set of connections; for one thread.

    Where to send requests by way of a proxy is looked up once a host: changes of the environment count for the next
    object.

    Parameters
    ----------
    network : timeouts and the largest body.
    headers : sent with every request, as ``"Name: value"``.
    connections : requests under way at a time.
    """

    def __init__(self, network: Network, headers: list[str], connections: int) -> None:
        self._network = network
        self._multi = pycurl.CurlMulti()
        self._free: list[_Transfer[Key]] = [_Transfer(_new_handle(network, headers)) for _ in range(connections)]
        self._under_way: dict[pycurl.Curl, _Transfer[Key]] = {}
        self._looked_at = time.monotonic()
        self._proxy = functools.lru_cache(HOSTS)(_proxy)

    @property
    def free(self) -> int:
        """Requests that can be started now."""
        return len(self._free)

    @property
    def under_way(self) -> list[Key]:
        """The keys of what was started and has not ended."""
        return [transfer.key for transfer in self._under_way.values()]

    @property
    def busy(self) -> bool:
        """Whether any request is under way."""
        return bool(self._under_way)

    def start(self, key: Key, url: str) -> None:
        """Send a request, to be known by ``key``; needs a `free` place."""
        transfer = self._free.pop()
        handle = transfer.handle
        handle.setopt(pycurl.URL, url)
        proxy = self._proxy(origin(url))
        if proxy != transfer.proxy:
            handle.setopt(pycurl.PROXY, proxy)
            transfer.proxy = proxy
        transfer.key, transfer.size = key, 0
        transfer.began = transfer.moved_at = time.monotonic()
        self._under_way[handle] = transfer
        self._multi.add_handle(handle)

    def wait(self, seconds: float) -> list[tuple[Key, Received]]:
        """Move bytes for up to ``seconds``; return what ended meanwhile, by key."""
        ended = self._ended()
        if not ended:
            self._multi.select(seconds)
            ended = self._ended()
        return ended + self._late()

    def _ended(self) -> list[tuple[Key, Received]]:
        while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            continue
        ended: list[tuple[Key, Received]] = []
        queued = 1
        while queued:
            queued, good, bad = self._multi.info_read()
            ended += [self._end(handle, 0) for handle in good]
            ended += [self._end(handle, code) for handle, code, _ in bad]
        return ended

    def close(self) -> None:
        """Break what is under way, and close all connections."""
        for handle in [*self._under_way]:
            self._multi.remove_handle(handle)
            handle.close()
        self._under_way.clear()
        for transfer in self._free:
            transfer.handle.close()
        self._multi.close()

    def _end(self, handle: pycurl.Curl, code: int) -> tuple[Key, Received]:
        transfer = self._under_way[handle]
        return self._release(transfer, _failed(transfer, code) if code else _answered(transfer))

    def _release(self, transfer: _Transfer[Key], received: Received) -> tuple[Key, Received]:
        del self._under_way[transfer.handle]
        self._multi.remove_handle(transfer.handle)
        transfer.forget()
        self._free.append(transfer)
        return transfer.key, received

    def _late(self) -> list[tuple[Key, Received]]:
        """End transfers that stand still, or drip for too long: libcurl's own limits are in whole seconds."""
        now, limit = time.monotonic(), self._network.timeout_s
        if now - self._looked_at < limit / 20:
            return []
        self._looked_at = now
        late = []
        for handle, transfer in [*self._under_way.items()]:
            size = handle.getinfo(pycurl.HEADER_SIZE) + handle.getinfo(pycurl.SIZE_DOWNLOAD_T)
            if size != transfer.size:
                transfer.size, transfer.moved_at = size, now
            if now - transfer.moved_at > limit:
                late.append(self._release(transfer, Received(failure="no answer in time")))
            elif now - transfer.began > PATIENCE * limit:
                failure = f"the answer took longer than {PATIENCE * limit:g} s"
                late.append(self._release(transfer, Received(failure=failure)))
        return late


class _Transfer(Generic[Key]):
    """One handle, and of the request that it is at: what came so far, and when.

    The handle keeps its buffers from request to request: setting them anew would take longer than filling them.
    """

    __slots__ = ("began", "body", "handle", "header", "key", "moved_at", "proxy", "size")

    key: Key

    def __init__(self, handle: pycurl.Curl) -> None:
        self.handle = handle
        self.header, self.body = io.BytesIO(), io.BytesIO()
        handle.setopt(pycurl.HEADERFUNCTION, self.header.write)
        handle.setopt(pycurl.WRITEFUNCTION, self.body.write)
        handle.setopt(pycurl.PROXY, "")  # else libcurl looks at the environment itself
        self.proxy = ""
        self.began = self.moved_at = 0.0
        self.size = 0

    def forget(self) -> None:
        """Let go of what came: the handle would keep it until its next answer."""
        for buffer in (self.header, self.body):
            buffer.seek(0)
            buffer.truncate()


def _new_handle(network: Network, headers: list[str]) -> pycurl.Curl:
    handle = pycurl.Curl()
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.HTTPHEADER, [*headers, "Accept-Encoding: identity"])
    handle.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, round(network.timeout_s * 1000)))
    handle.setopt(pycurl.MAXFILESIZE_LARGE, network.max_body_bytes)
    handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    for option, path in _certificates().items():
        handle.setopt(option, path)
    return handle


def _certificates() -> dict[int, str]:
    """Where the system keeps the authorities it trusts: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are heeded."""
    paths = ssl.get_default_verify_paths()
    found = {pycurl.CAINFO: paths.cafile, pycurl.CAPATH: paths.capath}
    chosen = {option: path for option, path in found.items() if path}
    if chosen:
        return chosen
    import certifi

    return {pycurl.CAINFO: certifi.where()}


def _proxy(url: str) -> str:
    """Return the URL of the proxy to use, or '' for none; loopback is never asked for through one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host):
        return ""
    return getproxies().get(parts.scheme, "")


def _answered(transfer: _Transfer[Any]) -> Received:
    status = transfer.handle.getinfo(pycurl.RESPONSE_CODE)
    return Received(status, _headers(transfer.header.getvalue()), transfer.body.getvalue())


def _headers(lines: bytes) -> dict[str, str]:
    r"""Return what is used of the last header that came: a 100 Continue may have come before it.

    Examples
    --------
    >>> _headers(b'HTTP/1.1 200 OK\r\nETag:  "1" \r\nServer: any\r\n\r\n')
    {'etag': '"1"'}
    """
    text = lines.decode("latin-1")
    found = {}
    for line in text[text.rfind("\nHTTP/") + 1 :].split("\n"):
        name, colon, value = line.partition(":")
        if colon and (known := name.strip().lower()) in USED:
            found[known] = value.strip()
    return found


_REASONS: dict[int, dict[str, Any]] = {
    pycurl.E_COULDNT_RESOLVE_HOST: {"failure": "host name not found", "unreachable": True},
    pycurl.E_COULDNT_RESOLVE_PROXY: {"failure": "the proxy refused or failed", "unreachable": True},
    pycurl.E_OPERATION_TIMEDOUT: {"failure": "no connection in time", "unreachable": True},
    pycurl.E_PEER_FAILED_VERIFICATION: {"failure": "its certificate is not valid", "final": True},
    pycurl.E_SSL_CONNECT_ERROR: {"failure": "the encrypted connection failed"},
    pycurl.E_PARTIAL_FILE: {"failure": "a truncated answer"},
    pycurl.E_SSL_CACERT_BADFILE: {"failure": "the file of trusted authorities cannot be read", "final": True},
    pycurl.E_UNSUPPORTED_PROTOCOL: {"failure": "an answer that is not HTTP"},
    pycurl.E_URL_MALFORMAT: {"failure": "not an address", "final": True},
}


def _failed(transfer: _Transfer[Any], code: int) -> Received:
    """Translate libcurl's error; the texts are our own, because its texts may contain the URL."""
    if code == pycurl.E_FILESIZE_EXCEEDED:
        status = transfer.handle.getinfo(pycurl.RESPONSE_CODE)
        return Received(status, _headers(transfer.header.getvalue()), None)
    if code == pycurl.E_COULDNT_CONNECT:
        refused = transfer.handle.getinfo(pycurl.OS_ERRNO) == errno.ECONNREFUSED
        return Received(failure="connection refused" if refused else "no connection", unreachable=True)
    if code in _REASONS:
        return Received(**_REASONS[code])
    return Received(failure="a truncated answer" if transfer.header.tell() else _LOST)
