"""What there is, in rows for tables: days with their counts, the scenes of a day, days that are still to do."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from mosaic_assets.scenes.catalog import FIRST_DAY, catalogue_path, catalogued_days, read_catalogue
from mosaic_assets.scenes.crop_manifest import manifest_days, read_manifest
from mosaic_assets.scenes.pipeline import unfinished
from mosaic_assets.scenes.records import SceneOutcome, SceneRecord
from mosaic_assets.settings import Settings


def day_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return a row for every day that was searched or worked on, in order."""
    rows = []
    for day in sorted({*catalogued_days(settings), *manifest_days(settings)}):
        records = read_manifest(settings, day)
        outcomes = Counter(record.outcome for record in records)
        rows.append(
            {
                "day": day.isoformat(),
                "scenes": len(records),
                "kept": outcomes[SceneOutcome.KEPT],
                "discarded": len(records) - outcomes[SceneOutcome.KEPT] - outcomes[SceneOutcome.UNAVAILABLE],
                "to do": len(waiting_scenes(settings, day)),
                "synthetic": sum(record.synthetic for record in records),
            }
        )
    return rows


def waiting_scenes(settings: Settings, day: date) -> list[str]:
    """Return the products of a day's catalogue that have no final outcome yet; none for a day without a catalogue."""
    if not catalogue_path(settings, day).is_file():
        return []
    known = read_manifest(settings, day)
    return [row.name.text for row in unfinished(read_catalogue(settings, day), known, settings.scenes.recipe)]


def scene_rows(settings: Settings, day: date) -> list[dict[str, Any]]:
    """Return a row for every scene of a day that was worked on."""
    return [_scene_row(record) for record in read_manifest(settings, day)]


def _scene_row(record: SceneRecord) -> dict[str, Any]:
    numbers = record.numbers
    return {
        "product": record.name.text,
        "scene": f"{record.name.mission} {record.name.start:%H:%M:%S} orbit {record.name.relative_orbit:03d} "
        f"frame {record.name.frame:04d}",
        "outcome": record.outcome.value,
        **{name: _rounded(getattr(numbers, name)) for name in ("fill", "cloud", "water", "texture", "entropy")},
        "MB fetched": round(record.bytes_fetched / 1e6, 2),
        "synthetic": "synthetic" if record.synthetic else "",
        "why": record.detail,
    }


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def missing_days(settings: Settings, last: date) -> list[date]:
    """Return the days of the span that ends with ``last`` which are not done, the newest first."""
    span = (last - timedelta(days=n) for n in range(settings.scenes.span_days))
    done = {day for day in manifest_days(settings) if not waiting_scenes(settings, day)}
    return [day for day in span if day >= FIRST_DAY and day not in done]
