"""Pages of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MOST = 200
"""Items a page."""


class PageQuestion(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(24, ge=1, le=MOST, description="Items a page.")
    page: int = Field(1, ge=1, le=1_000_000, description="From 1; beyond the last it is empty.")

    @property
    def start(self) -> int:
        """Items before the page."""
        return (self.page - 1) * self.limit


class Paged(BaseModel):
    """What every page says."""

    count: int = Field(description="Items on all pages.")
    page: int
    limit: int
    pages: int


def page_of(question: PageQuestion, rows: Sequence[Any], name: str, count: int | None = None) -> dict[str, Any]:
    """Return a page of rows as plain values.

    Parameters
    ----------
    rows : all rows, or those of the page alone when ``count`` says how many there are.
    name : what the rows are called in the answer.

    Examples
    --------
    >>> page_of(PageQuestion(limit=2, page=2), ["a", "b", "c"], "letters")
    {'count': 3, 'page': 2, 'limit': 2, 'pages': 2, 'letters': ['c']}
    """
    shown = rows[question.start : question.start + question.limit] if count is None else rows
    total = len(rows) if count is None else count
    return {
        "count": total, "page": question.page, "limit": question.limit, "pages": -(-total // question.limit), name: shown,
    }  # fmt: skip
