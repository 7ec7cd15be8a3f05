"""The plan on disk: `plan.parquet`, a row a chip, and `labels.parquet`, the labels it was made from.

The labels go first, under a name made of their digest, and the plan, which names them, last: whoever meets a plan meets its labels.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mosaic_assets.chips.account import Account
from mosaic_assets.chips.burning import Bands
from mosaic_assets.chips.grid import Cell
from mosaic_assets.chips.imagery import open_imagery
from mosaic_assets.chips.plan import Plan, Tell, make_plan, recipe
from mosaic_assets.chips.records import Chip, Reject, Transform
from mosaic_assets.errors import LabelError
from mosaic_assets.store.files import publishing, write_bytes

if TYPE_CHECKING:
    import geopandas as gpd

    from mosaic_assets.settings import Settings

META = b"mosaic_chips"


@dataclass(frozen=True)
class StoredPlan:
    """A plan as it is on disk."""

    chips: list[Chip]
    labels_path: Path
    classes: dict[str, int]
    account: Account
    rejects: tuple[Reject, ...]
    found: int
    """Labels in the file, used or not."""
    without_pixel: int
    """Labels that own no pixel of the imagery: outside it, below another, or smaller than a pixel."""
    held: dict[Cell, str]
    crs: str
    transform: Transform
    size: tuple[int, int]
    recipe: str
    identity: str
    settings: dict[str, Any]
    """The table of settings that it was made with."""
    seed: int

    @property
    def regions(self) -> list[str]:
        """Names of the regions that have chips, in order."""
        return sorted({chip.region for chip in self.chips})

    def labels(self) -> gpd.GeoDataFrame:
        """Read the labels.

        Raises
        ------
        LabelError
            The file is missing or damaged.
        """
        import geopandas as gpd

        try:
            return gpd.read_parquet(self.labels_path)
        except Exception as error:  # Arrow's, GeoPandas' and the system's
            raise LabelError(
                f"reading {self.labels_path}, the labels of the plan, failed: {error}; run `mosaic chips split` again"
            ) from error

    def bands(self, settings: Settings) -> Bands:
        """Return what draws the label bands of the chips."""
        return Bands(self.labels(), self.transform, self.size, settings.chips, self.held)


def plan_path(settings: Settings) -> Path:
    """Return where the plan is."""
    return settings.chips_folder / "plan.parquet"


def split_labels(settings: Settings, tell: Tell = lambda _: None) -> StoredPlan:
    """Divide the labels into regions and splits, plan every chip, and publish the plan.

    Parameters
    ----------
    tell
        Told of windows looked at, for a progress bar.

    Raises
    ------
    LabelError, SourceError, SettingsError
        Labels, imagery or settings that cannot be used.
    """
    from mosaic_assets.chips.formats import check_format

    with open_imagery(settings) as imagery:
        check_format(settings.chips.format, imagery.dtype, len(imagery.bands))
        plan = make_plan(settings, imagery, tell)
    _publish(settings, plan)
    return read_plan(settings)


def _publish(settings: Settings, plan: Plan) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    plan.labels.frame.to_parquet(buffer, index=False)
    labels = buffer.getvalue()
    name = f"labels-{hashlib.sha256(labels).hexdigest()[:16]}.parquet"
    write_bytes(settings.chips_folder / name, labels, "publishing the labels of the chips")
    facts = {
        "labels": name,
        "classes": plan.labels.classes,
        "account": asdict(plan.account),
        "rejects": [asdict(reject) for reject in plan.labels.rejects],
        "found": plan.labels.found,
        "without_pixel": sum(count == 0 for count in plan.label_pixels.values()),
        "held": [[row, column, split] for (row, column), split in sorted(plan.held.items())],
        "crs": plan.crs,
        "transform": plan.transform,
        "size": plan.size,
        "recipe": plan.recipe,
        "identity": plan.identity,
        "settings": settings.chips.model_dump(mode="json"),
        "seed": settings.seed,
    }
    columns = {one.name: [getattr(chip, one.name) for chip in plan.chips] for one in fields(Chip)}
    table = pa.table(columns).replace_schema_metadata({META: json.dumps(facts).encode()})
    with publishing(plan_path(settings), "publishing the plan of the chips") as temporary:
        pq.write_table(table, temporary, compression="zstd")
    for old in settings.chips_folder.glob("labels-*.parquet"):
        if old.name != name:
            old.unlink(missing_ok=True)


def read_plan(settings: Settings, *, current: bool = False) -> StoredPlan:
    """Read the plan.

    Parameters
    ----------
    current
        True refuses a plan that was made with other settings.

    Raises
    ------
    LabelError
        There is none, it is damaged, or not current.
    """
    import pyarrow.parquet as pq

    path = plan_path(settings)
    if not path.exists():
        raise LabelError(f"there is no plan of chips at {path}; run `mosaic chips split`, or materialize chip_regions")
    try:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[META])
        stored = _stored(settings, table.to_pylist(), facts)
    except Exception as error:  # Arrow's, JSON's, and what a wrong shape of it leads to
        raise LabelError(
            f"reading the plan of chips {path} failed: {error!r}; delete it and run `mosaic chips split` again"
        ) from error
    if current and stored.recipe != recipe(settings):
        raise LabelError(
            f"the plan of chips {path} was made with other settings than those in force; run `mosaic chips split` (or materialize "
            "chip_regions), then cut again. Chips that stay the same are not fetched again"
        )
    return stored


def _stored(settings: Settings, rows: list[dict[str, Any]], facts: dict[str, Any]) -> StoredPlan:
    a, b, c, d, e, f = facts["transform"]
    return StoredPlan(
        chips=[Chip(**row) for row in rows],
        labels_path=settings.chips_folder / facts["labels"],
        classes=facts["classes"],
        account=Account(**facts["account"]),
        rejects=tuple(Reject(**reject) for reject in facts["rejects"]),
        found=facts["found"],
        without_pixel=facts["without_pixel"],
        held={(row, column): split for row, column, split in facts["held"]},
        crs=facts["crs"],
        transform=(a, b, c, d, e, f),
        size=(facts["size"][0], facts["size"][1]),
        recipe=facts["recipe"],
        identity=facts["identity"],
        settings=facts["settings"],
        seed=facts["seed"],
    )


def as_planned(settings: Settings) -> Settings:
    """Return the settings with those of the chips that the plan was made with: for whoever planned with options of a command.

    Raises
    ------
    LabelError
        There is no plan, or it is damaged.
    """
    stored = read_plan(settings)
    table = type(settings.chips).model_validate(stored.settings)
    return settings.model_copy(update={"chips": table, "seed": stored.seed})
