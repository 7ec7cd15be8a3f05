"""``mosaic csquare``: c-squares for the shell. Codes go to standard output, one a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Literal

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.screen import print_json
from mosaic_assets.errors import GeometryError

if TYPE_CHECKING:
    from shapely import Geometry

resolution = click.option(
    "--resolution", type=float, default=0.5, show_default=True, help="Size of the squares, degrees: 10, 5, 1, 0.5, ..."
)


@click.group()
def csquare() -> None:
    """Names of squares of the globe (c-squares), and what covers what."""


# A negative number looks like an option; what is neither reaches the type check of the argument.
@csquare.command(context_settings={"ignore_unknown_options": True})
@click.argument("lng", type=float)
@click.argument("lat", type=float)
@resolution
@options.as_json
def encode(lng: float, lat: float, resolution: float, as_json: bool) -> None:
    r"""Print the code of the square that holds a point.

    \b
    Example:  mosaic csquare encode -10.5 -42.8 --resolution 0.1
    """
    from mosaic_assets.csquares import encode as code_of

    code = code_of(lng, lat, resolution)
    print_json(code) if as_json else click.echo(code)


@csquare.command()
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
@options.as_json
def decode(codes: tuple[str, ...], as_json: bool) -> None:
    r"""Print west, south, east, north and the size of squares, degrees. Codes without colons are understood.

    \b
    Example:  mosaic csquare decode 3414:227:4 1500-111-133
    """
    from mosaic_assets.csquares import decode as square_of
    from mosaic_assets.csquares import read_code

    found = [(code, square_of(code)) for code in map(read_code, codes)]
    if as_json:
        print_json([{"code": code, **square._asdict()} for code, square in found])
        return
    for code, square in found:
        click.echo(" ".join([code, *(f"{number:.10g}" for number in square)]))


@csquare.command()
@click.argument("file", type=click.File(encoding="utf-8"))
@resolution
@click.option(
    "--edges",
    type=click.Choice(["planar", "great_circle"]),
    default="planar",
    show_default=True,
    help="Edges are straight on the map, or shortest on the globe.",
)
@click.option("--compressed", is_flag=True, help="Write * where whole squares are full.")
@options.as_json
def cover(
    file: IO[str], resolution: float, edges: Literal["planar", "great_circle"], compressed: bool, as_json: bool
) -> None:
    r"""Print the codes of the squares that the geometries of a GeoJSON file cover; - reads standard input.

    \b
    Examples:  mosaic csquare cover footprints.geojson --resolution 0.5 --compressed
               mosaic csquare cover - --edges great_circle < swath.geojson
    """
    from mosaic_assets.csquares import compress, cover_many

    geometries = list(_geometries(file))
    covers = cover_many(geometries, resolution, edges=edges)
    codes = sorted({code for number in range(covers.count) for code in covers.codes(number)})
    shown = compress(codes) if compressed else codes
    print_json(shown) if as_json else click.echo("".join(f"{code}\n" for code in shown), nl=False)


def _geometries(file: IO[str]) -> Iterator[Geometry]:
    """Yield the geometries of a GeoJSON text; features without one are left out."""
    import shapely
    from shapely.geometry import shape

    try:
        for geometry in _geometry_objects(json.load(file)):
            yield shape(geometry)
    except (OSError, ValueError, LookupError, AttributeError, TypeError, shapely.errors.ShapelyError) as error:
        raise GeometryError(
            f"reading GeoJSON from {file.name} failed: {error!r}; expected a geometry, a Feature or a FeatureCollection "
            f"in longitude and latitude"
        ) from error


def _geometry_objects(content: Any) -> Iterator[dict[str, Any]]:
    features = content["features"] if content["type"] == "FeatureCollection" else [content]
    for feature in features:
        geometry = feature["geometry"] if feature["type"] == "Feature" else feature
        if geometry is not None:
            yield geometry


COMMANDS = [csquare]
