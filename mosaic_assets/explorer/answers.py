"""What the API's answers have in common."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def json_answer(content: Any, *, status: int = 200, media_type: str = "application/json") -> Response:
    """Return content as JSON: numpy arrays and scalars, moments and dataclasses included.

    Examples
    --------
    >>> import numpy as np
    >>> json_answer({"counts": np.arange(3)}).body
    b'{"counts":[0,1,2]}'
    """
    return Response(orjson.dumps(content, option=OPTIONS), status, media_type=media_type)
