"""A stand-in for the Copernicus Data Space on loopback, as a process of its own.

It speaks OData search with paging and the limit of 10,000, Nodes, tokens that expire, and Range; it counts requests
and bytes, and fails as it is told to. Run it by hand over a folder of ``.SEN3`` products::

    python -m mosaic_assets_tests.scenes.copernicus_server FOLDER

It prints its port. ``GET /counts`` answers what it served, ``POST /switches`` takes a JSON object of `Switches`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from urllib.request import Request, urlopen

PROJECT = Path(__file__).resolve().parents[2]
USER, PASSWORD = "someone", "correct horse"
MOST = 10_000
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


@dataclass
class Switches:
    """What the server does; set by ``POST /switches``."""

    ranges: bool = True
    page: int = 1_000
    token_life_s: float = 600.0
    refresh_works: bool = True
    drop_tokens: bool = False
    """Forget every token given out so far, once."""
    names: list[str] = field(default_factory=list)
    """Further names in the catalogue, without files."""
    next_link: str = ""
    """Instead of the right one."""
    count_more: int = 0
    """The catalogue counts so many products too many."""
    delay_s: float = 0.0
    """Before each answer with a file."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    """Each: ``on`` a part of the path, ``times`` (default: for ever), ``status``, ``retry_after``, ``body``,
    ``truncate`` (bytes after which the connection is closed), ``corrupt`` (one byte is changed), ``grow``
    (bytes added), ``stall_s``, ``dribble_s`` (pause after every ten bytes)."""


class World:
    """What all requests share."""

    def __init__(self, products: Path) -> None:
        self.lock = threading.Lock()
        self.start_anew(products)

    def start_anew(self, products: Path) -> None:
        """Forget everything, for the next test."""
        self.products = products
        self.switches = Switches()
        self.requests: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.tokens: dict[str, float] = {}
        self.given = 0
        self.at_once = 0
        self.most_at_once = 0

    def entries(self) -> list[tuple[str, str, Path | None]]:
        """Return id, name and folder of every product, by start of sensing."""
        real = [(path.name, path) for path in self.products.glob("*.SEN3")]
        every = [*real, *((name, None) for name in self.switches.names)]
        return sorted(
            ((id_of(name), name, path) for name, path in every), key=lambda entry: (entry[1][16:31], entry[1])
        )

    def fault(self, path: str) -> dict[str, Any] | None:
        with self.lock:
            for fault in self.switches.faults:
                if fault["on"] in path and fault.get("times", 1) > 0:
                    if "times" in fault:
                        fault["times"] -= 1
                    return fault
        return None

    def new_token(self) -> dict[str, Any]:
        with self.lock:
            self.given += 1
            token = f"token-{self.given}"
            self.tokens[token] = time.monotonic() + self.switches.token_life_s
            return {
                "access_token": token,
                "refresh_token": f"refresh-{self.given}",
                "expires_in": self.switches.token_life_s,
            }


def id_of(name: str) -> str:
    """Return the id that the server gives a product."""
    return str(uuid.uuid5(NAMESPACE, name))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a client may break off
            super().handle()

    def do_GET(self) -> None:
        if self.path == "/counts":
            self.answer_json(200, self.counts())
            return
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        kind = "search" if path.endswith("/Products") else path.rpartition("/Nodes(")[2].removesuffix(")/$value")
        with self.counted(kind):
            fault = self.world.fault(self.path)
            if fault and fault.get("stall_s"):
                time.sleep(fault["stall_s"])
            if fault and "status" in fault:
                self.answer_fault(fault)
            elif kind == "search":
                self.search(parse_qs(parts.query))
            else:
                self.send_node(path, kind, fault or {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/switches":
            self.set_switches(json.loads(body))
            return
        fault = self.world.fault(self.path)
        self.world.requests["token"] += 1
        if fault:
            self.answer_fault(fault)
        else:
            self.give_token({name: values[0] for name, values in parse_qs(body.decode()).items()})

    @contextlib.contextmanager
    def counted(self, kind: str) -> Iterator[None]:
        world = self.world
        with world.lock:
            world.requests[kind] += 1
            world.at_once += 1
            world.most_at_once = max(world.most_at_once, world.at_once)
        try:
            yield
        finally:
            with world.lock:
                world.at_once -= 1

    def counts(self) -> dict[str, Any]:
        world = self.world
        return {"requests": world.requests, "bytes": world.bytes, "tokens": world.given, "at_once": world.most_at_once}

    def set_switches(self, given: dict[str, Any]) -> None:
        if "products" in given:
            self.world.start_anew(Path(given["products"]))
        for one in fields(Switches):
            if one.name in given:
                setattr(self.world.switches, one.name, given[one.name])
        if given.get("drop_tokens"):
            self.world.tokens.clear()
        self.answer_json(200, {})

    def give_token(self, form: dict[str, str]) -> None:
        if form.get("grant_type") == "refresh_token":
            good = self.world.switches.refresh_works and form.get("refresh_token", "").startswith("refresh-")
        else:
            good = (form.get("username"), form.get("password")) == (USER, PASSWORD)
        if good and form.get("client_id") == "cdse-public":
            self.world.requests["grant " + form.get("grant_type", "")] += 1
            self.answer_json(200, self.world.new_token())
        else:
            self.answer_json(401, {"error": "invalid_grant", "error_description": f"{PASSWORD} is repeated here"})

    def search(self, query: dict[str, list[str]]) -> None:
        where, top = query["$filter"][0], min(int(query.get("$top", ["20"])[0]), self.world.switches.page)
        skip = int(query.get("$skip", ["0"])[0])
        begin, end = (moment_key(re.search(rf"Start {sign} (\S+)", where)) for sign in ("ge", "lt"))
        found = [one for one in self.world.entries() if begin <= one[1][16:31] < end]
        page: dict[str, Any] = {"value": [self.entry(*one) for one in found[skip : skip + top]]}
        if "$count" in query:
            page["@odata.count"] = len(found) + self.world.switches.count_more
        if skip + top < min(len(found), MOST):
            again = "&".join(
                f"{name}={quote(values[0], safe='')}" for name, values in {**query, "$skip": [str(skip + top)]}.items()
            )
            here = f"http://{self.headers['Host']}{urlsplit(self.path).path}?{again}"
            page["@odata.nextLink"] = self.world.switches.next_link or here
        self.answer_json(200, page)

    def entry(self, product_id: str, name: str, folder: Path | None) -> dict[str, Any]:
        size = sum(file.stat().st_size for file in folder.iterdir()) if folder else 5
        return {"Id": product_id, "Name": name, "ContentLength": size, "GeoFootprint": None}

    def send_node(self, path: str, file: str, fault: dict[str, Any]) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.world.tokens.get(token, 0.0) < time.monotonic():
            self.answer_json(401, {"detail": "Expired signature!"})
            return
        match = re.search(r"/Products\(([^)]*)\)/Nodes\(([^)]*)\)/Nodes\(", path)
        folder = next((p for i, n, p in self.world.entries() if match and (i, n) == match.groups()), None)
        if folder is None or not (folder / file).is_file():
            self.answer_json(404, {"detail": "not found"})
            return
        time.sleep(self.world.switches.delay_s)
        self.send_body((folder / file).read_bytes(), file, fault)

    def send_body(self, content: bytes, file: str, fault: dict[str, Any]) -> None:
        if fault.get("corrupt"):
            content = content[:-1] + bytes([content[-1] ^ 1])
        if "grow" in fault:
            content += bytes(fault["grow"])
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        total = len(content)
        if asked and self.world.switches.ranges:
            first = int(asked[1])
            last = min(int(asked[2] or total), total - 1)
            if first >= total:
                self.answer_json(416, {})
                return
            content = content[first : last + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if "dribble_s" in fault:
            self.dribble(content, fault["dribble_s"])
            return
        self.write(content[: fault.get("truncate", len(content))], file)
        if "truncate" in fault:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def dribble(self, content: bytes, pause_s: float) -> None:
        """Send ten bytes at a time, for two seconds."""
        with contextlib.suppress(OSError):
            for begin in range(0, round(20 / pause_s), 10):
                self.wfile.write(content[begin : begin + 10])
                time.sleep(pause_s)
        self.close_connection = True

    def write(self, content: bytes, file: str) -> None:
        for begin in range(0, len(content), 1 << 16):
            piece = content[begin : begin + (1 << 16)]
            try:
                self.wfile.write(piece)
            except OSError:
                self.close_connection = True
                return
            with self.world.lock:
                self.world.bytes[file] += len(piece)

    def answer_fault(self, fault: dict[str, Any]) -> None:
        body = fault.get("body", "").encode()
        self.send_response(fault["status"])
        self.send_header("Content-Length", str(len(body)))
        for name in ("retry_after", "location"):
            if name in fault:
                self.send_header(name.replace("_", "-").title(), str(fault[name]))
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)


def moment_key(match: re.Match[str] | None) -> str:
    """Return a moment of the filter as names write it, so that it can be compared with theirs."""
    return re.sub(r"[-:]", "", match[1]).partition(".")[0] if match else ""


def serve(products: Path) -> None:
    """Serve until the process is ended."""
    handler = type("Bound", (Handler,), {"world": World(products)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=0.05)


class StandIn:
    """The server as tests see it: its address, its switches and its counts."""

    def __init__(self, port: int, products: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.products = products

    def set(self, **switches: Any) -> None:
        body = json.dumps(switches).encode()
        with urlopen(Request(f"{self.url}/switches", body, method="POST"), timeout=10) as answer:
            answer.read()

    def start_anew(self, products: Path) -> None:
        self.products = products
        self.set(products=str(products))

    def counts(self) -> dict[str, Any]:
        with urlopen(f"{self.url}/counts", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    @property
    def bytes_served(self) -> int:
        return sum(self.counts()["bytes"].values())

    def scene_settings(self, **given: Any) -> dict[str, Any]:
        """The table `scenes` that makes this server the source."""
        return {
            "source": "copernicus",
            "catalogue_url": f"{self.url}/odata/v1",
            "download_url": f"{self.url}/odata/v1",
            "token_url": f"{self.url}/token",
            **given,
        }


@contextlib.contextmanager
def standing_in(products: Path) -> Iterator[StandIn]:
    """Start the server over a folder of products; end it by its own id."""
    command = [sys.executable, "-m", "mosaic_assets_tests.scenes.copernicus_server", str(products)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield StandIn(int(process.stdout.readline()), products)
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" xmlns:sentinel-safe="http://www.esa.int/safe/sentinel/1.1"
 xmlns:gml="http://www.opengis.net/gml" xmlns:sentinel3="s3" xmlns:olci="olci"><metadataSection>
<sentinel-safe:startTime>{start}</sentinel-safe:startTime><sentinel-safe:stopTime>{stop}</sentinel-safe:stopTime>
<sentinel-safe:footPrint srsName="http://www.opengis.net/def/crs/EPSG/0/4326"><gml:posList>{ring}</gml:posList>
</sentinel-safe:footPrint><sentinel3:productName>{name}.SEN3</sentinel3:productName>
<sentinel3:brightPixels percentage="{bright}"/><olci:invalidPixels value="1" percentage="{invalid}"/>
<olci:imageSize><sentinel3:rows>{rows}</sentinel3:rows><sentinel3:columns>{columns}</sentinel3:columns></olci:imageSize>
</metadataSection><dataObjectSection>{objects}</dataObjectSection></xfdu:XFDU>"""

OBJECT = (
    '<dataObject ID="{file}"><byteStream mimeType="application/x-netcdf" size="{size}">'
    '<fileLocation href="./{file}"/><checksum checksumName="MD5">{md5}</checksum></byteStream></dataObject>'
)


def write_plain_product(folder: Path, name: str, files: dict[str, bytes], **given: Any) -> Path:
    """Write a product of any bytes with a manifest to match; ``given`` fills the manifest."""
    product = folder / f"{name}.SEN3"
    product.mkdir(parents=True)
    for file, content in files.items():
        (product / file).write_bytes(content)
    objects = "".join(
        OBJECT.format(file=file, size=len(content), md5=hashlib.md5(content).hexdigest())
        for file, content in files.items()
    )
    moment = f"{name[16:20]}-{name[20:22]}-{name[22:24]}T{name[25:27]}:{name[27:29]}:{{}}Z"
    filled = {
        "start": moment.format(name[29:31]),
        "stop": moment.format("59.9"),
        "ring": "0 -60 0 -50 10 -50 10 -60 0 -60",
        "name": name,
        "bright": 20,
        "invalid": 1,
        "rows": 1200,
        "columns": 1400,
        "objects": objects,
        **given,
    }
    (product / "xfdumanifest.xml").write_text(MANIFEST.format(**filled), encoding="utf-8")
    return product


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
