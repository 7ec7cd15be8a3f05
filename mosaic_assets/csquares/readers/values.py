"""Single values of scene files as texts and moments."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from mosaic_assets.csquares.readers.records import Lost, excerpt

_MISSING = {"", "null", "none", "nan", "nat"}
"""How programs write that there is nothing."""


def opened(value: Any) -> Any:
    """Return the list or object that a table holds as JSON text; anything else as it is.

    Examples
    --------
    >>> opened('["OLCI"]'), opened("[OLCI]")
    (['OLCI'], '[OLCI]')
    """
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def text_of(value: Any) -> str:
    """Return a value as a text: lists joined, whole numbers without a point, objects by their name.

    Empty for what is missing: None, the words ``null``, ``none``, ``nan`` and ``nat``, a truth value.

    Examples
    --------
    >>> text_of(" NOAA-12 "), text_of(17.0), text_of(["OLCI", "SLSTR"]), text_of([{"name": "CSIRO"}]), text_of(True)
    ('NOAA-12', '17', 'OLCI, SLSTR', 'CSIRO', '')
    """
    value = opened(value)
    if isinstance(value, str):
        return "" if value.strip().casefold() in _MISSING else value.strip()
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    if isinstance(value, Mapping):
        return text_of(value.get("name", value.get("href")))
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, map(text_of, value)))
    return value.isoformat() if isinstance(value, date) else ""


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return ""
    return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)


def moment_of(name: str, value: Any) -> datetime | None:
    """Return a value as an aware moment in UTC; None when it is missing.

    Parameters
    ----------
    name : str
        What the value is called, for the message.
    value : Any
        ISO 8601 text, a span of two with a slash, an object with a start, a date or datetime.

    Raises
    ------
    Lost
        It is there and cannot be read.

    Examples
    --------
    >>> moment_of("date", "2003/06/21 06:23+10:00"), moment_of("time", "2003-06-21/2003-06-22").isoformat()
    (datetime.datetime(2003, 6, 20, 20, 23, tzinfo=datetime.timezone.utc), '2003-06-21T00:00:00+00:00')
    """
    value = opened(value)
    if isinstance(value, Mapping):
        value = next((value[key] for key in value if str(key).casefold() in ("start", "begin", "beginposition")), None)
    if isinstance(value, str):
        value = re.sub(r"^(\d{4})/(\d\d)/(\d\d)", r"\1-\2-\3", value.strip())
    if value is None or value != value or (isinstance(value, str) and _start(value).casefold() in {*_MISSING, ".."}):
        return None
    try:
        moment = _parsed(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        raise Lost(
            f"its {name} is {excerpt(value)}; expected ISO 8601 such as 2003-06-21T06:23:00Z, or nothing"
        ) from None


def _parsed(value: Any) -> datetime:
    if isinstance(value, datetime):
        return datetime(*value.timetuple()[:6], value.microsecond, value.tzinfo)  # pandas has a kind of its own
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if not isinstance(value, str):
        raise TypeError(value)
    return datetime.fromisoformat(re.sub(r"\s*(UTC|GMT)$", "Z", _start(value), flags=re.IGNORECASE))


def _start(span: str) -> str:
    return span.partition("/")[0].strip()
