"""Errors as RFC 9457 problems: a status, a title, and a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mosaic_assets.errors import MosaicError, NotBuiltError, StoreError, UnknownNameError
from mosaic_assets.explorer.answers import json_answer

TITLES = {
    400: "The request cannot be understood",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "The request came too slowly",
    413: "The request is too large",
    414: "The address is too long",
    421: "Not a host that is served here",
    431: "The headers are too large",
    500: "A bug in the explorer",
    503: "The data home cannot be read, or too much is asked at once",
}
LONGEST = 500
"""Characters of a detail: what a stranger sends is not sent back at length."""


class Problem(BaseModel):
    """What went wrong, as ``application/problem+json``."""

    type: str = Field("about:blank", description="What kind of problem; the status says it all.")
    title: str = Field(description="The kind of problem in words.", examples=[TITLES[400]])
    status: int = Field(description="The HTTP status.", examples=[400])
    detail: str = Field(description="What was attempted, the offending value, what was expected, what to do next.")


def _documented(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }


PROBLEMS: dict[int | str, dict[str, Any]] = {
    **{status: _documented(TITLES[status]) for status in (400, 404, 503)},
    "4XX": _documented("Not a request that is served here: its method, size, host or headers."),
}
"""Documented answers of every route, for ``responses=``."""


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as an answer."""
    title = TITLES.get(status, f"HTTP status {status}")
    detail = detail.encode(errors="replace").decode()  # names of files need not be text
    if len(detail) > LONGEST:
        detail = f"{detail[: LONGEST - 1]}…"
    answer = json_answer({"type": "about:blank", "title": title, "status": status, "detail": detail}, status=status)
    answer.headers["content-type"] = "application/problem+json"
    answer.headers.update(headers or {})
    return answer


def status_of(error: MosaicError) -> int:
    """Return the HTTP status of an error of ours.

    Examples
    --------
    >>> from mosaic_assets.errors import CodeError
    >>> status_of(CodeError("no code")), status_of(NotBuiltError("no index yet")), status_of(StoreError("damaged"))
    (400, 404, 503)
    """
    if isinstance(error, UnknownNameError | NotBuiltError):
        return 404
    return 503 if isinstance(error, StoreError) else 400


def explain_errors(app: FastAPI) -> None:
    """Have an application answer errors with problems."""
    app.add_exception_handler(MosaicError, _ours)
    app.add_exception_handler(OSError, _unreadable)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


def _ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, MosaicError)  # noqa: S101 - what the handler is registered for
    return problem(status_of(error), str(error))


def _unreadable(_request: Request, error: Exception) -> Response:
    """Nothing but the data home is read here, so it is what the system would not let us have."""
    assert isinstance(error, OSError)  # noqa: S101
    return problem(
        503,
        f"reading {error.filename or 'the data home'} failed: {error.strerror or error}; give permission to read it, or ask "
        "again when nothing is being moved",
    )


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = "; ".join(
        f"{'.'.join(str(part) for part in one['loc'][1:])} = {str(one.get('input'))[:60]!r}: {one['msg'].lower()}"
        for one in error.errors()[:5]
    )
    return problem(400, f"asking for {request.url.path} with {found}. /api says what each parameter takes")


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = str(error.detail)
    if error.status_code == 404 and detail == "Not Found":
        detail = f"there is nothing at {request.url.path[:80]!r}; /api lists what there is"
    return problem(error.status_code, detail, error.headers)


def _bug(request: Request, error: Exception) -> Response:
    from mosaic_assets.explorer.guard import HEADERS  # which imports this module; the guard does not see this answer

    return problem(
        500, f"answering {request.url.path[:80]} failed with {type(error).__name__}; the log has more", HEADERS
    )
