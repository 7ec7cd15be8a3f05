"""Manifest of a Sentinel-3 product, ``xfdumanifest.xml``: one scene.

Its outline is a ``gml:posList`` of latitude before longitude, unlike everything else that is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic_assets.csquares.readers.fields import gather
from mosaic_assets.csquares.readers.records import MAX_RECORD_CHARACTERS, Lost, Raw, Rejection, excerpt, shortened
from mosaic_assets.csquares.readers.text import open_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MANIFEST = "xfdumanifest.xml"
_PRODUCT = ".SEN3"


def read_manifest(path: Path, max_bytes: int) -> Iterator[Raw | Rejection]:
    """Yield the scene of a manifest, or of the product folder that holds one."""
    file = path / MANIFEST if path.is_dir() else path
    with open_text(file, max_bytes) as stream:
        text = stream.read(MAX_RECORD_CHARACTERS + 1)
    root = _parsed(text)
    folder = next((one for one in (path, path.parent) if one.name.endswith(_PRODUCT)), None)
    name = _only(root, "productName") or (folder.name if folder else "")
    names = {
        "scene_id": name.removesuffix(_PRODUCT),
        "time": _only(root, "startTime"),
        "platform": _platform(root),
        "instrument": _instrument(root),
        "image_location": str(folder or ""),
        "thumbnail": _quicklook(root, folder),
        "source": _only(root, "productType"),
    }
    where = f"scene {shortened(names['scene_id'])}" if names["scene_id"] else "the manifest"
    try:
        yield Raw(where, gather(names), _outline(root))
    except Lost as lost:
        yield Rejection(where, str(lost))


def _parsed(text: str) -> Element:
    import xml.etree.ElementTree as ElementTree

    if len(text) > MAX_RECORD_CHARACTERS:
        raise Lost(f"it is a manifest of more than {MAX_RECORD_CHARACTERS:,} characters; expected fewer")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Lost("it is XML with a document type, which may unfold without end; expected a manifest without one")
    try:
        # As text: no declaration can make the parser read the bytes in another way than the line above did.
        return ElementTree.fromstring(text)  # noqa: S314
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise Lost(f"it is not XML: {excerpt(str(error), 120)}; copy the manifest again") from error


def _all(root: Element, name: str) -> Iterator[Element]:
    """Yield the elements of a name, in whatever namespace: editions of the format differ in theirs."""
    return (element for element in root.iter() if str(element.tag).rpartition("}")[2] == name)


def _only(root: Element, name: str) -> str:
    return next(((element.text or "").strip() for element in _all(root, name)), "")


def _platform(root: Element) -> str:
    for platform in _all(root, "platform"):
        return _only(platform, "familyName") + _only(platform, "number")
    return ""


def _instrument(root: Element) -> str:
    for instrument in _all(root, "instrument"):
        for name in _all(instrument, "familyName"):
            return name.get("abbreviation") or (name.text or "").strip()
    return ""


def _quicklook(root: Element, folder: Path | None) -> str:
    """Return where the product's small picture is, if it has one."""
    pictures = (str(place.get("href", "")) for place in _all(root, "fileLocation"))
    name = next((name for name in pictures if re.search(r"\.(jpe?g|png)$", name, re.IGNORECASE)), "")
    return str(folder / name.removeprefix("./")) if folder and name else ""


def _outline(root: Element) -> dict[str, object]:
    """Return the footprint as a GeoJSON object."""
    frames = list(_all(root, "footPrint"))
    system = next((frame.get("srsName", "") for frame in frames), "")
    if system and not re.search(r"\b4326$", system):
        raise Lost(f"its footprint is in the coordinate system {excerpt(system)}; expected EPSG:4326")
    rings = [_ring(element.text or "") for frame in frames for element in _all(frame, "posList")]
    if not rings:
        raise Lost("it has no footprint; expected a Sentinel-3 manifest with a gml:posList in its footPrint")
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings}
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}


def _ring(text: str) -> list[list[float]]:
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        raise Lost(f"its footprint is not a list of numbers: {error}") from error
    if len(numbers) % 2 or not numbers:
        raise Lost(f"its footprint has {len(numbers)} numbers; expected pairs of latitude and longitude")
    return [[lng, lat] for lat, lng in zip(numbers[::2], numbers[1::2], strict=True)]
