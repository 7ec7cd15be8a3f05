"""Pictures as answers: with an ETag, so that a browser that has one asks no more than whether it is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import Any

from fastapi import Request
from starlette.responses import Response

from mosaic_assets.explorer.datasets.keeping import Drawn

KEPT = "private, max-age=60, must-revalidate"
"""Data may be made anew while the explorer runs."""
PICTURES_ANSWERED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}}},
    304: {"description": "The one that the ETag in If-None-Match is of."},
}


def tagged(request: Request, identity: Hashable, draw: Callable[[], Drawn]) -> Response:
    """Answer with a picture; draw it only for a browser that has another or none.

    Parameters
    ----------
    identity : another one when the picture is another; of plain values.
    draw : makes it.
    """
    tag = f'"{hashlib.sha256(repr(identity).encode()).hexdigest()[:24]}"'
    headers = {"etag": tag, "cache-control": KEPT}
    if tag in [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    drawn = draw()
    if drawn.said:
        headers["x-picture"] = drawn.said
    return Response(drawn.body, media_type=drawn.media_type, headers=headers)
