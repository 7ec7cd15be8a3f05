"""What must hold of the challenges' measurements, each as a function that looks and tells."""

from __future__ import annotations

from collections.abc import Callable

from mosaic_assets.core.checks import Check, CheckResult, Scope, result_of
from mosaic_assets.scenes.challenges.benchmark import missing_measurements
from mosaic_assets.scenes.challenges.results import Row, read_results, results_path
from mosaic_assets.settings import Settings

RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("iou", "precision", "recall", "f1", "accuracy", "cloud_share", "reference_share"), (0, 1)),
    **dict.fromkeys(("hits", "false_alarms", "misses", "clear", "seconds"), (0, float("inf"))),
    "mse": (0, 255**2), "psnr": (0, 100), "ssim": (-1, 1), "bits_a_pixel": (1e-6, 1000), "bytes": (1, float("inf")),
    "encode_mb_s": (1e-9, float("inf")), "decode_mb_s": (1e-9, float("inf")),
}  # fmt: skip
"""Where values may lie, ends included. PSNR of 8 bits is at most 103 dB, with one value off by one in a 1024 x 1024 picture."""

Run = Callable[[Settings, Scope], CheckResult]


def complete(challenge: str) -> Run:
    """Make the check that every registered method was measured on every picture."""

    def every_method_is_measured(settings: Settings, scope: Scope) -> CheckResult:
        """Every registered method is measured on every picture of the sample, and none failed."""
        del scope
        if not results_path(settings, challenge).exists():
            return CheckResult(True, "nothing was measured yet")
        missing = missing_measurements(settings, challenge)
        problems = [f"{row['method']} on {row['picture']}: {row.get('note') or 'not measured'}" for row in missing]
        return result_of(problems, f"{len(_rows(settings, challenge))} measurement(s)")

    return every_method_is_measured


def in_range(challenge: str) -> Run:
    """Make the check that scores can be what they are."""

    def scores_are_in_range(settings: Settings, scope: Scope) -> CheckResult:
        """Every score lies where it can lie, and agrees with the counts or errors that it comes from."""
        del scope
        rows = _rows(settings, challenge)
        problems = [problem for row in rows for problem in _range_problems(row)]
        return result_of(problems, f"{len(rows)} measurement(s)")

    return scores_are_in_range


def lossless_codecs_lose_nothing(settings: Settings, scope: Scope) -> CheckResult:
    """Every codec that promises equal pixels gave them back, on every picture."""
    del scope
    rows = [row for row in _rows(settings, "compression") if row["lossless"] and not row["note"]]
    problems = [f"{row['method']} on {row['picture']}: {row['psnr']:.2f} dB" for row in rows if not row["equal"]]
    return result_of(problems, f"{len(rows)} picture(s) encoded without loss")


def _range_problems(row: Row) -> list[str]:
    where = f"{row['method']} on {row['picture']}"
    found = [
        f"{where}: {name} is {row[name]:g}, expected {low:g}..{high:g}"
        for name, (low, high) in RANGES.items()
        if row.get(name) is not None and not low <= row[name] <= high
    ]
    hits, iou = row.get("hits"), row.get("iou")
    if (
        hits is not None
        and iou is not None
        and abs(iou * (hits + row["false_alarms"] + row["misses"]) - hits) > 1e-6 * hits
    ):
        found.append(f"{where}: iou {iou:g} does not follow from its counts")
    return found


def _rows(settings: Settings, challenge: str) -> list[Row]:
    return read_results(results_path(settings, challenge), challenge)


ASSETS = {"clouds": "cloud_benchmark", "noise": "denoise_benchmark", "compression": "compression_benchmark"}
"""The asset of each challenge."""

CHALLENGE_CHECKS: tuple[Check, ...] = (
    *(Check(f"{name}_benchmark_is_complete", asset, False, complete(name)) for name, asset in ASSETS.items()),
    *(Check(f"{name}_scores_are_in_range", asset, True, in_range(name)) for name, asset in ASSETS.items()),
    Check("lossless_codecs_lose_nothing", ASSETS["compression"], True, lossless_codecs_lose_nothing),
)
"""Every check of the challenges. A method that failed is a warning; a score that cannot be is an error."""
