"""A stand-in for Earth Engine on loopback: the client's own discovery document and list of functions, which the wheel
ships for its tests, and an evaluator for the few functions a median composite needs.

So the client runs as it is, from `ee.Initialize` to the last byte, and what it sends is carried out, not only looked at.
"""

# ruff: noqa: N802, N803, ARG005 - methods and arguments bear Earth Engine's own names

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import ee
import numpy as np
import rasterio

WHEEL = Path(ee.__file__).parent / "tests"
CRS = "EPSG:3857"
LEFT, TOP, PIXEL = 3_000_000.0, -1_200_000.0, 4.777314267823516
"""The grid of the layers: zoom 15 of Web Mercator, as the basemaps of reference 3."""


@dataclass
class Layer:
    """One image of a collection: day, name, and pixels by band; masked pixels were not observed."""

    day: str
    index: str
    bands: dict[str, np.ma.MaskedArray]


@dataclass
class World:
    """What the stand-in knows, what it was asked, and what it shall answer before it answers properly."""

    collections: dict[str, list[Layer]]
    faults: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    shift_px: float = 0.0
    """How far answers lie from where they were asked for: a fault that a status does not tell."""
    latency_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0
    busiest: int = 0
    under_way: int = 0
    downloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)


class Evaluator:
    """Carries out an expression of Earth Engine on numpy arrays."""

    def __init__(self, world: World, expression: dict[str, Any]) -> None:
        self.world, self.values = world, expression["values"]
        self.grid: dict[str, Any] | None = None
        self.result = self.node(self.values[expression["result"]], {})

    def node(self, node: dict[str, Any], names: dict[str, Any]) -> Any:
        (kind, content), *_ = node.items()
        match kind:
            case "constantValue":
                return content
            case "valueReference":
                return self.node(self.values[content], names)
            case "argumentReference":
                return names[content]
            case "arrayValue":
                return [self.node(item, names) for item in content["values"]]
            case "functionDefinitionValue":
                body, argument = self.values[content["body"]], content["argumentNames"][0]
                return lambda value: self.node(body, {**names, argument: value})
            case "functionInvocationValue":
                given = {key: self.node(value, names) for key, value in content["arguments"].items()}
                return getattr(self, content["functionName"].replace(".", "_"))(**given)
        raise AssertionError(f"the stand-in does not know {kind}")

    def ImageCollection_load(self, id):
        return self.world.collections[id]

    def DateRange(self, start, end):
        return start, end

    def Filter_dateRangeContains(self, leftValue, rightField):
        assert rightField == "system:time_start"
        return lambda layer: leftValue[0] <= layer.day < leftValue[1]

    def Filter_intersects(self, leftField, rightValue):
        assert leftField == ".all"
        return lambda layer: rightValue is not None

    def Feature(self, geometry):
        return geometry

    def GeometryConstructors_Rectangle(self, coordinates, crs, geodesic=True, evenOdd=True):
        assert geodesic is False, "edges are straight in the CRS"
        return coordinates, crs

    def Projection(self, crs, transform=None):
        return crs

    def Collection_filter(self, collection, filter):
        return [layer for layer in collection if filter(layer)]

    def Collection_map(self, collection, baseAlgorithm):
        return [baseAlgorithm(layer) for layer in collection]

    def Image_select(self, input, bandSelectors):
        wanted = [bandSelectors] if isinstance(bandSelectors, str) else bandSelectors
        return Layer(input.day, input.index, {band: input.bands[band] for band in wanted})

    def Image_linkCollection(self, input, imageCollection, linkedBands):
        partner = next(layer for layer in imageCollection if layer.index == input.index)
        return Layer(input.day, input.index, input.bands | {band: partner.bands[band] for band in linkedBands})

    def Image_constant(self, value):
        return value

    def Image_gte(self, image1, image2):
        (scores,) = image1.bands.values()
        return scores >= image2

    def Image_updateMask(self, image, mask):
        hidden = ~np.ma.filled(mask, False)
        bands = {name: np.ma.array(band, mask=np.ma.getmaskarray(band) | hidden) for name, band in image.bands.items()}
        return Layer(image.day, image.index, bands)

    def reduce_median(self, collection):
        bands = {
            name: np.ma.median(np.ma.stack([layer.bands[name] for layer in collection]).astype("f8"), axis=0)
            for name in collection[0].bands
        }
        return Layer("", "", bands)

    def Image_unmask(self, input, value, sameFootprint=True):
        assert sameFootprint is False
        return self._each(input, lambda band: np.ma.array(np.ma.filled(band.astype("f8"), value)))

    def Image_round(self, value):
        return self._each(value, lambda band: np.floor(band + 0.5))

    def Image_toUint16(self, value):
        return self._each(value, lambda band: band.astype("uint16"))

    def Image_toUint8(self, value):
        return self._each(value, lambda band: band.astype("uint8"))

    def Image_toFloat(self, value):
        return self._each(value, lambda band: band.astype("float32"))

    def Image_projection(self, image):
        return CRS

    def Image_reproject(self, image, crs, crsTransform):
        scale_x, shear_x, x, shear_y, scale_y, y = crsTransform
        assert (shear_x, shear_y) == (0, 0)
        affine = {"scaleX": scale_x, "scaleY": scale_y, "translateX": x, "translateY": y}
        self.grid = {"crsCode": crs, "affineTransform": affine}
        return image

    def Image_clipToBoundsAndScale(self, input, geometry):
        left, bottom, right, top = geometry[0]
        self.grid["dimensions"] = {"width": right - left, "height": top - bottom}
        return input

    def _each(self, image, function):
        return Layer(image.day, image.index, {name: function(band) for name, band in image.bands.items()})


def geotiff(world: World, layer: Layer, bands: list[str], grid: dict[str, Any]) -> bytes:
    """Cut a window from a layer, as a GeoTIFF in memory."""
    affine, size = grid["affineTransform"], grid["dimensions"]
    column, row = (affine["translateX"] - LEFT) / PIXEL, (TOP - affine["translateY"]) / PIXEL
    assert abs(column - round(column)) < 1e-6 and abs(row - round(row)) < 1e-6, "off the grid of whole pixels"
    rows, columns = (slice(round(at), round(at) + size[key]) for at, key in ((row, "height"), (column, "width")))
    pixels = np.stack([np.ma.filled(layer.bands[band], 0)[rows, columns] for band in bands])
    transform = rasterio.Affine(
        affine["scaleX"], 0, affine["translateX"] + world.shift_px * PIXEL, 0, affine["scaleY"], affine["translateY"]
    )
    profile = {"driver": "GTiff", "crs": grid["crsCode"], "transform": transform, "dtype": pixels.dtype.name}
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile, count=len(pixels), height=pixels.shape[1], width=pixels.shape[2]) as dataset:
            dataset.write(pixels)
        return memory.read()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one packet
    world: World

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.startswith("/$discovery"):
            self._send(200, (WHEEL / "cloud_api_discovery_document.json").read_bytes())
        elif "/algorithms" in self.path:
            self._send(200, (WHEEL / "algorithms.json").read_bytes())
        elif self.path.endswith(":getPixels"):
            self._pixels(self.world.downloads[self.path.rpartition("/")[2].removesuffix(":getPixels")])
        else:
            self._send(404, b"{}")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if ":computePixels" in self.path:
            self._pixels(asked)
        elif "/thumbnails" in self.path:
            name = str(len(self.world.downloads))
            self.world.downloads[name] = asked
            self._send(200, json.dumps({"name": f"projects/p/thumbnails/{name}"}).encode())
        else:
            self._send(404, b"{}")

    def _pixels(self, asked):
        world = self.world
        with world.lock:
            world.attempts += 1
            world.under_way += 1
            world.busiest = max(world.busiest, world.under_way)
            fault = world.faults.pop(0) if world.faults else None
        try:
            time.sleep(world.latency_s)
            if fault:
                status, headers, body = fault
            else:
                evaluator = Evaluator(world, asked["expression"])
                grid = asked.get("grid") or evaluator.grid
                bands = asked["bandIds"] if "bandIds" in asked else list(evaluator.result.bands)
                status, headers, body = 200, {}, geotiff(world, evaluator.result, bands, grid)
                world.asked.append(asked)
        except Exception as error:  # as the service: the error's words in JSON
            status, headers, body = 400, {}, json.dumps({"error": {"code": 400, "message": repr(error)}}).encode()
        finally:
            with world.lock:
                world.under_way -= 1
        self._send(status, body, headers)

    def _send(self, status, body, headers=None):
        self.send_response(status)
        kind = "application/json" if body[:1] in (b"{", b"") else "application/octet-stream"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):  # of a client that waits no longer
            self.end_headers()
            self.wfile.write(body)


@contextmanager
def earth_engine(world: World):
    """Run the stand-in; yield its address."""
    handler = type("Handler", (_Handler,), {"world": world})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
