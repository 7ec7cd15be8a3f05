"""Chips with their labels drawn over them, one or a sheet of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.chips.leakage import IGNORE
from mosaic_assets.chips.palette import class_colour, signature_of, split_style
from mosaic_assets.errors import LabelError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

GAP = 10
CAPTION = 34
LEGEND = 28
LINE = 16


@dataclass(frozen=True, slots=True)
class ChipPicture:
    """A chip for a sheet.

    ``pixels`` has the shape (bands, rows, columns) and any real type; ``labels`` (rows, columns), integers, 0 background,
    `IGNORE` ignored.
    """

    chip_id: str
    split: str
    pixels: NDArray[Any]
    labels: NDArray[Any]


def overlay_sheet(
    chips: Sequence[ChipPicture],
    *,
    class_names: Mapping[int, str] | None = None,
    columns: int = 4,
    side: int = 224,
    attribution: str = "",
    synthetic: bool = False,
) -> bytes:
    """Lay chips out in a grid with their labels drawn over the imagery: outlines of classes, ignored pixels striped.

    Parameters
    ----------
    chips
        As many as shall be drawn; a dozen is a good number. None gives a sheet that says so.
    class_names
        Names of the classes, by label.
    columns, side
        Chips in a row, and the side of one, pixels.

    Raises
    ------
    LabelError
        Labels in another shape than the imagery.
    """
    from PIL import Image, ImageDraw

    across = max(1, min(columns, len(chips)))
    down = max(1, -(-len(chips) // across))
    width = max(420, across * (side + GAP) + GAP)
    signature = _wrapped(signature_of(attribution, synthetic), width - 2 * GAP, 12)
    foot = LEGEND + LINE * len(signature)
    sheet = Image.new("RGB", (width, down * (side + CAPTION + GAP) + GAP + foot), "white")
    draw = ImageDraw.Draw(sheet)
    for index, chip in enumerate(chips):
        corner = GAP + index % across * (side + GAP), GAP + index // across * (side + CAPTION + GAP)
        sheet.paste(with_labels(chip, side), corner)
        _caption(draw, chip, (corner[0], corner[1] + side + 2), side)
    if not chips:
        draw.text((GAP, GAP), "no chips", fill="black", font=_font(14))
    _legend(draw, chips, class_names or {}, (GAP, sheet.height - foot + 4))
    for number, line in enumerate(signature):
        y = sheet.height - foot + LEGEND + number * LINE
        draw.text((GAP, y), line, fill="#b00000" if synthetic else "black", font=_font(12))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def as_rgb(pixels: NDArray[Any], *, nodata: float | None = None) -> NDArray[np.uint8]:
    """Make a picture of some bands: 8-bit ones as they are, others stretched from the 2nd to the 98th percentile.

    Parameters
    ----------
    pixels
        Shape (bands, rows, columns). Three or more bands: the first three are red, green, blue; fewer: the first, grey.
    nodata
        Value to leave out of the stretch; NaN is left out anyhow.

    Returns
    -------
    uint8 of shape (rows, columns, 3)

    Examples
    --------
    >>> as_rgb(np.array([[[0.0, 50.0, 100.0]]]))[0, :, 0].tolist()
    [0, 127, 255]
    """
    bands = pixels[:3] if len(pixels) >= 3 else pixels[[0, 0, 0]]
    if bands.dtype != np.uint8:
        valid = np.isfinite(bands) if nodata is None else np.isfinite(bands) & (bands != nodata)
        low, high = np.percentile(bands[valid], [2, 98]) if valid.any() else (0.0, 1.0)
        scaled = (bands.astype(np.float64) - low) / max(float(high - low), 1e-9)
        bands = (np.clip(np.where(valid, scaled, 0), 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(bands, 0, 2))


def with_labels(chip: ChipPicture, side: int) -> Picture:
    """Draw one chip: imagery, a thin veil and an outline over each class, stripes over what is ignored."""
    from PIL import Image

    if chip.labels.shape != chip.pixels.shape[1:]:
        raise LabelError(
            f"drawing chip {chip.chip_id} failed: its labels have the shape {chip.labels.shape}, its imagery "
            f"{chip.pixels.shape[1:]}; both must lie on the same pixels"
        )
    shrinks = max(chip.labels.shape) > side
    resampling = Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
    imagery = np.asarray(Image.fromarray(as_rgb(chip.pixels)).resize((side, side), resampling), np.float64)
    rows, columns = (np.arange(side) * size // side for size in chip.labels.shape)
    labels = chip.labels[np.ix_(rows, columns)]
    canvas = imagery.copy()
    for value in np.unique(labels[(labels != 0) & (labels != IGNORE)]).tolist():
        colour = _rgb(class_colour(value))
        inside = labels == value
        canvas[inside] = 0.8 * canvas[inside] + 0.2 * colour
        canvas[_near(inside, 2) & ~inside] = 0  # a dark seam, so that light outlines show on light ground
        canvas[inside & ~_shrunk(inside)] = colour
    stripes = np.add.outer(np.arange(side), np.arange(side)) % 8 < 3
    canvas[(labels == IGNORE) & stripes] = 235
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def _near(inside: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return the pixels within some steps of a set, along rows and columns."""
    for _ in range(steps):
        wider = inside.copy()
        wider[1:] |= inside[:-1]
        wider[:-1] |= inside[1:]
        wider[:, 1:] |= inside[:, :-1]
        wider[:, :-1] |= inside[:, 1:]
        inside = wider
    return inside


def _shrunk(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~_near(~inside, 2)


def _caption(draw: Any, chip: ChipPicture, corner: tuple[int, int], side: int) -> None:
    positive = float(np.mean((chip.labels != 0) & (chip.labels != IGNORE)))
    ignored = float(np.mean(chip.labels == IGNORE))
    x, y = corner
    colour, _ = split_style(chip.split)
    draw.rectangle((x, y + 2, x + 10, y + 12), fill=colour)
    facts = f"{chip.split}, {_percent(positive)} labelled" + (f", {_percent(ignored)} ignored" if ignored else "")
    draw.text((x + 15, y), facts, fill="black", font=_font(12))
    draw.text((x, y + 16), _shortened(chip.chip_id, side, 11), fill="#555555", font=_font(11))


def _percent(share: float) -> str:
    return "under 1%" if 0 < share < 0.01 else f"{share:.0%}"


def _legend(draw: Any, chips: Sequence[ChipPicture], names: Mapping[int, str], corner: tuple[int, int]) -> None:
    x, y = corner
    met = sorted({int(value) for chip in chips for value in np.unique(chip.labels)} - {0})
    texts = {value: names.get(value, f"class {value}") for value in met}
    texts |= {IGNORE: "ignored: not to be learned from"} if IGNORE in met else {}
    for number, value in enumerate(met):
        wide = 34 + int(_font(12).getlength(texts[value]))
        if x + wide > draw.im.size[0]:
            draw.text((x, y - 1), f"+ {len(met) - number}", fill="black", font=_font(12))
            return
        _swatch(draw, value, (x, y))
        draw.text((x + 20, y - 1), texts[value], fill="black", font=_font(12))
        x += wide


def _swatch(draw: Any, value: int, corner: tuple[int, int]) -> None:
    x, y = corner
    if value != IGNORE:
        draw.rectangle((x, y, x + 14, y + 12), fill=class_colour(value), outline="black")
        return
    for offset in range(0, 27, 5):  # stripes, cut off where the box ends
        low, high = max(0, offset - 12), min(14, offset)
        draw.line((x + low, y + offset - low, x + high, y + offset - high), fill="#777777", width=2)
    draw.rectangle((x, y, x + 14, y + 12), outline="#777777")


def _shortened(text: str, side: int, size: int) -> str:
    """Cut the middle out of a text that is wider than a chip."""
    font = _font(size)
    if font.getlength(text) <= side:
        return text
    keep = len(text) // 2
    while keep > 1 and font.getlength(f"{text[:keep]}...{text[-keep:]}") > side:
        keep -= 1
    return f"{text[:keep]}...{text[-keep:]}"


def _wrapped(text: str, width: int, size: int) -> list[str]:
    """Break a text into lines that are no wider than so many pixels; a word alone may be."""
    font, lines = _font(size), list[str]()
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], np.float64)
