"""What there is to measure of a picture, and how each of it is measured."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mosaic_assets.errors import DataError
from mosaic_assets.scenes.challenges.methods import CloudMethod, Codec, Denoiser
from mosaic_assets.scenes.challenges.noise import CASES, Case, case_rng
from mosaic_assets.scenes.challenges.records import CloudScene, Degraded, Rgb, Subject
from mosaic_assets.scenes.challenges.registry import CLOUD_METHODS, CODECS, DENOISERS
from mosaic_assets.scenes.challenges.results import Row
from mosaic_assets.scenes.challenges.scores import mse, psnr, score_mask, ssim

T = TypeVar("T")

REPEAT_BELOW_S = 0.05
"""What takes less is done three times and the fastest counts, seconds."""


WARM_UP_SIDE = 32
"""Of the corner on which a method is tried first, pixels."""


@dataclass(frozen=True)
class Task:
    """One measurement to take."""

    key: Row
    """Columns that are known beforehand."""
    run: Callable[[CloudScene], Row]
    """Gives the other columns."""


def plan(challenge: str, subject: Subject, names: Sequence[str] | None, seed: int) -> list[Task]:
    """Return everything to measure of a picture, methods that do not apply included.

    Parameters
    ----------
    challenge : ``clouds``, ``noise`` or ``compression``.
    names : of methods; None: all that are registered.
    seed : of the noise.
    """
    if challenge == "clouds":
        return [_cloud_task(subject, method) for method in CLOUD_METHODS.select(names)]
    if challenge == "compression":
        return [_codec_task(subject, method, level) for method in CODECS.select(names) for level in method.levels]
    return _noise_tasks(subject, DENOISERS.select(names), seed)


def measure(task: Task, scene: CloudScene) -> Row:
    """Take a measurement; a method that fails, as somebody's own may, leaves a note and no numbers."""
    try:
        return {**task.key, "note": "", **task.run(scene)}
    except Exception as error:  # whatever a registered function may raise
        return {**task.key, "note": f"failed: {type(error).__name__}: {error}"[:300]}


def warm_up(tasks: Sequence[Task], scene: CloudScene) -> None:
    """Run each method once on a corner of the scene, so that loading a library is nobody's time."""
    corner = scene.corner(WARM_UP_SIDE)
    for task in {task.key["method"]: task for task in tasks}.values():
        with contextlib.suppress(Exception):  # what is wrong with a method shows when it is measured
            task.run(corner)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let numeric libraries use one thread, so that seconds can be compared."""
    import cv2
    from threadpoolctl import threadpool_limits

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)


def _key(subject: Subject, method: CloudMethod | Denoiser | Codec) -> Row:
    return {
        "picture": subject.name,
        "sha256": subject.sha256,
        "synthetic": subject.synthetic,
        "method": method.name,
        "fingerprint": method.fingerprint,
    }


def _timed(run: Callable[[], T]) -> tuple[T, float]:
    """Return what it returns and the seconds it took."""
    fastest, found = float("inf"), None
    for _ in range(3):
        began = time.perf_counter()
        found = run()
        fastest = min(fastest, time.perf_counter() - began)
        if fastest > REPEAT_BELOW_S:
            break
    return found, max(fastest, 1e-9)  # type: ignore[return-value]


def _cloud_task(subject: Subject, method: CloudMethod) -> Task:
    def run(scene: CloudScene) -> Row:
        lacking = [name for name in method.needs if not scene.has(name)]
        reference, reference_is = scene.reference
        row: Row = {"reference": reference_is}
        if lacking:
            return {**row, "note": f"skipped: needs {', '.join(lacking)}"}
        found, seconds = _timed(lambda: method.run(scene))
        if not isinstance(found, np.ndarray) or found.dtype != np.bool_ or found.shape != scene.rgb.shape[:2]:
            raise DataError(f"returned {_described(found)}; expected bool {scene.rgb.shape[:2]}")
        valid = np.ones(found.shape, np.bool_) if scene.valid is None else scene.valid
        row |= {"cloud_share": _mean(found[valid]), "seconds": seconds}
        if reference is None:
            return row
        score = score_mask(found, reference, valid)
        return {
            **row,
            "reference_share": _mean(reference[valid]),
            **{name: getattr(score, name) for name in ("hits", "false_alarms", "misses", "clear")},
            **{name: getattr(score, name) for name in ("iou", "precision", "recall", "f1", "accuracy")},
        }

    return Task(_key(subject, method), run)


def _mean(values: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float | None:
    return float(values.mean()) if values.size else None


class _Degrading:
    """Degrades pictures and keeps the last one, since the methods of a case come one after another."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._last: tuple[CloudScene, Case, Degraded] | None = None

    def __call__(self, scene: CloudScene, case: Case) -> Degraded:
        if self._last is None or self._last[0] is not scene or self._last[1] is not case:
            degraded = case.degrade(scene.rgb, case_rng(case.name, self._seed))
            degraded.picture.flags.writeable = False  # the next method is to get it as this one did
            self._last = scene, case, degraded
        return self._last[2]


def _noise_tasks(subject: Subject, methods: Sequence[Denoiser], seed: int) -> list[Task]:
    degrading = _Degrading(seed)

    def task(case: Case, method: Denoiser) -> Task:
        key = {**_key(subject, method), "case": case.name, "kind": case.kind, "seed": seed}
        return Task(key, lambda scene: _denoised(scene.rgb, degrading(scene, case), method))

    return [task(case, method) for case in CASES for method in methods if case.kind in method.kinds]


def _denoised(clean: Rgb, degraded: Degraded, method: Denoiser) -> Row:
    found, seconds = _timed(lambda: method.run(degraded))
    _refuse_other_than(clean, found)
    error = mse(clean, found)
    return {"mse": error, "psnr": psnr(error) if error else None, "ssim": ssim(clean, found), "seconds": seconds}


def _codec_task(subject: Subject, method: Codec, level: float) -> Task:
    def run(scene: CloudScene) -> Row:
        picture = np.ascontiguousarray(scene.rgb)
        data, encode_s = _timed(lambda: method.encode(picture, level))
        if not isinstance(data, bytes):
            raise DataError(f"returned {_described(data)}; expected bytes")
        found, decode_s = _timed(lambda: method.decode(data))
        _refuse_other_than(picture, found)
        error = mse(picture, found)
        return {
            "equal": error == 0,
            "bytes": len(data),
            "bits_a_pixel": 8 * len(data) / (picture.shape[0] * picture.shape[1]),
            "psnr": psnr(error) if error else None,
            "ssim": ssim(picture, found) if error else 1.0,
            "encode_mb_s": picture.nbytes / 1e6 / encode_s,
            "decode_mb_s": picture.nbytes / 1e6 / decode_s,
        }

    return Task({**_key(subject, method), "level": level, "lossless": method.lossless}, run)


def _refuse_other_than(picture: Rgb, found: object) -> None:
    if not isinstance(found, np.ndarray) or found.dtype != np.uint8 or found.shape != picture.shape:
        raise DataError(f"returned {_described(found)}; expected uint8 {picture.shape}")


def _described(found: object) -> str:
    return f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
