"""Runs a challenge: what is measured already is kept, the rest is measured, and the file holds what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mosaic_assets.errors import DataError
from mosaic_assets.scenes.challenges.cloud_scenes import cloud_subject, is_synthetic
from mosaic_assets.scenes.challenges.measuring import Task, measure, one_thread, plan, warm_up
from mosaic_assets.scenes.challenges.pictures import picture_subject, pictures_in, sample_paths
from mosaic_assets.scenes.challenges.records import Subject
from mosaic_assets.scenes.challenges.registry import load_methods
from mosaic_assets.scenes.challenges.results import Keeper, Row, completed, key_of, read_results, results_path
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import holding

CHALLENGES = ("clouds", "noise", "compression")

Progress = Callable[[int, int], None]
"""Told how many measurements are taken, and of how many."""


@dataclass(frozen=True)
class Report:
    """What a run of a challenge came to."""

    challenge: str
    rows: list[Row]
    """Every measurement asked for, in the order of pictures, cases and methods."""
    measured: int
    """Taken in this run; the others were there."""
    pictures: int
    path: Path | None
    """The file of measurements; None when nothing was kept."""

    @property
    def failed(self) -> list[Row]:
        """Measurements whose method failed."""
        return [row for row in self.rows if row["note"].startswith("failed")]


def subjects(settings: Settings, challenge: str) -> list[Subject]:
    """Return the pictures of a challenge: those of ``scenes.challenge_pictures``, or a sample of the published crops.

    Raises
    ------
    DataError
        There is none yet, or one cannot be read.
    """
    make = cloud_subject if challenge == "clouds" else _crop_subject
    folder = settings.scenes.challenge_pictures
    if folder is not None:
        return [picture_subject(path) for path in pictures_in(folder.expanduser().absolute())]
    crops = published_crops(settings)
    if not crops:
        raise DataError(
            f"looking for crops in {settings.smcefr_folder} failed: there is none. Fetch a day first "
            "(mosaic scenes fetch), or name a folder of pictures in scenes.challenge_pictures"
        )
    return [make(settings, path) for path in sample_paths(crops, settings.scenes.challenge_sample, settings.seed)]


def published_crops(settings: Settings) -> list[Path]:
    """Return the pictures of all kept crops, ``smcefr/<year>/<product>.png``, sorted."""
    return sorted(settings.smcefr_folder.glob("[0-9][0-9][0-9][0-9]/S3*.png"))


def run_challenge(
    settings: Settings, challenge: str, names: Sequence[str] | None = None, progress: Progress | None = None
) -> Report:
    """Measure what is not measured yet; the file ends with what belongs to these pictures and methods, and nothing else.

    Parameters
    ----------
    challenge : ``clouds``, ``noise`` or ``compression``.
    names : methods to measure; None: all. Measurements of the others are kept.

    Raises
    ------
    DataError, SettingsError, UnknownNameError, BusyError
        No pictures, a module or method that is not there, or another run of this challenge.
    """
    load_methods(settings.scenes.challenge_methods)
    path = results_path(settings, challenge)
    with holding(path.with_suffix(".lock"), f"the {challenge} challenge"):
        given = subjects(settings, challenge)
        plans = [(subject, plan(challenge, subject, None, settings.seed)) for subject in given]
        asked = {
            key_of(challenge, task.key) for subject in given for task in plan(challenge, subject, names, settings.seed)
        }
        known = _known(path, challenge, plans)
        keeper = Keeper(path, challenge, known.values())
        todo = [
            (subject, [task for task in tasks if (key := key_of(challenge, task.key)) in asked and key not in known])
            for subject, tasks in plans
        ]
        try:
            taken = _measure(challenge, todo, keeper.add, progress)
        finally:
            keeper.save()
    found = {key_of(challenge, row): row for row in keeper.rows}
    rows = [found[key] for _, tasks in plans for task in tasks if (key := key_of(challenge, task.key)) in asked]
    return Report(challenge, rows, taken, len(given), path)


def measure_pictures(
    settings: Settings,
    challenge: str,
    paths: Iterable[Path],
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure pictures that somebody names; nothing is kept."""
    load_methods(settings.scenes.challenge_methods)
    given = [picture_subject(path) for path in paths]
    rows: list[Row] = []
    todo = [(subject, plan(challenge, subject, names, settings.seed)) for subject in given]
    taken = _measure(challenge, todo, rows.append, progress)
    return Report(challenge, rows, taken, len(given), None)


def missing_measurements(settings: Settings, challenge: str) -> list[Row]:
    """Return the keys of measurements that ought to be in the file and are not, and the rows of methods that failed."""
    load_methods(settings.scenes.challenge_methods)
    rows = {key_of(challenge, row): row for row in read_results(results_path(settings, challenge), challenge)}
    wanted = [task.key for one in subjects(settings, challenge) for task in plan(challenge, one, None, settings.seed)]
    return [rows.get(key_of(challenge, key), key) for key in wanted if not _is_sound(rows.get(key_of(challenge, key)))]


def _known(path: Path, challenge: str, plans: Iterable[tuple[Subject, list[Task]]]) -> dict[tuple[object, ...], Row]:
    """Return the measurements that are there and still belong; pictures keep the name that they have now."""
    there = {key_of(challenge, row): row for row in read_results(path, challenge)}
    known = {}
    for _, tasks in plans:
        for task in tasks:
            key = key_of(challenge, task.key)
            if _is_sound(there.get(key)):
                known[key] = {**there[key], **task.key}
    return known


def _is_sound(row: Row | None) -> bool:
    return row is not None and not row["note"].startswith("failed")


def _measure(
    challenge: str,
    todo: Sequence[tuple[Subject, list[Task]]],
    take: Callable[[Row], None],
    progress: Progress | None,
) -> int:
    total, done = sum(len(tasks) for _, tasks in todo), 0
    warm: set[str] = set()
    with one_thread():
        for subject, tasks in todo:
            if not tasks:
                continue
            scene = subject.load()
            warm_up([task for task in tasks if task.key["method"] not in warm], scene)
            warm |= {task.key["method"] for task in tasks}
            for task in tasks:
                take(completed(challenge, measure(task, scene)))
                done += 1
                if progress:
                    progress(done, total)
    return done


def _crop_subject(settings: Settings, path: Path) -> Subject:
    del settings  # a cloud subject needs them
    return picture_subject(path, synthetic=is_synthetic(path.stem))
