"""What must hold of the answers that the localization benchmark keeps."""

from __future__ import annotations

import math
from pathlib import Path

from mosaic_assets.core.checks import Check, CheckResult, Scope, result_of
from mosaic_assets.errors import GalleryError
from mosaic_assets.gallery.localize.evaluate import read_answers, results_folder
from mosaic_assets.gallery.localize.metrics import Asked
from mosaic_assets.settings import Settings


def localization_answers_are_possible(settings: Settings, scope: Scope) -> CheckResult:
    """Kept answers can be read, belong to their method, and their numbers are possible ones."""
    problems, answers, paths = [], 0, _files(settings, scope)
    for path in paths:
        try:
            known = read_answers(path)
        except GalleryError as error:
            problems.append(str(error))
            continue
        answers += len(known)
        method = path.stem.rpartition("-")[0]
        problems += [f"{path.name}, {one.query}: {why}" for one in known.values() if (why := _wrong(one, method))]
    return result_of(problems, f"{answers} answer(s) of {len(paths)} file(s) ({scope})")


def localization_accepts_nothing_that_is_nowhere(settings: Settings, scope: Scope) -> CheckResult:
    """No method stands by an answer to a query that the gallery does not have."""
    problems, nowhere = [], 0
    for path in _files(settings, scope):
        for one in read_answers(path).values():
            nowhere += one.nowhere
            if one.nowhere and one.accepted:
                problems.append(f"{one.method} is {one.confidence:.2f} sure of {one.query}")
    return result_of(problems, f"{nowhere} answer(s) to queries that are nowhere ({scope})")


def _wrong(one: Asked, method: str) -> str:
    if one.method != method:
        return f"is by the method {one.method!r}"
    if not 0 <= one.confidence <= 1:
        return f"its confidence is {one.confidence}"
    if one.error_m is not None and (one.nowhere or not (math.isfinite(one.error_m) and one.error_m >= 0)):
        return f"it is {one.error_m} m off" + (", of a place that is nowhere" if one.nowhere else "")
    if one.rank is not None and (one.nowhere or one.rank < 1):
        return f"its rank is {one.rank}"
    return "its time is negative" if min(one.seconds, one.processor_s) < 0 else ""


def _files(settings: Settings, scope: Scope) -> list[Path]:
    """Return the files in scope: after a run, those of the gallery and settings that it measured."""
    found = sorted(results_folder(settings.gallery_folder).glob("*-*.json"))
    if scope is Scope.ALL or not found:
        return found
    newest = max(found, key=lambda path: path.stat().st_mtime_ns).stem.rpartition("-")[2]
    return [path for path in found if path.stem.endswith(newest)]


LOCALIZATION_CHECKS = (
    Check("localization_answers_are_possible", "localization_benchmark", True, localization_answers_are_possible),
    Check(
        "localization_accepts_nothing_that_is_nowhere",
        "localization_benchmark",
        False,
        localization_accepts_nothing_that_is_nowhere,
    ),
)
"""Every check of the benchmark. Answers must be possible; an answer too sure of itself is a warning."""
