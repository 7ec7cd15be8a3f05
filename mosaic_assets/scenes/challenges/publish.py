"""A challenge published: measurements as Parquet, a plot and a sheet of examples beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mosaic_assets.scenes.challenges.benchmark import Progress, Report, run_challenge, subjects
from mosaic_assets.scenes.challenges.examples import mask_sheet, noise_sheet
from mosaic_assets.scenes.challenges.pictures import picture_subject
from mosaic_assets.scenes.challenges.plots import plot
from mosaic_assets.scenes.challenges.results import results_path
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import write_bytes


@dataclass(frozen=True)
class Published:
    """A challenge's files."""

    report: Report
    path: Path
    plot: bytes
    sheet: bytes
    """PNG; empty for compression, whose losses are seen in its curves only."""


def publish_challenge(settings: Settings, challenge: str, progress: Progress | None = None) -> Published:
    """Measure what is not measured yet; publish ``<challenge>.parquet``, ``.png`` and ``_examples.png``.

    Raises
    ------
    DataError, SettingsError, BusyError
        As `run_challenge` says.
    """
    report = run_challenge(settings, challenge, progress=progress)
    path = results_path(settings, challenge)
    drawn, sheet = plot(challenge, report.rows), example_sheet(settings, report)
    write_bytes(path.with_suffix(".png"), drawn, f"publishing the plot of {challenge}")
    if sheet:
        write_bytes(path.with_name(f"{challenge}_examples.png"), sheet, f"publishing examples of {challenge}")
    return Published(report, path, drawn, sheet)


def example_sheet(settings: Settings, report: Report, paths: Sequence[Path] = ()) -> bytes:
    """Draw examples from the first picture of a report, PNG; empty for compression.

    Parameters
    ----------
    paths : the pictures that were named; none: those of `subjects`.
    """
    if report.challenge == "compression":
        return b""
    first = picture_subject(paths[0]) if paths else subjects(settings, report.challenge)[0]
    scene, caption = first.load(), f"{first.name}, synthetic" if first.synthetic else first.name
    failed = {row["method"] for row in report.failed}
    rows = [row for row in report.rows if row["method"] not in failed]
    if report.challenge == "noise":
        return noise_sheet(scene.rgb, rows, settings.seed, caption=caption)
    return mask_sheet(scene, list(dict.fromkeys(row["method"] for row in rows)), caption=caption)
