"""The manifest of a product, ``xfdumanifest.xml``: its files, footprint, size and pixel statistics.

A manifest may come from anybody, so it is parsed without document types, entities or outside references, and
refused when it is larger than any real one could be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.footprint import footprint_of_ring
from mosaic_assets.scenes.names import parse_name
from mosaic_assets.scenes.records import MANIFEST_FILE, ProductFile, ProductManifest

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from shapely.geometry.base import BaseGeometry

MAX_MANIFEST_BYTES = 8_000_000
"""Real ones have about 300 kB; with uncertainty files about 500 kB."""

MAX_SIDE = 100_000
"""Rows or columns beyond which a manifest is not believed."""

PERCENTAGES = {
    "salineWaterPixels": "saline_water",
    "coastalPixels": "coastal",
    "freshInlandWaterPixels": "fresh_inland_water",
    "tidalRegionPixels": "tidal_region",
    "brightPixels": "bright",
    "invalidPixels": "invalid",
    "cosmeticPixels": "cosmetic",
    "duplicatedPixels": "duplicated",
    "saturatedPixels": "saturated",
    "dubiousSamples": "dubious",
}
"""Elements of the manifest and the names that their percentages have here."""

_HREF = re.compile(r"(?:\./)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")


def parse_manifest(content: bytes, product: str) -> ProductManifest:
    """Read a manifest.

    Parameters
    ----------
    content : the bytes of ``xfdumanifest.xml``.
    product : the product's name with or without ``.SEN3``; the manifest must be of that product.

    Raises
    ------
    ProductError
        It is no XML, is hostile (document type, entities, huge), is of another product, or lacks what is needed.
    """
    root = _root(content, product)
    name = parse_name(_text(root, "productName", product))
    if name.text != parse_name(product).text:
        raise _refusal(product, f"it is the manifest of {name.text}", "that of the product itself; fetch it again")
    start, stop = _moment(root, "startTime", product), _moment(root, "stopTime", product)
    if stop <= start:
        raise _refusal(product, f"its stopTime {stop} is not after its startTime {start}", "a later one")
    return ProductManifest(
        name=name,
        files={file.name: file for file in _files(root, product)},
        footprint=_footprint(root, product),
        rows=_side(root, "rows", product),
        columns=_side(root, "columns", product),
        percentages=dict(_percentages(root, product)),
        start=start,
        stop=stop,
    )


def _refusal(product: str, found: str, expected: str) -> ProductError:
    return ProductError(f"reading {MANIFEST_FILE} of {product}: {found}; expected {expected}")


def _root(content: bytes, product: str) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    if len(content) > MAX_MANIFEST_BYTES:
        raise _refusal(product, f"it has {len(content):,} bytes", f"{MAX_MANIFEST_BYTES:,} at most")
    try:
        root: Element = fromstring(content, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise _refusal(product, f"it is hostile: {type(error).__name__}", "XML without document type") from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise _refusal(product, f"it is not XML ({str(error)[:100]})", "a manifest; fetch it again") from error
    return root


def _all(root: Element, name: str) -> Iterator[Element]:
    """Yield the elements of a name, whatever their namespace: its version is part of it."""
    return (element for element in root.iter() if str(element.tag).rpartition("}")[2] == name)


def _text(root: Element, name: str, product: str) -> str:
    for element in _all(root, name):
        if element.text and element.text.strip():
            return element.text.strip()
    raise _refusal(product, f"it has no {name}", "one; is it the manifest of an OLCI product?")


def _moment(root: Element, name: str, product: str) -> datetime:
    text = _text(root, name, product)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _refusal(product, f"its {name} is {text[:60]!r}", "a moment of ISO 8601") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _side(root: Element, name: str, product: str) -> int:
    text = _text(root, name, product)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_SIDE):
        raise _refusal(product, f"its imageSize has {name} = {text[:60]!r}", f"a number of 1 to {MAX_SIDE:,}")
    return int(text)


def _percentages(root: Element, product: str) -> Iterator[tuple[str, float]]:
    for element in root.iter():
        name = PERCENTAGES.get(str(element.tag).rpartition("}")[2])
        if name is None or "percentage" not in element.attrib:
            continue
        text = element.attrib["percentage"]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= 100:
            raise _refusal(product, f"its percentage of {name} pixels is {text[:60]!r}", "a number of 0 to 100")
        yield name, value


def _files(root: Element, product: str) -> Iterator[ProductFile]:
    found = False
    for item in _all(root, "dataObject"):
        stream, place = next(_all(item, "byteStream"), None), next(_all(item, "fileLocation"), None)
        checksum = next(_all(item, "checksum"), None)
        if stream is None or place is None:
            raise _refusal(product, f"its dataObject {item.get('ID', '')[:60]!r} names no file", "one")
        found = True
        yield _file(stream.get("size", ""), place.get("href", ""), checksum, product)
    if not found:
        raise _refusal(product, "it lists no files", "those of the product")


def _file(size: str, href: str, checksum: Element | None, product: str) -> ProductFile:
    """Build the record of a file; a name that leads out of the product's folder is refused."""
    name = _HREF.fullmatch(href)
    if name is None:
        raise _refusal(product, f"it names the file {href[:100]!r}", "a name of letters, digits, _, - and .")
    if not (size.isascii() and size.isdigit() and len(size) < 15):
        raise _refusal(product, f"the size of {name[1]} is {size[:60]!r}", "a number of bytes")
    md5 = (checksum.text or "").strip() if checksum is not None else ""
    if checksum is not None and checksum.get("checksumName", "").upper() != "MD5":
        raise _refusal(product, f"the checksum of {name[1]} is {checksum.get('checksumName')!r}", "MD5")
    if not _MD5.fullmatch(md5):
        raise _refusal(product, f"the MD5 of {name[1]} is {md5[:60]!r}", "32 hexadecimal digits")
    return ProductFile(name[1], int(size), md5.lower())


def _footprint(root: Element, product: str) -> BaseGeometry:
    frames = list(_all(root, "footPrint"))
    system = next((frame.get("srsName", "") for frame in frames), "")
    if system and not re.search(r"\b4326$", system):
        raise _refusal(product, f"its footprint is in {system[:80]!r}", "EPSG:4326")
    rings = [element.text or "" for frame in frames for element in _all(frame, "posList")]
    if not rings:
        raise _refusal(product, "it has no footprint", "a gml:posList")
    try:
        shapes = [footprint_of_ring(_ring(text)) for text in rings]
    except ProductError as error:
        raise _refusal(product, f"its footprint is unusable: {error}", "a closed ring of latitude longitude") from error
    if len(shapes) == 1:
        return shapes[0]
    import shapely

    return shapely.union_all(shapes)


def _ring(text: str) -> list[tuple[float, float]]:
    """Return ``latitude longitude`` pairs as (longitude, latitude)."""
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise ProductError(str(error)) from error
    if len(numbers) % 2:
        raise ProductError(f"{len(numbers)} numbers, which are no pairs")
    return list(zip(numbers[1::2], numbers[::2], strict=True))
