"""A sheet of thumbnails: what the crops of some days look like."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.scenes.crop_manifest import read_kept
from mosaic_assets.scenes.publish import read_crop_bytes
from mosaic_assets.scenes.records import SceneRecord
from mosaic_assets.settings import Settings

MOST = 24
"""Crops on a sheet."""
SIDE = 256
"""Of a thumbnail, pixels."""
PER_LINE = 4
_CAPTION = 16

Panel = tuple[str, NDArray[np.uint8]]


def crop_sheet(settings: Settings, days: Sequence[date] | None = None) -> bytes | None:
    """Draw the kept crops of these days, or of all: at most 24, spread evenly over them; PNG. None when there are none.

    Raises
    ------
    StoreError
        A crop is missing or is another than its manifest says.
    """
    kept = read_kept(settings, days or None)
    if not kept:
        return None
    chosen = [
        kept[place] for place in sorted({round(at) for at in np.linspace(0, len(kept) - 1, min(MOST, len(kept)))})
    ]
    return draw_sheet([(caption(record), _thumbnail(settings, record)) for record in chosen])


def caption(record: SceneRecord) -> str:
    """Return what stands below a thumbnail: when, which satellite, how much cloud; of a synthetic one that it is.

    >>> from mosaic_assets.scenes.names import EXAMPLE, parse_name
    >>> from mosaic_assets.scenes.records import SceneOutcome
    >>> caption(SceneRecord(parse_name(EXAMPLE), SceneOutcome.KEPT))
    '2021-10-21 07:38 S3A'
    """
    cloud = "" if record.numbers.cloud is None else f", cloud {record.numbers.cloud:.0%}"
    synthetic = "SYNTHETIC " if record.synthetic else ""
    return f"{synthetic}{record.name.start:%Y-%m-%d %H:%M} {record.name.mission}{cloud}"


def draw_sheet(panels: Sequence[Panel]) -> bytes:
    """Draw pictures of at most 256 x 256 pixels in lines of four, with captions; PNG.

    Parameters
    ----------
    panels : caption and picture, uint8 (rows, columns, 3); at least one.
    """
    from PIL import Image, ImageDraw

    lines = -(-len(panels) // PER_LINE)
    size = min(PER_LINE, len(panels)) * SIDE, lines * (SIDE + _CAPTION)
    sheet = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for number, (text, picture) in enumerate(panels):
        left, top = number % PER_LINE * SIDE, number // PER_LINE * (SIDE + _CAPTION)
        sheet.paste(Image.fromarray(picture), (left, top))
        draw.text((left + 2, top + SIDE + 2), text, fill=(0, 0, 0))
    buffer = BytesIO()
    sheet.save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def _thumbnail(settings: Settings, record: SceneRecord) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(BytesIO(read_crop_bytes(settings, record)), formats=("PNG",)) as picture:
        return np.asarray(picture.convert("RGB").reduce(picture.width // SIDE))
