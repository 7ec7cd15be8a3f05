"""What the library covers, and how far that is from what its biomes can offer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.species import chao1, discovery_rate, expected_filled, expected_new
from mosaic_assets.library.centroids import BUCKETS
from mosaic_assets.settings import Settings, Target
from mosaic_assets.store.library_db import has_library, open_library
from mosaic_assets.store.library_records import MergedRound


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage of one biome's colours, or of all together.

    ``seen`` counts buckets that a judged tile fell in, whether or not it was kept; ``filled`` those of them that hold
    at least the target's floor of tiles, whichever biome they came from. The estimates are those of
    `mosaic_assets.core.species`, which names their sources; they take a biome's tiles for independent draws, which the
    seeded plan makes them, but for one: no tile is drawn twice.
    """

    tiles: int
    """Judged tiles."""
    seen: int
    filled: int
    reachable: float
    """Estimated number of buckets within reach (Chao1: a lower bound)."""
    discovery_rate: float
    """Probability that the next tile falls in a bucket not seen yet (Good-Turing)."""
    new_per_1000: float
    """Expected new buckets among the next 1,000 tiles (Good-Toulmin)."""
    useful_per_1000: float
    """Expected tiles among the next 1,000 that bring a bucket nearer to the floor."""
    fills_per_1000: float = 0.0
    """Expected seen buckets that the next 1,000 tiles lift to the floor (`expected_filled`)."""

    @property
    def share(self) -> float:
        """Filled share of the reachable buckets, 0..1."""
        return self.filled / self.reachable if self.reachable else 0.0

    def meets(self, target: Target) -> bool:
        """Whether the target is reached: the number of buckets if it names one, else the share."""
        if target.buckets is not None:
            return self.filled >= target.buckets
        return self.tiles > 0 and self.share >= target.share

    def lacking(self, target: Target) -> float:
        """How many further buckets must be filled to reach the target; 0 when it is reached."""
        goal = float(target.buckets) if target.buckets is not None else target.share * self.reachable
        return max(goal - self.filled, 0.0)

    @property
    def statistics(self) -> str:
        """The figures as half a sentence.

        Examples
        --------
        >>> Coverage(1000, 120, 70, 150.0, 0.03, 14.2, 300.0).statistics
        '120 buckets seen of about 150, 70 filled; 3.0% of tiles find a new one, 1,000 more about 14.2'
        """
        return (
            f"{self.seen:,} buckets seen of about {self.reachable:,.0f}, {self.filled:,} filled; "
            f"{self.discovery_rate:.1%} of tiles find a new one, 1,000 more about {self.new_per_1000:.1f}"
        )


@dataclass(frozen=True, slots=True)
class LibraryState:
    """What the ledger says of the whole library; read in one go, without touching a tile's row."""

    kept: NDArray[np.int64]
    """Tiles in each bucket, int64 of shape (5000,)."""
    hits: dict[str, dict[int, int]]
    """For each biome, judged tiles in each bucket, before cap and duplicates."""
    rounds: list[MergedRound]

    def rounds_of(self, biome: str) -> list[MergedRound]:
        """The merged rounds of a biome, in order."""
        return [merged for merged in self.rounds if merged.biome == biome]

    @property
    def planned(self) -> int:
        """Tiles asked for so far."""
        return sum(merged.planned for merged in self.rounds)

    def total_hits(self) -> dict[int, int]:
        """Judged tiles in each bucket, over all biomes."""
        total: dict[int, int] = {}
        for counts in self.hits.values():
            for bucket, count in counts.items():
                total[bucket] = total.get(bucket, 0) + count
        return total


def read_state(settings: Settings) -> LibraryState:
    """Read the library's state; an empty one where no library is yet."""
    if not has_library(settings.library):
        return LibraryState(np.zeros(BUCKETS, np.int64), {}, [])
    with open_library(settings.library) as database, database.reading():
        return LibraryState(database.bucket_counts(BUCKETS), database.hits(), database.rounds())


def coverage_of(hits: dict[int, int], state: LibraryState, floor: int) -> Coverage:
    """Coverage of the buckets that ``hits`` names (those of one biome, or of all).

    Parameters
    ----------
    hits : judged tiles in each bucket.
    state : the library, for how full those buckets are.
    floor : tiles that a filled bucket holds.
    """
    counts = list(hits.values())
    tiles = sum(counts)
    rate = discovery_rate(counts)
    useful = rate + sum(
        hits[bucket] / tiles * _keeping(int(state.kept[bucket]), count)
        for bucket, count in ((b, hits[b]) for b in hits)
        if state.kept[bucket] < floor
    )
    return Coverage(
        tiles=tiles,
        seen=len(hits),
        filled=int(sum(state.kept[bucket] >= floor for bucket in hits)),
        reachable=chao1(counts),
        discovery_rate=rate,
        new_per_1000=expected_new(counts, 1000),
        useful_per_1000=1000 * min(useful, 1.0),
        fills_per_1000=_fills(hits, state, floor, 1000),
    )


def _fills(hits: dict[int, int], state: LibraryState, floor: int, further: int) -> float:
    below = [bucket for bucket in hits if state.kept[bucket] < floor]
    kept = state.kept[below]
    met = np.array([hits[bucket] for bucket in below], float)
    # Tiles that prove to be duplicates fill nothing: count the hits that would have been kept.
    return expected_filled(met * np.minimum((kept + 1) / (met + 1), 1), floor - kept, sum(hits.values()), further)


def _keeping(kept: int, hits: int) -> float:
    """Share of a bucket's tiles that prove to be no duplicates, with one of each kind assumed beforehand."""
    return min((kept + 1) / (hits + 1), 1.0)


def coverage(state: LibraryState, target: Target) -> tuple[Coverage, dict[str, Coverage]]:
    """Coverage of the library, and of each biome that has a merged round."""
    each = {biome: coverage_of(hits, state, target.floor) for biome, hits in sorted(state.hits.items())}
    return coverage_of(state.total_hits(), state, target.floor), each
