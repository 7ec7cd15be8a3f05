"""Pictures and thumbnails of every data set, as browsers show them."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from mosaic_assets.core.imaging import encode_jpeg, encode_png
from mosaic_assets.explorer.datasets.decoding import as_rgb, decode, plain_type
from mosaic_assets.explorer.datasets.finding import Found, find
from mosaic_assets.explorer.datasets.keeping import Drawn, drawn_pictures, one_at_a_time
from mosaic_assets.explorer.datasets.tagging import PICTURES_ANSWERED, tagged
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import Shelf, ShelfOf

router = APIRouter(prefix="/api", tags=["pictures"], responses={**PROBLEMS, **PICTURES_ANSWERED})

DataSet = Literal["tiles", "crops", "chips", "queries", "gallery", "scenes"]
LARGE = 1024 * 1024
"""Bytes of a file from which on one is decoded at a time, so that memory has a bound."""
QUALITY = 85
"""Of thumbnails, as JPEG."""


class PictureQuestion(BaseModel):
    """Which picture."""

    model_config = ConfigDict(extra="forbid")

    dataset: DataSet = Field(description="Data set.", examples=["crops"])
    id: str = Field(
        min_length=1, max_length=300, description="Id of the item, as lists and searches give it.",
        examples=["S3A_OL_1_EFR____20240601T131959_20240601T132047_20240602T131959_0048_112_001_2101_SYN_D_NT_004"],
    )  # fmt: skip


class ThumbnailQuestion(PictureQuestion):
    """Which picture, and how small."""

    size: Literal["64", "128", "256", "512"] = Field("128", description="Longest side at most, pixels.")


@router.get("/picture", summary="The picture of an item", response_class=Response)
def picture(request: Request, question: Annotated[PictureQuestion, Query()], shelf: ShelfOf) -> Response:
    """PNG, JPEG, WebP and GIF as stored; of GeoTIFF and numpy files the first three bands as PNG.

    The header ``x-picture`` says what was done to bands that are not red, green and blue of 8 bits.
    """
    found = find(shelf, question.dataset, question.id)
    return tagged(request, (found.identity, found.name, "whole"), lambda: _whole(shelf, found))


@router.get("/thumbnail", summary="The picture of an item, small", response_class=Response)
def thumbnail(request: Request, question: Annotated[ThumbnailQuestion, Query()], shelf: ShelfOf) -> Response:
    """JPEG of the first three bands, at most ``size`` pixels wide and high; never enlarged."""
    found, side = find(shelf, question.dataset, question.id), int(question.size)
    name = (found.identity, found.name, side)
    return tagged(request, name, lambda: drawn_pictures(shelf).get(name, lambda: _small(shelf, found, side)))


def _whole(shelf: Shelf, found: Found) -> Drawn:
    body = found.read()
    rgb, said = _pixels(shelf, found, body, None)  # also of what is sent as it is: half a picture is none
    plain = plain_type(body, found.name)
    return Drawn(body, plain) if plain else Drawn(encode_png(rgb), "image/png", said)


def _small(shelf: Shelf, found: Found, side: int) -> Drawn:
    from PIL import Image

    rgb, said = _pixels(shelf, found, found.read(), side)
    small = Image.fromarray(rgb)
    small.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    return Drawn(encode_jpeg(np.asarray(small), QUALITY), "image/jpeg", said)


def _pixels(shelf: Shelf, found: Found, body: bytes, side: int | None) -> tuple[NDArray[np.uint8], str]:
    if len(body) < LARGE and found.name.lower().endswith((".jpg", ".jpeg", ".png")):
        bands = decode(body, found.name, side=side, indexes=found.bands)
    else:
        with one_at_a_time(shelf, "decoding"):  # a small file may hold many pixels
            bands = decode(body, found.name, side=side, indexes=found.bands)
    return as_rgb(bands.values, None if found.bands else bands.total)
