"""The ledger after a repair: every planned tile of a merged round still ends with exactly one outcome."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime

from mosaic_assets.core.records import Outcome
from mosaic_assets.library.centroids import CENTROIDS_META, Centroids
from mosaic_assets.library.evidence import count_outcomes, header_of
from mosaic_assets.library.faults import Fault
from mosaic_assets.library.repair_plan import QUARANTINED, Plan
from mosaic_assets.settings import Settings
from mosaic_assets.store.library_db import LibraryDatabase
from mosaic_assets.store.library_records import LibraryRow, MergedRound
from mosaic_assets.store.library_repair import RoundKey, kept_by_round, positions_of


def plan_ledger(settings: Settings, database: LibraryDatabase, centroids: Centroids, plan: Plan) -> None:
    """Add to a plan what follows for the ledger from the tiles that go and come."""
    changes, before = plan.changes, kept_by_round(database)
    after, reasons = _kept_afterwards(before, plan)
    ledger = {(merged.biome, merged.round): merged for merged in database.rounds()}
    changes.discards = [
        (*key, position, QUARANTINED, reason)
        for key, positions in sorted(reasons.items())
        for position, reason in sorted(positions.items())
    ]
    for key, merged in ledger.items():
        was, now = merged.outcomes.get(Outcome.KEPT, 0), after[key]
        adds_up = sum(merged.outcomes.values()) == merged.planned
        if adds_up and was == now:
            continue
        if adds_up and was == before.get(key, 0):
            counts = Counter(merged.outcomes)
            counts.update({str(Outcome.KEPT): now - was, QUARANTINED: was - now})
            changes.outcomes[key] = {name: count for name, count in counts.items() if count}
            continue
        changes.outcomes[key] = _counted(settings, database, key, merged.planned, plan)
        plan.note(
            Fault.LEDGER,
            f"round {key[1]} of {key[0]}",
            f"{was} of {merged.planned} tiles kept by the ledger, {sum(merged.outcomes.values())} outcomes, {now} rows",
        )
    _plan_missing_lines(settings, database, plan, {key: count for key, count in after.items() if count}, set(ledger))
    if database.meta(CENTROIDS_META) is None and (ledger or after):
        changes.meta = {CENTROIDS_META: centroids.record.sha256, "colour_method": centroids.record.colour_method}
        plan.note(Fault.LEDGER, "centroids", "the library does not say which centroids it was built with")


def _kept_afterwards(
    before: dict[RoundKey, int], plan: Plan
) -> tuple[Counter[RoundKey], dict[RoundKey, dict[int, str]]]:
    """Tiles of each round once the plan is carried out; and by position, why those that go do."""
    after, reasons = Counter(before), defaultdict[RoundKey, dict[int, str]](dict)
    for rescue in plan.rescues:
        old, row = rescue.suspect, rescue.row
        if old.has_tile and old.has_provenance:
            after[str(old.stored["biome"]), int(old.stored["round"])] -= 1
        after[row.biome, row.round] += 1
    for exile in plan.exiles:
        stored = exile.stored
        if stored is None or stored["biome"] is None:
            continue
        key = (str(stored["biome"]), int(stored["round"]))
        reasons[key][int(stored["position"])] = exile.reason
        if stored["filepath"] is not None:
            after[key] -= 1
    return after, reasons


def _counted(settings: Settings, database: LibraryDatabase, key: RoundKey, planned: int, plan: Plan) -> dict[str, int]:
    """Count a round's outcomes from its file; without that, all that is known is how many of its tiles are there."""
    kept, discards = positions_of(database, *key)
    staying = {position for position, tile in kept.items() if tile not in plan.changes.remove}
    staying |= {row.position for row in plan.changes.write if (row.biome, row.round) == key}
    sent_away = {position: QUARANTINED for *of, position, _, _ in plan.changes.discards if tuple(of) == key}
    counted = count_outcomes(settings, key, staying, {**discards, **sent_away}, QUARANTINED)
    return counted or {str(Outcome.KEPT): len(staying), QUARANTINED: planned - len(staying)}


def _plan_missing_lines(
    settings: Settings, database: LibraryDatabase, plan: Plan, kept: dict[RoundKey, int], known: set[RoundKey]
) -> None:
    """Write lines for rounds that tiles name and the ledger lacks."""
    number = max((merged.merge_number for merged in database.rounds()), default=1)
    for key in sorted(set(kept) - known):
        plan.note(Fault.LEDGER, f"round {key[1]} of {key[0]}", f"{kept[key]} tiles name it, the ledger lacks it")
        plan.changes.new_rounds.append(_new_line(settings, database, plan, key, kept[key], number))


def _new_line(
    settings: Settings, database: LibraryDatabase, plan: Plan, key: RoundKey, kept: int, merge_number: int
) -> MergedRound:
    header, now = header_of(settings, key), datetime.now(UTC)
    row = _any_row(database, plan, key)
    planned = header.planned if header else kept
    return MergedRound(
        biome=key[0],
        round=key[1],
        source=row.source,
        imagery=row.imagery,
        release=row.release,
        zoom=row.z,
        planned=planned,
        exhausted=header.exhausted if header else False,
        outcomes=_counted(settings, database, key, planned, plan),
        new_buckets=0,
        bytes_fetched=header.bytes_fetched if header else 0,
        seconds=header.seconds if header else 0.0,
        merge_number=merge_number,
        published_at=datetime.fromisoformat(header.published_at) if header else now,
        merged_at=now,
    )


def _any_row(database: LibraryDatabase, plan: Plan, key: RoundKey) -> LibraryRow:
    written = [row for row in plan.changes.write if (row.biome, row.round) == key]
    return written[0] if written else database.rows("biome = ? AND round = ?", key)[0]
