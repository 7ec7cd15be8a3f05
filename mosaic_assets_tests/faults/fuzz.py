"""Judge damaged pictures in a process of its own, so that even a crash of a decoder is only a failing test.

``python -m mosaic_assets_tests.faults.fuzz SEED COUNT`` prints the number of each batch's first picture before judging it,
then a line of JSON: outcomes, and by how many bytes the process's peak grew.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Generator

import numpy as np

from mosaic_assets.core.imaging import new_canvas
from mosaic_assets.core.records import Fetched, Outcome, Tile
from mosaic_assets.library.harvest import BATCH
from mosaic_assets.library.judge import Judgement, judge
from mosaic_assets_tests.faults.memory import peak
from mosaic_assets_tests.faults.mutations import mutant, seeds
from mosaic_assets_tests.library.painted import MOMENT

NO_PICTURE = {Outcome.NOT_AN_IMAGE, Outcome.WRONG_SIZE, Outcome.MISSING}


def answer(number: int, body: bytes) -> Fetched:
    return Fetched(Tile(number % 4096, number // 4096, 12), body, None, MOMENT)


def check(item: Judgement) -> None:
    """Raise if a judgement contradicts itself."""
    known = (item.bucket_id, item.phash, item.lab)
    if item.outcome is Outcome.CANDIDATE:
        sound = None not in known and bool(np.isfinite(item.lab or np.nan).all()) and not item.detail
    else:
        sound = item.outcome in NO_PICTURE and known == (None, None, None) and bool(item.detail)
    if not sound:
        raise AssertionError(
            f"a judgement contradicts itself: {item.outcome}, {item.detail!r}, bucket {item.bucket_id}"
        )


def judged(judge_batch: Callable[[list[Fetched]], list[Judgement]], seed: int, count: int) -> Generator[Judgement]:
    for first in range(0, count, BATCH):
        sys.stdout.write(f"{first}\n")
        sys.stdout.flush()
        numbers = range(first, min(first + BATCH, count))
        answers = [answer(number, mutant(seed, number)) for number in numbers]
        found = judge_batch(answers)
        if [item.fetched for item in found] != answers:
            raise AssertionError(f"seed {seed}, batch {first}: the judgements are not those of the answers")
        yield from found


def main(seed: int, count: int) -> None:
    from scipy.spatial import cKDTree

    warnings.simplefilter("ignore")  # Pillow's, about damaged metadata
    tree = cKDTree(np.random.default_rng(7).uniform((0, -60, -60), (100, 60, 60), (500, 3)))
    canvas = new_canvas(BATCH)

    def judge_batch(answers: list[Fetched]) -> list[Judgement]:
        return judge(answers, tree, frozenset(), canvas)

    judge_batch([answer(number, body) for number, body in enumerate(seeds())])  # imports and tables do not count
    before = peak()
    outcomes: Counter[str] = Counter()
    for item in judged(judge_batch, seed, count):
        check(item)
        outcomes[item.outcome] += 1
    grown = peak() - before
    sys.stdout.write(json.dumps({"outcomes": outcomes, "grown": grown}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
