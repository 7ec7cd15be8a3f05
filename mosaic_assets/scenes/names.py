"""Names of Sentinel-3 OLCI full-resolution products, read field by field.

::

    S3A_OL_1_EFR____20211021T073827_20211021T074112_20211021T091357_0164_077_334_4320_LN1_O_NR_002
    |   |    |      |               |               |               |    |   |   |    |   | |  collection
    |   |    type   start           stop            created         |    |   |   |    |   | timeliness
    |   OLCI, level 1               of sensing                      |    |   |   |    |   platform
    mission                                                         |    |   |   |    centre
                                                             duration cycle orbit frame
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.records import SAFE_SUFFIX, TIMELINESS, ProductName, SceneKey

NAME_LENGTH = 94
"""Characters of a name without ``.SEN3``."""

MAX_SHOWN = 120
"""Characters of an offending text that a message repeats."""

EXAMPLE = "S3A_OL_1_EFR____20211021T073827_20211021T074112_20211021T091357_0164_077_334_4320_LN1_O_NR_002"

_DURATION_SLACK_S = 2
"""Start, stop and duration are each cut or rounded to whole seconds."""

# name of the field, first character, length, characters it may have, what is expected
_FIELDS: tuple[tuple[str, int, int, str], ...] = (
    ("mission", 0, 3, "S3A to S3D"),
    ("instrument and level", 4, 4, "OL_1"),
    ("type", 9, 6, "EFR___"),
    ("start", 16, 15, "a moment as in 20211021T073827"),
    ("stop", 32, 15, "a moment as in 20211021T073827"),
    ("creation", 48, 15, "a moment as in 20211021T073827"),
    ("duration", 64, 4, "4 digits, seconds"),
    ("cycle", 69, 3, "3 digits"),
    ("relative orbit", 73, 3, "3 digits, 001 to 385"),
    ("frame", 77, 4, "4 digits"),
    ("centre", 82, 3, "3 capital letters or digits"),
    ("platform", 86, 1, "O, F, D or R"),
    ("timeliness", 88, 2, "NR, ST or NT"),
    ("collection", 91, 3, "3 digits"),
)


def parse_name(text: str) -> ProductName:
    """Read the name of an OLCI full-resolution product.

    Parameters
    ----------
    text : the name, with or without ``.SEN3``; no path.

    Raises
    ------
    ProductError
        It is not such a name; the message says which field is wrong.

    Examples
    --------
    >>> name = parse_name(EXAMPLE + ".SEN3")
    >>> name.mission, name.relative_orbit, name.frame, name.timeliness, str(name.start)
    ('S3A', 334, 4320, 'NR', '2021-10-21 07:38:27+00:00')
    >>> parse_name(EXAMPLE.replace("_334_", "_999_"))
    Traceback (most recent call last):
    ...
    mosaic_assets.errors.ProductError: reading the product name 'S3A_OL_1_EFR____2021...': its relative orbit is '999'; ...
    """
    bare = text.removesuffix(SAFE_SUFFIX)
    if len(bare) != NAME_LENGTH:
        raise _refusal(text, f"it has {len(bare)} characters without {SAFE_SUFFIX}", str(NAME_LENGTH))
    fields = {name: bare[first : first + length] for name, first, length, _ in _FIELDS}
    for name, first, length, _ in _FIELDS:
        if bare[first + length : first + length + 1] not in ("_", ""):
            raise _refusal(text, f"there is no _ after its {name}", f"one at character {first + length + 1}")
    for name, _, _, expected in _FIELDS:
        if not _CHECKS[name](fields[name]):
            raise _refusal(text, f"its {name} is {fields[name]!r}", expected)
    return _in_order(text, _built(bare, fields))


def is_name(text: str) -> bool:
    """Tell whether a text is the name of an OLCI full-resolution product.

    >>> is_name(EXAMPLE), is_name("S3A_SL_1_RBT____20211021T073827")
    (True, False)
    """
    try:
        parse_name(text)
    except ProductError:
        return False
    return True


def newest_editions(names: Iterable[ProductName]) -> list[ProductName]:
    """Keep the best edition of each scene, in the order of names: NT over ST over NR, then collection, then creation.

    >>> early = parse_name(EXAMPLE)
    >>> late = parse_name(EXAMPLE.replace("20211021T091357", "20211022T120000").replace("_NR_", "_NT_"))
    >>> [name.timeliness for name in newest_editions([late, early])]
    ['NT']
    """
    best: dict[SceneKey, ProductName] = {}
    for name in names:
        held = best.get(name.scene_key)
        if held is None or name.rank > held.rank:
            best[name.scene_key] = name
    return sorted(best.values(), key=lambda name: (name.start, name.text))


def _refusal(text: str, found: str, expected: str) -> ProductError:
    shown = repr(text) if len(repr(text)) <= MAX_SHOWN else repr(text)[:MAX_SHOWN] + "..."
    return ProductError(
        f"reading the product name {shown}: {found}; expected {expected}. "
        f"A name of OLCI level 1 at full resolution looks like {EXAMPLE}"
    )


def _moment(text: str) -> datetime | None:
    if len(text) != 15 or text[8] != "T" or not (_digits(text[:8]) and _digits(text[9:])):
        return None  # strptime takes spaces and short fields, too
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_moment(text: str) -> bool:
    return _moment(text) is not None


_CHECKS: dict[str, Callable[[str], bool]] = {
    "mission": lambda text: text in ("S3A", "S3B", "S3C", "S3D"),
    "instrument and level": lambda text: text == "OL_1",
    "type": lambda text: text == "EFR___",
    "start": _is_moment,
    "stop": _is_moment,
    "creation": _is_moment,
    "duration": _digits,
    "cycle": _digits,
    "relative orbit": lambda text: _digits(text) and 1 <= int(text) <= 385,
    "frame": _digits,
    "centre": lambda text: text.isascii() and text.isalnum() and text == text.upper(),
    "platform": lambda text: text in ("O", "F", "D", "R"),
    "timeliness": lambda text: text in TIMELINESS,
    "collection": _digits,
}


def _built(bare: str, fields: dict[str, str]) -> ProductName:
    moments = [_moment(fields[name]) for name in ("start", "stop", "creation")]
    start, stop, created = (moment for moment in moments if moment is not None)
    return ProductName(
        text=bare,
        mission=fields["mission"],
        product_type=fields["type"],
        start=start,
        stop=stop,
        created=created,
        duration_s=int(fields["duration"]),
        cycle=int(fields["cycle"]),
        relative_orbit=int(fields["relative orbit"]),
        frame=int(fields["frame"]),
        centre=fields["centre"],
        platform=fields["platform"],
        timeliness=fields["timeliness"],
        collection=fields["collection"],
    )


def _in_order(text: str, name: ProductName) -> ProductName:
    """Refuse a name whose fields contradict one another."""
    lasted_s = (name.stop - name.start) / timedelta(seconds=1)
    if lasted_s <= 0:
        raise _refusal(text, "its stop is not after its start", "a later one")
    if abs(lasted_s - name.duration_s) > _DURATION_SLACK_S:
        raise _refusal(text, f"its duration is {name.duration_s} s", f"the {lasted_s:.0f} s from its start to its stop")
    if name.created < name.start:
        raise _refusal(text, "it was created before its start", "a later creation")
    return name
