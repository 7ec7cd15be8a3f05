"""The manifest of a synthetic product, built as real ones are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from mosaic_assets.scenes.synthetic import ROW_S
from mosaic_assets.scenes.synthetic_files import NOTE

if TYPE_CHECKING:
    from mosaic_assets.scenes.synthetic import SyntheticSpec

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" xmlns:sentinel-safe="http://www.esa.int/safe/sentinel/1.1" \
xmlns:gml="http://www.opengis.net/gml" xmlns:sentinel3="http://www.esa.int/safe/sentinel/sentinel-3/1.0" \
xmlns:olci="http://www.esa.int/safe/sentinel/sentinel-3/olci/1.0" \
version="esa/safe/sentinel/sentinel-3/olci/level-1/1.0">
  <!-- {note} -->
  <metadataSection>
"""

_SECTION = """    <metadataObject ID="{id}" classification="DESCRIPTION" category="DMD">
      <metadataWrap mimeType="text/xml" vocabularyName="Sentinel-SAFE"><xmlData>
{body}
      </xmlData></metadataWrap>
    </metadataObject>
"""

_PERIOD = """        <sentinel-safe:acquisitionPeriod>
          <sentinel-safe:startTime>{start}</sentinel-safe:startTime>
          <sentinel-safe:stopTime>{stop}</sentinel-safe:stopTime>
        </sentinel-safe:acquisitionPeriod>"""

_PLATFORM = """        <sentinel-safe:platform>
          <sentinel-safe:familyName>Sentinel-3</sentinel-safe:familyName>
          <sentinel-safe:number>{letter}</sentinel-safe:number>
          <sentinel-safe:instrument>
            <sentinel-safe:familyName abbreviation="OLCI">Ocean Land Colour Instrument</sentinel-safe:familyName>
            <sentinel-safe:mode identifier="EO">Synthetic</sentinel-safe:mode>
          </sentinel-safe:instrument>
        </sentinel-safe:platform>"""

_FRAME = """        <sentinel-safe:frameSet>
          <sentinel-safe:footPrint srsName="http://www.opengis.net/def/crs/EPSG/0/4326">
            <gml:posList>{ring}</gml:posList>
          </sentinel-safe:footPrint>
        </sentinel-safe:frameSet>"""

_GENERAL = """        <sentinel3:generalProductInformation>
          <sentinel3:productName>{folder}</sentinel3:productName>
          <sentinel3:productType>OL_1_EFR___</sentinel3:productType>
          <sentinel3:timeliness>{timeliness}</sentinel3:timeliness>
          <sentinel3:baselineCollection>{collection}</sentinel3:baselineCollection>
          <sentinel3:creationTime>{created:%Y%m%dT%H%M%S}</sentinel3:creationTime>
          <sentinel3:productSize>{size}</sentinel3:productSize>
          <sentinel3:dispositionMode>Synthetic</sentinel3:dispositionMode>
          <sentinel3:productUnit>
            <sentinel3:type>FRAME</sentinel3:type>
            <sentinel3:duration>{duration}</sentinel3:duration>
            <sentinel3:alongtrackCoordinate>{along}</sentinel3:alongtrackCoordinate>
          </sentinel3:productUnit>
        </sentinel3:generalProductInformation>"""

_CLASSES = (
    ("salineWaterPixels", "saline_water"),
    ("coastalPixels", "coastline"),
    ("freshInlandWaterPixels", "fresh_inland_water"),
    ("tidalRegionPixels", "tidal_region"),
    ("brightPixels", "bright"),
)
_QUALITY = (
    ("invalidPixels", "invalid"),
    ("cosmeticPixels", "cosmetic"),
    ("duplicatedPixels", "duplicated"),
    ("saturatedPixels", "saturated"),
    ("dubiousSamples", "dubious"),
)


def manifest_xml(spec: SyntheticSpec, files: Mapping[str, tuple[int, str]], shares: Mapping[str, float]) -> str:
    """Return ``xfdumanifest.xml``.

    Parameters
    ----------
    spec : the product.
    files : name to size in bytes and MD5.
    shares : flag to the share of pixels that have it, 0..1.
    """
    name, frame = spec.name, spec.frame
    stop = name.start + timedelta(seconds=frame.rows * ROW_S)
    ring = " ".join(f"{lat:.6f} {lng:.6f}" for lng, lat in frame.outline())
    period = _PERIOD.format(start=f"{name.start:%Y-%m-%dT%H:%M:%S.%fZ}", stop=f"{stop:%Y-%m-%dT%H:%M:%S.%fZ}")
    general = _GENERAL.format(
        folder=name.folder,
        timeliness=name.timeliness,
        collection=name.collection,
        created=name.created,
        size=sum(size for size, _ in files.values()),
        duration=name.duration_s,
        along=name.frame,
    )
    sections = {
        "acquisitionPeriod": period,
        "platform": _PLATFORM.format(letter=name.mission[2]),
        "measurementFrameSet": _FRAME.format(ring=ring),
        "generalProductInformation": general,
        "olciProductInformation": _olci(spec, shares),
    }
    body = "".join(_SECTION.format(id=id_, body=text) for id_, text in sections.items())
    return f"{_HEAD.format(note=NOTE)}{body}  </metadataSection>\n{_data(files)}</xfdu:XFDU>\n"


def _olci(spec: SyntheticSpec, shares: Mapping[str, float]) -> str:
    pixels = spec.frame.rows * spec.frame.columns
    sea = max(0.0, 1 - shares["land"] - shares["invalid"] - shares["fresh_inland_water"])
    found = {"saline_water": sea, **shares}
    found.setdefault("saturated", shares.get("saturated@Oa08", 0.0))
    classes = "".join(f'<sentinel3:{tag} percentage="{100 * found[key]:.6f}"/>' for tag, key in _CLASSES)
    quality = "".join(
        f'<olci:{tag} value="{round(found[key] * pixels)}" percentage="{100 * found[key]:.6f}"/>'
        for tag, key in _QUALITY
    )
    return f"""        <olci:olciProductInformation>
          <olci:classificationSummary>{classes}</olci:classificationSummary>
          <olci:imageSize>
            <sentinel3:rows>{spec.frame.rows}</sentinel3:rows>
            <sentinel3:columns>{spec.frame.columns}</sentinel3:columns>
          </olci:imageSize>
          <olci:pixelQualitySummary>{quality}</olci:pixelQualitySummary>
          <olci:samplingParameters>
            <olci:rowsPerTiePoint>1</olci:rowsPerTiePoint>
            <olci:columnsPerTiePoint>64</olci:columnsPerTiePoint>
          </olci:samplingParameters>
        </olci:olciProductInformation>"""


def _data(files: Mapping[str, tuple[int, str]]) -> str:
    objects = "".join(
        f"""    <dataObject ID="{name.removesuffix(".nc")}Data">
      <byteStream mimeType="application/x-netcdf" size="{size}">
        <fileLocation locatorType="URL" href="./{name}"/>
        <checksum checksumName="MD5">{md5}</checksum>
      </byteStream>
    </dataObject>
"""
        for name, (size, md5) in files.items()
    )
    return f"  <dataObjectSection>\n{objects}  </dataObjectSection>\n"
