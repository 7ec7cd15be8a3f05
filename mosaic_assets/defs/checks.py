"""The domains' checks as asset checks; what they look at is in the domains' own modules of checks."""

import dagster as dg

from mosaic_assets.chips.chip_checks import CHIP_CHECKS
from mosaic_assets.core.checks import Check, Scope, run_check
from mosaic_assets.csquares.archive_checks import ARCHIVE_CHECKS
from mosaic_assets.defs.resources import Workbench
from mosaic_assets.gallery.checks import GALLERY_CHECKS
from mosaic_assets.gallery.localize.checks import LOCALIZATION_CHECKS
from mosaic_assets.library.checks import CHECKS
from mosaic_assets.scenes.catalog_checks import CATALOG_CHECKS
from mosaic_assets.scenes.challenges.checks import CHALLENGE_CHECKS
from mosaic_assets.scenes.crop_checks import CROP_CHECKS

SCOPE_TAG = "mosaic/scope"
"""Run tag: ``newest`` lets checks that open files look at the newest merge or batch only."""

ALL_CHECKS: tuple[Check, ...] = (
    *CHECKS,
    *CATALOG_CHECKS,
    *CROP_CHECKS,
    *CHALLENGE_CHECKS,
    *CHIP_CHECKS,
    *GALLERY_CHECKS,
    *LOCALIZATION_CHECKS,
    *ARCHIVE_CHECKS,
)
"""Every check of every domain, in the order of the lineage."""


def _asset_check(check: Check) -> dg.AssetChecksDefinition:
    severity = dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN

    @dg.asset_check(asset=check.asset, name=check.name, blocking=check.blocking, description=check.description)
    def body(context: dg.AssetCheckExecutionContext, workbench: dg.ResourceParam[Workbench]) -> dg.AssetCheckResult:
        scope = Scope(context.run.tags.get(SCOPE_TAG, Scope.ALL))
        found = run_check(check, workbench.settings, scope)
        details = {
            key: value if isinstance(value, str | int | float) else dg.MetadataValue.json(value)
            for key, value in found.details.items()
        }
        return dg.AssetCheckResult(
            passed=found.passed,
            severity=severity,
            description=found.summary,
            metadata={"scope": str(scope), **details},
        )

    return body


ASSET_CHECKS = [_asset_check(check) for check in ALL_CHECKS]
