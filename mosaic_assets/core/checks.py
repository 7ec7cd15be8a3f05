"""Checks of what the pipeline made: what every domain's checks have in common. A check looks and tells; it changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mosaic_assets.errors import MosaicError


class Scope(StrEnum):
    """How much a check that opens files looks at."""

    NEWEST = "newest"
    """What the newest merge or batch brought: after every one."""
    ALL = "all"
    """Everything: by night, and by `mosaic check`."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found."""

    passed: bool
    summary: str
    details: dict[str, Any] = field(default_factory=dict)


EXAMPLES = 5
"""Offenders named in the summary of a failed check."""
LISTED = 100
"""Offenders in its details."""


def result_of(problems: Sequence[str], looked_at: str, details: Mapping[str, Any] | None = None) -> CheckResult:
    """Return what a check found: it passed if there are no problems.

    Examples
    --------
    >>> result_of([], "3 tiles").summary, result_of(["a.png: no row"], "3 tiles").summary
    ('3 tiles', '1 problem(s) in 3 tiles: a.png: no row')
    """
    if not problems:
        return CheckResult(True, looked_at, dict(details or {}))
    some = "; ".join(problems[:EXAMPLES]) + ("; ..." if len(problems) > EXAMPLES else "")
    return CheckResult(
        False,
        f"{len(problems)} problem(s) in {looked_at}: {some}",
        {"problems": list(problems[:LISTED]), **(details or {})},
    )


@dataclass(frozen=True, slots=True)
class Check:
    """A check by name: the asset it belongs to, and whether its failure must stop consumers."""

    name: str
    asset: str
    blocking: bool
    run: Callable[[Any, Scope], CheckResult]
    """Given the settings and the scope; `Any`, because this module stands below the settings."""

    @property
    def description(self) -> str:
        """The first line of the function's docstring."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


def run_check(check: Check, settings: Any, scope: Scope) -> CheckResult:
    """Run a check; an error of ours that it meets is a failure with that error's message."""
    try:
        return check.run(settings, scope)
    except MosaicError as error:
        return CheckResult(False, str(error))
