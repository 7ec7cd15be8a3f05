"""Days on the command line: ``--day``, ``--from`` and ``--to``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import click


class Day(click.ParamType[date]):
    """A day, YYYY-MM-DD."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read a day; refuse what is none, and days before the first scene or after today."""
        from mosaic_assets.scenes.catalog import FIRST_DAY

        try:
            found = value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no day; write it as 2024-06-01", param, ctx)
        if not FIRST_DAY <= found <= datetime.now(UTC).date():
            self.fail(f"{found} is before {FIRST_DAY}, the first day of the archive, or has not come yet", param, ctx)
        return found


day_option = click.option("--day", type=Day(), metavar="YYYY-MM-DD", help="Day of the start of sensing, UTC.")
from_option = click.option("--from", "first", type=Day(), metavar="YYYY-MM-DD", help="First of several days.")
to_option = click.option(
    "--to", "last", type=Day(), metavar="YYYY-MM-DD", help="Last of several days, itself included."
)


def yesterday() -> date:
    """Return the last day, UTC, that is over."""
    return datetime.now(UTC).date() - timedelta(days=1)


def chosen_days(day: date | None, first: date | None, last: date | None) -> list[date]:
    """Return the days that options ask for; yesterday where they ask for none."""
    if day is not None:
        if first is not None or last is not None:
            raise click.UsageError("give either --day, or --from and --to")
        return [day]
    if first is None and last is None:
        return [yesterday()]
    begin, end = first or last, last or yesterday()
    if begin is None or begin > end:
        raise click.UsageError(f"--from {begin} lies after --to {end}")
    return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]
