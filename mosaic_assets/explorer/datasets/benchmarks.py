"""``/api/benchmarks``: the tables and plots of the three challenges and of localization, from the measurements that were kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from mosaic_assets.errors import NotBuiltError
from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.datasets.keeping import Drawn, drawn_pictures, one_at_a_time
from mosaic_assets.explorer.datasets.measured import BENCHMARKS, Benchmark, Measured
from mosaic_assets.explorer.datasets.tagging import PICTURES_ANSWERED, tagged
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import Shelf, ShelfOf

router = APIRouter(prefix="/api", tags=["benchmarks"], responses=PROBLEMS)

Name = Literal["clouds", "noise", "compression", "localization"]


class Plot(BaseModel):
    """A picture of a benchmark."""

    title: str
    alt: str = Field(description="What it shows, for those who do not see it.")
    address: str


class Table(BaseModel):
    """A table of a benchmark."""

    title: str
    columns: list[str]
    rows: list[dict[str, Any]]


class BenchmarkFacts(BaseModel):
    """A benchmark and what was measured."""

    name: Name
    title: str
    about: str
    asset: str = Field(description="The asset that makes it.")
    command: str = Field(description="The command that makes it.")
    built: bool
    missing: str | None = Field(description="What to do where nothing is measured yet.")
    made: str | None = Field(description="Change of the newest file, UTC.")
    measured_on: str = Field(description="How many pictures or queries, and whether they are synthetic.")
    synthetic: bool
    tables: list[Table]
    notes: list[dict[str, Any]] = Field(description="Methods that were skipped or failed.")
    plots: list[Plot]


class Benchmarks(BaseModel):
    """All of them."""

    benchmarks: list[BenchmarkFacts]


class PlotQuestion(BaseModel):
    """Which plot."""

    model_config = ConfigDict(extra="forbid")

    benchmark: Name = Field(description="Benchmark.", examples=["noise"])
    title: str = Field(
        max_length=200, description="Title of the plot, as /api/benchmarks gives it.", examples=["scores"]
    )


@router.get("/benchmarks", summary="Benchmarks: tables and plots", responses={200: {"model": Benchmarks}})
def benchmarks(shelf: ShelfOf) -> Response:
    """Each with what made it and when; one that is not measured yet says which command does it."""
    return json_answer({"benchmarks": [_facts(shelf, one) for one in BENCHMARKS]})


@router.get("/benchmarks/plot", summary="A plot", response_class=Response, responses=PICTURES_ANSWERED)
def plot(request: Request, question: Annotated[PlotQuestion, Query()], shelf: ShelfOf) -> Response:
    """PNG: drawn from the measurements, or the sheet of examples that the asset left."""
    one = next(one for one in BENCHMARKS if one.name == question.benchmark)
    identity = ("plot", one.name, question.title, one.identity(shelf))

    def draw() -> Drawn:
        measured = one.read(shelf)
        if measured is None:
            raise NotBuiltError(one.missing)
        with one_at_a_time(shelf, "drawing"):
            return Drawn(measured.draw(question.title), "image/png")

    return tagged(request, identity, lambda: drawn_pictures(shelf).get(identity, draw))


def _facts(shelf: Shelf, one: Benchmark) -> dict[str, Any]:
    from urllib.parse import urlencode

    measured = one.read(shelf) or Measured()
    return {
        "name": one.name,
        "title": one.title,
        "about": one.about,
        "asset": one.asset,
        "command": one.command,
        "built": bool(measured.tables),
        "missing": None if measured.tables else one.missing,
        "made": measured.made,
        "measured_on": measured.on,
        "synthetic": measured.synthetic,
        "tables": [
            {"title": title, "columns": list(rows[0]) if rows else [], "rows": rows}
            for title, rows in measured.tables.items()
        ],
        "notes": measured.notes,
        "plots": [
            {
                "title": title,
                "alt": alt,
                "address": f"/api/benchmarks/plot?{urlencode({'benchmark': one.name, 'title': title})}",
            }
            for title, alt in measured.plots.items()
        ],
    }
