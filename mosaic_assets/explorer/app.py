"""The application: guard, problems, routes, pages and files, over one data home."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from mosaic_assets import __version__
from mosaic_assets.explorer import pages, world
from mosaic_assets.explorer.colours import routes as colours
from mosaic_assets.explorer.datasets import routes as datasets
from mosaic_assets.explorer.guard import Guard
from mosaic_assets.explorer.indexes import MOST_OPEN, IndexPool
from mosaic_assets.explorer.problems import explain_errors
from mosaic_assets.explorer.reading import Shelf
from mosaic_assets.explorer.search import routes as search
from mosaic_assets.settings import Settings

DESCRIPTION = """Everything that the pipeline built, by place, colour and time: offline and for reading only.

Times are UTC. Places are c-squares of 10, 5, 1 or 0.5 degrees, boxes, points, or the squares of another scene. Errors are
[RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems that say what to do.
"""


def make_app(
    settings: Settings, *, hosts: Iterable[str] = ("127.0.0.1", "localhost", "[::1]"), dagster_url: str = ""
) -> FastAPI:
    """Return the explorer's application over a data home.

    Parameters
    ----------
    settings : Settings
    hosts : iterable of str
        Names and addresses under which it may be asked for, without port.
    dagster_url : str
        Where the Dagster UI may be running, for links; empty for nowhere.
    """
    shelf = Shelf(settings, IndexPool(settings.csquares), dagster_url.rstrip("/"))

    @contextlib.asynccontextmanager
    async def living(_app: FastAPI) -> AsyncIterator[None]:
        # One thread an open index: more would only wait for one.
        current_default_thread_limiter().total_tokens = MOST_OPEN
        yield
        shelf.indexes.close()

    app = FastAPI(
        title="mosaic_assets explorer",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=living,
        separate_input_output_schemas=False,
    )
    app.state.shelf = shelf
    explain_errors(app)
    for routes in (search, colours, datasets, world, pages):
        app.include_router(routes.router)
    app.mount("/static/leaflet", _Files(directory=_leaflet()), name="leaflet")
    app.mount("/static", _Files(directory=pages.FOLDER), name="static")
    app.add_middleware(GZipMiddleware, minimum_size=2_048, compresslevel=4)
    app.add_middleware(Guard, hosts=tuple(hosts))
    return app


class _Files(StaticFiles):
    """Files that a browser asks about each time: after an upgrade no page runs the scripts of before."""

    def file_response(self, *given: Any, **named: Any) -> Response:
        """Return a file, or that it is as it was."""
        answer = super().file_response(*given, **named)
        answer.headers["cache-control"] = "no-cache"
        return answer


def _leaflet() -> Path:
    import xstatic.pkg.leaflet

    return Path(xstatic.pkg.leaflet.BASE_DIR)
