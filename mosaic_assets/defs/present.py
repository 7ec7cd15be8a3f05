"""Domain values as Dagster metadata, and domain errors as Dagster failures."""

import base64
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from mosaic_assets.errors import MosaicError

PERMANENT_TAG = "mosaic/failure"
"""Tag of a failed run: ``permanent`` when trying again cannot help, else ``passing``."""

REASON_TAG = "mosaic/reason"
"""Tag of a failed run: the first words of the error."""


def picture(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A PNG as markdown, shown in the UI."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """Rows of plain values as a table; an empty one as a note."""
    if not rows:
        return dg.MetadataValue.text("(none)")
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])


def outcomes_table(outcomes: Mapping[str, int]) -> dg.MetadataValue:
    """Outcomes and their counts, the commonest first."""
    ordered = sorted(outcomes.items(), key=lambda item: -item[1])
    return table([{"outcome": outcome, "tiles": count} for outcome, count in ordered])


@contextlib.contextmanager
def explained_failures(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Show an error of ours as its message, tag the run with its kind, and stop Dagster from retrying permanent ones."""
    try:
        yield
    except MosaicError as error:
        kind = "passing" if error.passing else "permanent"
        tags = {PERMANENT_TAG: kind, REASON_TAG: str(error)[:1000]}
        context.instance.add_run_tags(context.run.run_id, tags)
        raise dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__, "kind": kind},
            allow_retries=error.passing,
        ) from error
