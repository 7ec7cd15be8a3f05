"""The explorer's own table of assets says what the definitions say."""

from __future__ import annotations

from mosaic_assets.definitions import defs
from mosaic_assets.explorer.datasets.asset_files import COUNTERS
from mosaic_assets.explorer.datasets.asset_names import ASSETS


def test_names_groups_and_lineage_are_those_of_the_definitions() -> None:
    graph = defs.resolve_asset_graph()
    defined = {
        key.to_user_string(): (graph.get(key).group_name, {parent.to_user_string() for parent in graph.get(key).parent_keys})
        for key in graph.get_all_asset_keys()
    }  # fmt: skip
    assert {asset.name: (asset.group, set(asset.after)) for asset in ASSETS} == defined


def test_each_asset_stands_behind_those_that_it_is_made_from() -> None:
    names = [asset.name for asset in ASSETS]
    assert all(names.index(before) < names.index(asset.name) for asset in ASSETS for before in asset.after)


def test_rows_are_counted_of_assets_that_there_are() -> None:
    assert set(COUNTERS) <= {asset.name for asset in ASSETS if asset.unit}
