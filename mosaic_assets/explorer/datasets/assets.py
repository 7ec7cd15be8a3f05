"""``/api/assets``: each asset of the lineage with its latest numbers, read from the files that it made."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from mosaic_assets.explorer.answers import json_answer
from mosaic_assets.explorer.datasets.asset_files import Counted, count_files
from mosaic_assets.explorer.datasets.asset_names import ASSETS, Asset
from mosaic_assets.explorer.datasets.keeping import one_at_a_time
from mosaic_assets.explorer.datasets.measured import moment_of
from mosaic_assets.explorer.problems import PROBLEMS
from mosaic_assets.explorer.reading import Shelf, ShelfOf
from mosaic_assets.sources.dagster_ui import DagsterUi, Materialized

router = APIRouter(prefix="/api", tags=["assets"], responses=PROBLEMS)


class LatestRun(BaseModel):
    """The latest materialization, as Dagster knows it."""

    time: str = Field(description="UTC.")
    run: str
    status: str = Field(description="Of the latest run of the asset: SUCCESS, FAILURE, STARTED ...")


class AssetFacts(BaseModel):
    """An asset."""

    name: str
    group: str
    line: str = Field(description="What it is.")
    after: list[str] = Field(description="Assets that it is made from.")
    built: bool
    rows: int | None = Field(description="What it has of its unit; null where nothing is counted.")
    unit: str
    files: int
    bytes: int
    more: bool = Field(description="There are more files than were counted.")
    changed: str | None = Field(description="Change of its newest file, UTC.")
    problem: str | None = Field(description="Why its numbers cannot be read.")
    page: str | None = Field(description="Where the explorer shows it.")
    dagster: str | None = Field(description="Its page in the Dagster UI, when that runs.")
    latest: LatestRun | None


class Assets(BaseModel):
    """The lineage."""

    dagster: str | None = Field(description="Address of the Dagster UI, when it runs.")
    assets: list[AssetFacts] = Field(description="Each behind those that it is made from.")


@router.get("/assets", summary="Assets with their latest numbers", responses={200: {"model": Assets}})
def assets(shelf: ShelfOf) -> Response:
    """Rows, bytes and the newest change of each asset's files, and its latest run when the Dagster UI is there."""
    ui = dagster_ui(shelf)
    running = ui.is_running()
    latest = ui.latest([asset.name for asset in ASSETS]) if running else {}
    rows = [_facts(shelf, one, latest.get(one.name), ui.url if running else "") for one in ASSETS]
    return json_answer({"dagster": ui.url if running else None, "assets": rows})


def dagster_ui(shelf: Shelf) -> DagsterUi:
    """Return what asks the Dagster UI."""
    return cast(DagsterUi, shelf.kept.setdefault("datasets.dagster", DagsterUi(shelf.dagster_url)))


def _facts(shelf: Shelf, asset: Asset, latest: Materialized | None, url: str) -> dict[str, Any]:
    with one_at_a_time(shelf, "counting"):
        counted: Counted = count_files(shelf, asset)
    return {
        "name": asset.name,
        "group": asset.group,
        "line": asset.line,
        "after": asset.after,
        "built": counted.files > 0 or not asset.files,
        "rows": counted.rows,
        "unit": asset.unit,
        "files": counted.files,
        "bytes": counted.bytes,
        "more": counted.more,
        "changed": moment_of(counted.newest),
        "problem": counted.problem,
        "page": asset.page,
        "dagster": f"{url}/assets/{asset.name}" if url else None,
        "latest": latest,
    }
