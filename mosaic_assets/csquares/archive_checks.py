"""What must hold of the scene archive, each as a function that looks and tells; nothing here changes anything."""

from __future__ import annotations

import numpy as np

from mosaic_assets.core.checks import Check, CheckResult, Scope, result_of
from mosaic_assets.csquares.archive_state import (
    code_problems,
    has_pairs,
    index_differences,
    index_if_any,
    latest_batches,
    leaves_of,
    lost_batches,
    misplaced_scenes,
    newest,
    sampled_scenes,
)
from mosaic_assets.csquares.compress import expand
from mosaic_assets.csquares.contributions import contributed_batches
from mosaic_assets.csquares.footprints import footprints_path, published_footprints, read_footprints, read_header
from mosaic_assets.csquares.geos import differing_squares
from mosaic_assets.csquares.inbox import BATCH_PREFIX
from mosaic_assets.csquares.merging import KEY_LEVEL, merge_ids
from mosaic_assets.csquares.pairs import codes_of_keys, pairs_path, published_batches, read_batch, read_stamp
from mosaic_assets.errors import MosaicError
from mosaic_assets.settings import Settings

SQUARES = 5
"""Squares whose scenes are counted by hand."""

NEWEST_SCENES = 20
"""Scenes of the newest batch that are recomputed, so that checking takes no longer than covering; more by night."""


def footprints_are_complete(settings: Settings, scope: Scope) -> CheckResult:
    """Every file of footprints is whole and its own, and no scene is in it twice."""
    names = _footprints_in_scope(settings, scope)
    problems: list[str] = []
    scenes = 0
    for name in names:
        try:
            found = read_footprints(footprints_path(settings.csquares, name))
        except MosaicError as error:  # the others are looked at all the same
            problems.append(str(error))
            continue
        ids = [footprint.scene.id for footprint in found.footprints]
        scenes += len(ids)
        if found.name != name:
            problems.append(f"{name}: holds the footprints of batch {found.name}")
        if len(set(ids)) < len(ids) or "" in ids:
            problems.append(f"{name}: {len(ids)} scenes have {len(set(ids) - {''})} ids")
    return result_of(problems, f"{len(names)} batch(es), {scenes:,} scenes ({scope})")


def codes_are_valid(settings: Settings, scope: Scope) -> CheckResult:
    """Every pair's code is a valid c-square of half-degree length, equals its key, and lists are the shortest possible."""
    names, rows = _pairs_in_scope(settings, scope), 0
    problems: list[str] = []
    known: set[tuple[str, int]] = set()
    for name in names:
        try:
            problems += code_problems(settings.csquares, name, known)
            batch = read_batch(settings.csquares, name)
        except MosaicError as error:
            problems.append(str(error))
            continue
        leaves = leaves_of(batch)
        if (np.diff(leaves) <= 0).any():
            leaves = np.unique(leaves)
        fewest = len(merge_ids(leaves, KEY_LEVEL)[0])
        rows += len(batch.keys)
        if fewest != len(batch.keys):
            problems.append(f"{name}: {len(batch.keys)} pairs where {fewest} say the same")
    return result_of(problems, f"{rows:,} pairs in {len(names)} batch(es) ({scope})")


def covers_equal_geos(settings: Settings, scope: Scope) -> CheckResult:
    """Squares of sampled scenes equal a recomputation by GEOS: those that the footprint intersects and does not just touch."""
    names = [name for name in _footprints_in_scope(settings, scope) if has_pairs(settings, name)]
    count = min(settings.check_sample, NEWEST_SCENES) if scope is Scope.NEWEST else settings.check_sample
    problems, compared, left_out = [], 0, 0
    for name, ids in sampled_scenes(settings, names, count).items():
        batch = read_batch(settings.csquares, name)
        given = read_footprints(footprints_path(settings.csquares, name)).footprints
        for footprint in (one for one in given if one.scene.id in ids and one.scene.id in batch.number_of):
            keys = batch.keys_of(batch.number_of[footprint.scene.id])
            differing = differing_squares(footprint.geometry, expand(codes_of_keys(keys).tolist()))
            left_out += differing is None
            compared += differing is not None
            if differing:
                problems.append(f"{footprint.scene.id} of {name}: {len(differing)} squares, such as {differing[0]}")
    reasons = {"left out (points, lines, invalid rings, poles)": left_out}
    return result_of(problems, f"{compared} scenes recomputed ({scope})", reasons)


def pairs_and_index_agree(settings: Settings, scope: Scope) -> CheckResult:
    """The index has every batch as it is published, its scenes' squares, and finds by squares what the pairs say."""
    names = _pairs_in_scope(settings, scope)
    with index_if_any(settings) as db:
        known = db.batches() if db else {}
        changed = [name for name in names if read_stamp(settings.csquares, name) != known.get(name)]
        problems = [f"{name} is not in the index as it is published" for name in changed]
        gone = known.keys() - set(published_batches(settings.csquares))
        problems += [f"{name} is in the index, and its pairs are gone" for name in sorted(gone)]
        if db and not problems:
            problems += index_differences(settings, db, names, SQUARES)
    return result_of(problems, f"{len(names)} batch(es) ({scope})")


def scene_counts_agree(settings: Settings, scope: Scope) -> CheckResult:
    """Footprints, pairs and index count the same scenes, batch by batch."""
    names = [name for name in _footprints_in_scope(settings, scope) if has_pairs(settings, name)]
    problems, scenes = [], 0
    with index_if_any(settings) as db:
        for name in names:
            given = read_header(footprints_path(settings.csquares, name)).scenes
            paired = len(read_batch(settings.csquares, name, squares=False).scenes)
            indexed = len(db.claimed_by(name)) if db else 0
            scenes += given
            if not given == paired == indexed:
                problems.append(f"{name}: {given} footprints, {paired} scenes with pairs, {indexed} in the index")
    return result_of(problems, f"{scenes:,} scenes in {len(names)} batch(es) ({scope})")


def no_scene_is_lost_or_doubled(settings: Settings, scope: Scope) -> CheckResult:
    """Whatever was taken is in a batch, and every scene is in the index once, as the latest batch has it."""
    problems = list(lost_batches(settings))
    names = [name for name in _footprints_in_scope(settings, scope) if has_pairs(settings, name)]
    latest = latest_batches(settings, names)
    with index_if_any(settings) as db:
        stored = {scene: one.batch for scene, one in db.stored(latest).items()} if db else {}
        holders = {str(row[0]) for row in db.query("SELECT DISTINCT batch FROM scenes")} if db else set()
    problems += misplaced_scenes(settings, latest, stored)
    strays = {name for name in holders if name.startswith(BATCH_PREFIX)} - set(published_footprints(settings.csquares))
    problems += [f"the index has scenes of {name}, whose footprints are gone" for name in sorted(strays)]
    return result_of(problems, f"{len(latest):,} scenes ({scope})")


def contributions_are_published(settings: Settings, scope: Scope) -> CheckResult:
    """Every part that another data set contributed has its pairs."""
    del scope
    batches = contributed_batches(settings.csquares)
    problems = [f"{name} of {dataset}" for name, dataset in batches.items() if not has_pairs(settings, name)]
    return result_of(problems, f"{len(batches)} part(s) of {len(set(batches.values()))} data set(s)")


ARCHIVE_CHECKS: tuple[Check, ...] = tuple(
    Check(run.__name__, asset, True, run)
    for asset, run in (
        ("scene_footprints", footprints_are_complete),
        ("csquare_pairs", codes_are_valid),
        ("csquare_pairs", covers_equal_geos),
        ("library_footprints", contributions_are_published),
        ("csquare_index", pairs_and_index_agree),
        ("csquare_index", scene_counts_agree),
        ("csquare_index", no_scene_is_lost_or_doubled),
    )
)
"""Every check of the archive, in the order of the lineage. All block: a search that misleads is worse than none."""


def _footprints_in_scope(settings: Settings, scope: Scope) -> list[str]:
    names = published_footprints(settings.csquares)
    paths = [footprints_path(settings.csquares, name) for name in names]
    return names if scope is Scope.ALL else [path.stem for path in newest(paths)]


def _pairs_in_scope(settings: Settings, scope: Scope) -> list[str]:
    names = published_batches(settings.csquares)
    paths = [pairs_path(settings.csquares, name) for name in names]
    return names if scope is Scope.ALL else [path.stem for path in newest(paths)]
