"""The card of a release: what is in it, how it was made, what it may be used for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mosaic_assets.scenes.recipes import FILL_COLOUR, SATURATED_COLOUR
from mosaic_assets.scenes.records import SceneRecord

_RECIPES = {
    "reflectance": "top-of-atmosphere reflectance of bands Oa08, Oa06, Oa04 (665, 560, 490 nm), less 0.03, 0.05, 0.08, through "
    "a sigmoid",
    "smcefr_v1": "the arithmetic of the first SMCEFR release: radiance times scale factor, clipped to 0..1",
}

_CARD = """---
license: {licence_id}
task_categories: [image-segmentation, image-to-image]
tags: [sentinel-3, olci, remote-sensing, clouds, denoising, compression]
size_categories: {size}
---
# SMCEFR {kind}: Sentinel-3 OLCI crops

{warning}{crops} crops of 1024 x 1024 pixels, RGB, 8 bits, PNG, from the middle of OLCI level-1 scenes at full resolution
(about 300 m a pixel), sensed from {first} to {last}.

| of | crops |
|---|---|
{table}
## Files

* `<year>/<product name>.png`. The name is that of the Sentinel-3 product: mission, type, start, stop, creation, duration, cycle,
  relative orbit, frame, centre, platform, timeliness, collection.
* `manifest.parquet` (GeoParquet): a row a crop with the fields of the name, outline, corners and centre in longitude and latitude,
  row and column offsets in the scene, shares of fill, saturation, cloud and water, texture, entropy, recipe, sha256,
  licence, attribution, and whether it is synthetic. `geopandas.read_parquet("manifest.parquet")`.
* `SHA256SUMS`: `sha256sum -c SHA256SUMS`.

## How the pictures were made

{recipes}
Pixels without data are {fill}. Pixels whose detector was saturated, and that have no data for that reason, are {saturated}.
Neither is cloud-white.

## What falls short

* The share of cloud is a rule on brightness and whiteness; snow, ice and salt count as cloud, thin cloud does not.
* Outlines follow the product's tie points on the ellipsoid, not the terrain.
* Pictures are in the geometry of the instrument, not on a map.

## Licence and attribution

{licence}
{attribution}
"""


def dataset_card(records: Sequence[SceneRecord], kind: str) -> str:
    """Return the card, Markdown.

    Parameters
    ----------
    records : the crops, at least one.
    kind : ``mini`` or ``full``.
    """
    synthetic = sum(record.synthetic for record in records)
    days = sorted(record.name.day for record in records)
    warning = (
        f"**{synthetic} of the crops are SYNTHETIC**: their names have the centre `SYN`, no satellite saw them.\n\n"
        if synthetic
        else ""
    )
    return _CARD.format(
        kind=kind,
        crops=len(records),
        warning=warning,
        size="n<1K" if len(records) < 1_000 else "1K<n<10K" if len(records) < 10_000 else "10K<n",
        first=days[0],
        last=days[-1],
        table=_table(records),
        recipes="".join(f"* `{name}`: {_RECIPES[name]}.\n" for name in sorted({record.recipe for record in records})),
        fill=f"painted {FILL_COLOUR}",
        saturated=f"{SATURATED_COLOUR}",
        licence_id="other" if synthetic else "other  # Copernicus Sentinel data: free, full and open",
        licence="".join(f"* {text}\n" for text in sorted({record.licence for record in records})),
        attribution="".join(f"* {text}\n" for text in sorted({record.attribution for record in records})),
    )


def _table(records: Sequence[SceneRecord]) -> str:
    counts: Counter[str] = Counter()
    for record in records:
        counts.update((f"{record.name.start.year}", record.name.mission, f"recipe {record.recipe}"))
    return "".join(f"| {name} | {count} |\n" for name, count in sorted(counts.items()))
