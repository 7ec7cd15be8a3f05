"""Reference 5's own HTTP request, answered as it was: the ids of the scenes as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response

from mosaic_assets.csquares import Where
from mosaic_assets.errors import MosaicError, SettingsError
from mosaic_assets.explorer.problems import PROBLEMS, status_of
from mosaic_assets.explorer.reading import ShelfOf

router = APIRouter(tags=["reference 5"])

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
_ID_LIST = "text/plain"


class OldQuestion(BaseModel):
    """Reference 5's parameters. All may be missing; those of a date or of a box only together."""

    model_config = ConfigDict(extra="ignore")  # its pages sent more, and it took no notice

    sat: str = Field("any", description="The satellite, or any.", examples=["any"])
    startday: str = Field("", description="First day, included.", examples=["20"])
    startmon: str = Field("", examples=["06"])
    startyr: str = Field("", examples=["2003"])
    endday: str = Field("", description="The day behind the last: it is not included.", examples=["22"])
    endmon: str = Field("", examples=["06"])
    endyr: str = Field("", examples=["2003"])
    W_long: str = Field(
        "", max_length=30, description="West, degrees; above E_long over the date line.", examples=["150"]
    )
    N_lat: str = Field("", description="North, degrees.", examples=["-25"])
    E_long: str = Field("", description="East, degrees.", examples=["155"])
    S_lat: str = Field("", description="South, degrees.", examples=["-30"])


_PROBLEMS = {
    status: {"description": one["description"], "content": {**one["content"], _ID_LIST: {"schema": {"type": "string"}}}}
    for status, one in PROBLEMS.items()
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Ids of scenes with blanks between them, by time, platform and id.",
        "content": {_ID_LIST: {"schema": {"type": "string"}, "example": "h1awj h1awl h1awm\n"}},
    },
    **_PROBLEMS,
}
_EXAMPLE = {
    "x-example": "/satdata_search.get_scenes?sat=any&startday=20&startmon=06&startyr=2003&endday=22&endmon=06&endyr=2003"
    "&W_long=150&N_lat=-25&E_long=155&S_lat=-30"
}


@router.get("/satdata_search.get_scenes", summary="Reference 5's request", responses=_ANSWERS, openapi_extra=_EXAMPLE)
@router.get("/marq/owa/satdata_search.get_scenes", include_in_schema=False)
def get_scenes(asked: Annotated[OldQuestion, Query()], shelf: ShelfOf) -> Response:
    """The ids of the scenes of a box and a span of days, as scripts have read them since 2003. Errors are text, too."""
    try:
        where = _where(asked)
        with shelf.indexes.borrow() as index:
            found = index.ids(**where).tolist()
    except MosaicError as error:
        return PlainTextResponse(f"{str(error)[:500]}\n", status_of(error))
    return PlainTextResponse(" ".join(found) + "\n")


def _where(asked: OldQuestion) -> Where:
    where: Where = {}
    box = {name: getattr(asked, name).strip() for name in ("W_long", "S_lat", "E_long", "N_lat")}
    if any(box.values()):
        for name, text in box.items():
            if not _NUMBER.fullmatch(text):
                raise SettingsError(
                    f"reading {name}={text!r}: expected degrees such as -25; give W_long, N_lat, E_long and S_lat, or none"
                )
        where["box"] = [float(text) for text in box.values()]
    if start := _day(asked.startyr, asked.startmon, asked.startday, "start"):
        where["start"] = start
    if end := _day(asked.endyr, asked.endmon, asked.endday, "end"):
        where["end"] = end
    if asked.sat.strip().lower() not in ("", "any"):
        where["platform"] = asked.sat.strip()
    return where


def _day(year: str, month: str, day: str, name: str) -> datetime | None:
    """Return the first moment of a day; None when nothing is given."""
    parts = [part.strip() for part in (year, month, day)]
    if not any(parts):
        return None
    try:
        if not all(part.isascii() and part.isdecimal() for part in parts):
            raise ValueError
        return datetime(int(parts[0]), int(parts[1]), int(parts[2]), tzinfo=UTC)
    except ValueError as error:
        raise SettingsError(
            f"reading {name}yr={year!r}, {name}mon={month!r}, {name}day={day!r}: expected a date such as "
            f"{name}yr=2003, {name}mon=06, {name}day=20; give all three or none"
        ) from error
