"""Measurements summed up: a table for every challenge, and what it was measured on."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from mosaic_assets.scenes.challenges.noise import CASES
from mosaic_assets.scenes.challenges.records import NO_REFERENCE
from mosaic_assets.scenes.challenges.results import Row
from mosaic_assets.scenes.challenges.scores import MaskScore

COUNTS = ("hits", "false_alarms", "misses", "clear")


def described(rows: Sequence[Row]) -> str:
    """Say how many pictures were measured, and how many of them are synthetic.

    Examples
    --------
    >>> described([{"sha256": "a", "synthetic": True}, {"sha256": "a", "synthetic": True}])
    '1 picture, synthetic'
    >>> described([{"sha256": "a", "synthetic": True}, {"sha256": "b", "synthetic": None}])
    '2 pictures, 1 of them synthetic'
    """
    synthetic = {row["sha256"]: bool(row["synthetic"]) for row in rows}
    count, made = len(synthetic), sum(synthetic.values())
    said = f"{count} picture{'s' * (count != 1)}"
    if made == 0:
        return said
    return f"{said}, synthetic" if made == count else f"{said}, {made} of them synthetic"


def summary(challenge: str, rows: Sequence[Row]) -> list[Row]:
    """Return a challenge's table: `cloud_table`, `noise_table` or `compression_table`."""
    tables: dict[str, Callable[[Sequence[Row]], list[Row]]] = {
        "clouds": cloud_table,
        "noise": noise_table,
        "compression": compression_table,
    }
    return tables[challenge](rows)


def cloud_table(rows: Sequence[Row]) -> list[Row]:
    """Return a row a reference and method: scores over the pixels of all scenes together, the best IoU first.

    ``cloud`` and ``reference_cloud`` are mean shares, 0..1; scores are None where there is nothing to score against.
    """
    found = []
    for (reference, method), group in _grouped(rows, "reference", "method"):
        measured = [row for row in group if not row["note"]]
        if not measured:
            continue
        score = pooled(measured)
        found.append(
            {
                "reference": reference,
                "method": method,
                "scenes": len(measured),
                **{
                    name: _rounded(getattr(score, name) if score else None, 3)
                    for name in ("iou", "precision", "recall", "f1", "accuracy")
                },
                "cloud": _mean(measured, "cloud_share", 3),
                "reference_cloud": _mean(measured, "reference_share", 3),
                "seconds": _mean(measured, "seconds", 3),
            }
        )
    return sorted(found, key=lambda row: (row["reference"] == NO_REFERENCE, row["reference"], -(row["iou"] or 0)))


def pooled(rows: Sequence[Row]) -> MaskScore | None:
    """Add up the pixels of scored scenes; None when none is."""
    scores = [MaskScore(*(row[name] for name in COUNTS)) for row in rows if row["hits"] is not None]
    return sum(scores[1:], scores[0]) if scores else None


def noise_table(rows: Sequence[Row]) -> list[Row]:
    """Return a row a case and method: means over the pictures, the best PSNR of a case first."""
    order = {case.name: number for number, case in enumerate(CASES)}
    found = [
        {
            "case": case,
            "method": method,
            "psnr": _mean(group, "psnr", 2),
            "ssim": _mean(group, "ssim", 3),
            "mse": _mean(group, "mse", 2),
            "seconds": _mean(group, "seconds", 3),
        }
        for (case, method), group in _grouped(rows, "case", "method")
    ]
    return sorted(found, key=lambda row: (order.get(row["case"], len(order)), -(row["psnr"] or 0)))


def compression_table(rows: Sequence[Row]) -> list[Row]:
    """Return a row a codec and level: means over the pictures; lossless ones first, the smallest of them first."""
    found = [
        {
            "codec": method,
            "level": level,
            "lossless": group[0]["lossless"],
            "equal": all(row["equal"] for row in group),
            "bits_a_pixel": _mean(group, "bits_a_pixel", 3),
            "psnr": _mean(group, "psnr", 2),
            "ssim": _mean(group, "ssim", 4),
            "encode_mb_s": _mean(group, "encode_mb_s", 1),
            "decode_mb_s": _mean(group, "decode_mb_s", 1),
        }
        for (method, level), group in _grouped(rows, "method", "level")
    ]
    first = {row["codec"]: number for number, row in reversed(list(enumerate(found)))}
    return sorted(
        found,
        key=lambda row: (not row["lossless"], 0 if row["lossless"] else first[row["codec"]], row["bits_a_pixel"] or 0),
    )


def notes(rows: Iterable[Row]) -> list[Row]:
    """Return a row a method and note: what was skipped and what failed, and for how many measurements."""
    noted = [row for row in rows if row["note"]]
    return [
        {"method": method, "note": note, "measurements": len(group)}
        for (method, note), group in _grouped(noted, "method", "note")
    ]


def _grouped(rows: Iterable[Row], *names: str) -> list[tuple[tuple[Any, ...], list[Row]]]:
    groups: dict[tuple[Hashable, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return list(groups.items())


def _mean(rows: Iterable[Row], name: str, digits: int) -> float | None:
    values = [row[name] for row in rows if row[name] is not None]
    return _rounded(sum(values) / len(values), digits) if values else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
