"""The HTML pages: a frame with the navigation, around the content of each page. Put together once; scripts do the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from fastapi import APIRouter
from starlette.responses import HTMLResponse

FOLDER = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class PageFile:
    """A page: its address, its file below ``static/pages``, and how the navigation calls it."""

    path: str
    name: str
    title: str


PAGES = (
    PageFile("/", "map", "Map"),
    PageFile("/colours", "colours", "Colours"),
    PageFile("/datasets", "datasets", "Datasets"),
    PageFile("/benchmarks", "benchmarks", "Benchmarks"),
    PageFile("/assets", "assets", "Assets"),
    PageFile("/api", "api", "API"),
)

router = APIRouter(include_in_schema=False)


@cache
def html_of(page: PageFile) -> str:
    """Return a page's HTML: ``static/pages/frame.html`` around ``static/pages/<name>.html``."""
    links = "\n".join(
        f'<li><a href="{one.path}"{" aria-current=page" if one == page else ""}>{one.title}</a></li>' for one in PAGES
    )
    frame = Template((FOLDER / "pages" / "frame.html").read_text(encoding="utf-8"))
    content = (FOLDER / "pages" / f"{page.name}.html").read_text(encoding="utf-8")
    return frame.substitute(title=page.title, name=page.name, links=links, content=content)


def _add(page: PageFile) -> None:
    @router.get(page.path, name=f"page_{page.name}")
    async def show() -> HTMLResponse:
        return HTMLResponse(html_of(page), headers={"cache-control": "no-cache"})


for _page in PAGES:
    _add(_page)
