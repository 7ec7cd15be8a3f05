"""``mosaic search``: scenes by place, time and platform."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.inputs import read_codes, read_geometries
from mosaic_assets.cli.screen import err, print_json, print_table

if TYPE_CHECKING:
    from mosaic_assets.csquares import Page, Scene, SceneIndex, Where


@click.command()
@click.option("--code", "codes", multiple=True, metavar="CODES", help="C-squares, with | between them or given again.")
@click.option("--box", type=float, nargs=4, metavar="W S E N", help="Degrees; W above E goes over the date line.")
@click.option("--point", type=float, nargs=2, metavar="LNG LAT", help="Degrees.")
@click.option("--geometry", metavar="FILE", help="GeoJSON; - reads standard input.")
@click.option("--scene", metavar="ID", help="All other scenes that share squares with this one.")
@click.option("--resolution", type=float, help="Size of the squares that stand for the place: 10, 5, 1 or 0.5 degrees.")
@click.option(
    "--start", metavar="TIME", help="First moment, included: 2003-06-21, 2003-06-21T06:23; UTC unless it says."
)
@click.option("--end", metavar="TIME", help="Moment behind the last, not included.")
@click.option("--platform", help="The satellite, as the scenes have it.")
@click.option("--limit", type=click.IntRange(0, 100_000), default=100, show_default=True, help="Scenes a page.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Which page.")
@click.option("--count", is_flag=True, help="Print how many scenes there are, and nothing else.")
@click.option("--ids", is_flag=True, help="Print the ids of all scenes, one a line, and nothing else.")
@click.option(
    "--geojson", is_flag=True, help="Print a FeatureCollection; a scene's geometry is the outline of its squares."
)
@options.as_json
@options.home
def search(
    limit: int, page: int, count: bool, ids: bool, geojson: bool, as_json: bool, home: Any, **asked: Any
) -> None:
    r"""Find the scenes that include all or part of a place, ordered by time, platform and id.

    Give one place, or none for everywhere. A scene is found if it has one of the half-degree squares of the place, or of
    --resolution if that is larger.

    \b
    Examples:  mosaic search --box 150 -30 155 -25 --start 2003-06-20 --end 2003-06-23
               mosaic search --code 3414:227:4 --platform NOAA-12 --count
               mosaic search --point 147.3 -42.8 --resolution 10 --geojson > found.geojson
    """
    if count + ids + geojson + as_json > 1 and not (as_json and count + ids == 1):
        raise click.UsageError("--count, --ids, --geojson and --json exclude each other; choose one")
    settings = options.settings_from(home=home)
    where = _where(asked)
    from mosaic_assets.csquares import open_index

    with open_index(settings.csquares) as index:
        if count:
            click.echo(index.count(**where))
        elif ids:
            _print_ids(index.ids(**where).tolist(), as_json)
        else:
            found = index.search(limit=limit, page=page, **where)
            if geojson:
                print_json(_collection(index, found))
            elif as_json:
                print_json({**asdict(found), "scenes": [_plain(scene) for scene in found.scenes]})
            else:
                _print_page(found)


def _where(asked: dict[str, Any]) -> Where:
    """Return what is asked for, without what was not given."""
    where = {name: value for name, value in asked.items() if value not in (None, ())}
    if "codes" in where:
        where["codes"] = read_codes(where["codes"], wildcards=True)
    if "geometry" in where:
        from shapely import GeometryCollection

        where["geometry"] = GeometryCollection([geometry for _, geometry in read_geometries(where["geometry"])])
    return where  # type: ignore[return-value]


def _print_ids(ids: list[str], as_json: bool) -> None:
    if as_json:
        print_json(ids)
        return
    click.echo("".join(f"{one}\n" for one in ids), nl=False)


def _print_page(found: Page) -> None:
    if found.scenes:
        print_table([_row(scene) for scene in found.scenes])
    pages = -(-found.count // found.limit) if found.limit else 0
    more = f", page {found.page} of {pages}" if pages > 1 else ""
    err.print(f"{found.count:,} scene{'s' if found.count != 1 else ''}{more}")


def _row(scene: Scene) -> dict[str, str]:
    return {
        "scene": scene.id,
        "platform": scene.platform,
        "instrument": scene.instrument,
        "time": scene.time.strftime("%Y-%m-%d %H:%M:%S") if scene.time else "",
        "image location": scene.image_location,
    }


def _plain(scene: Scene) -> dict[str, Any]:
    return {**asdict(scene), "time": scene.time.isoformat() if scene.time else None}


def _collection(index: SceneIndex, found: Page) -> dict[str, Any]:
    from mosaic_assets.csquares.features import collection, feature

    return collection(
        found.count,
        [
            feature(scene.id, index.keys_of(scene.id), {k: v for k, v in _plain(scene).items() if k != "id"})
            for scene in found.scenes
        ],
    )


COMMANDS = [search]
