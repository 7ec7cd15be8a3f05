"""What must hold of the catalogues of days."""

from __future__ import annotations

from datetime import date

from mosaic_assets.core.checks import Check, CheckResult, Scope, result_of
from mosaic_assets.errors import StoreError
from mosaic_assets.scenes.catalog import CatalogueRow, catalogue_path, catalogued_days, read_catalogue
from mosaic_assets.scenes.names import newest_editions
from mosaic_assets.settings import Settings


def catalogues_are_sound(settings: Settings, scope: Scope) -> CheckResult:
    """Every catalogue can be read, and its scenes are of its day, one edition each, with what fetching them takes."""
    problems, scenes, days = [], 0, _days(settings, scope)
    for day in days:
        try:
            rows = read_catalogue(settings, day)
        except StoreError as error:
            problems.append(str(error))
            continue
        scenes += len(rows)
        problems += [f"{day}: {problem}" for problem in _problems(day, rows)]
    return result_of(problems, f"{scenes} scene(s) of {len(days)} day(s) ({scope})")


def _problems(day: date, rows: list[CatalogueRow]) -> list[str]:
    names = [row.name for row in rows]
    kept = {name.text for name in newest_editions(names)}
    found = [f"{name.text} began on {name.day}" for name in names if name.day != day]
    found += [f"{name.text}: another edition of the same scene is listed" for name in names if name.text not in kept]
    found += [f"{text} is listed twice" for text in sorted({one.text for one in names if names.count(one) > 1})]
    found += [f"{row.name.text}: no id to fetch it by" for row in rows if row.source == "copernicus" and not row.id]
    shapes = ((row.name.text, row.footprint) for row in rows if row.footprint is not None)
    return found + [
        f"{name}: its outline is not valid" for name, shape in shapes if shape.is_empty or not shape.is_valid
    ]


def _days(settings: Settings, scope: Scope) -> list[date]:
    """Return the days in scope: after a run, the one whose catalogue was written last."""
    days = catalogued_days(settings)
    if scope is Scope.ALL or not days:
        return days
    return [max(days, key=lambda day: (catalogue_path(settings, day).stat().st_mtime_ns, day))]


CATALOG_CHECKS = (Check(catalogues_are_sound.__name__, "olci_catalog", True, catalogues_are_sound),)
"""Every check of the catalogues. All block."""
