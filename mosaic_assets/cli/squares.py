"""``mosaic csquare``: c-squares for the shell. Codes go to standard output, one a line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.inputs import or_stdin, read_codes, read_geometries, read_points
from mosaic_assets.cli.screen import print_json

resolution = click.option(
    "--resolution", type=float, default=0.5, show_default=True, help="Size of the squares, degrees: 10, 5, 1, 0.5, ..."
)
join = click.option("--join", is_flag=True, help="Print one line with | between the codes.")
codes_argument = click.argument("codes", metavar="[CODES|FILE|-]...", nargs=-1)


@click.group()
def csquare() -> None:
    """Names of squares of the globe (c-squares), and what covers what.

    Codes are given as arguments, in files, or on standard input: one a line, or with | between them. Codes without colons are
    understood.
    """


# A negative number looks like an option; what is neither reaches the reading of the numbers.
@csquare.command(context_settings={"ignore_unknown_options": True})
@click.argument("point", metavar="[LNG LAT|FILE|-]", nargs=-1)
@resolution
@options.as_json
def encode(point: tuple[str, ...], resolution: float, as_json: bool) -> None:
    r"""Print the code of the square that holds a point, or those of a file's points, one a line: longitude, latitude.

    \b
    Examples:  mosaic csquare encode -10.5 -42.8 --resolution 0.1
               mosaic csquare encode stations.csv
               cut -f 3,4 casts.tsv | mosaic csquare encode
    """
    from mosaic_assets.csquares import encode as codes_of

    codes: list[str] = codes_of(*read_points(point), resolution).tolist()
    if as_json:
        print_json(codes[0] if len(point) == 2 else codes)
        return
    _print_codes(codes, False)


@csquare.command()
@codes_argument
@options.as_json
def decode(codes: tuple[str, ...], as_json: bool) -> None:
    r"""Print west, south, east, north and the size of squares, degrees.

    \b
    Examples:  mosaic csquare decode 3414:227:4 1500-111-133
               mosaic csquare decode < squares.txt
    """
    from mosaic_assets.csquares import decode as square_of

    found = [(code, square_of(code)) for code in read_codes(codes)]
    if as_json:
        print_json([{"code": code, **square._asdict()} for code, square in found])
        return
    for code, square in found:
        click.echo(" ".join([code, *(f"{number:.10g}" for number in square)]))


@csquare.command()
@click.argument("file", metavar="[FILE|-]...", nargs=-1)
@resolution
@click.option(
    "--edges",
    type=click.Choice(["planar", "great_circle"]),
    default="planar",
    show_default=True,
    help="Edges are straight on the map, or shortest on the globe.",
)
@click.option("--compressed", is_flag=True, help="Write * where whole squares are full.")
@click.option("--each", is_flag=True, help="One line a feature: its id, a tab, its codes with | between them.")
@join
@options.as_json
def cover(
    file: tuple[str, ...],
    resolution: float,
    edges: Literal["planar", "great_circle"],
    compressed: bool,
    each: bool,
    join: bool,
    as_json: bool,
) -> None:
    r"""Print the codes of the squares that the geometries of GeoJSON files cover, of all together unless --each.

    \b
    Examples:  mosaic csquare cover footprints.geojson --resolution 0.5 --compressed
               mosaic csquare cover --edges great_circle --each < swaths.geojson
    """
    from mosaic_assets.csquares import compress, cover_many, format_codes

    named = [pair for name in or_stdin(file) for pair in read_geometries(name)]
    covers = cover_many([geometry for _, geometry in named], resolution, edges=edges)
    lists = [
        covers.compressed(number) if compressed and each else covers.codes(number) for number in range(covers.count)
    ]
    if each:
        rows = list(zip((name for name, _ in named), lists, strict=True))
        if as_json:
            print_json([{"id": name, "csquares": codes} for name, codes in rows])
        for name, codes in () if as_json else rows:
            click.echo(f"{name}\t{format_codes(codes)}")
        return
    codes = sorted({code for codes in lists for code in codes})
    shown = compress(codes) if compressed else codes
    print_json(shown) if as_json else _print_codes(shown, join)


@csquare.command()
@codes_argument
@join
@options.as_json
def compress(codes: tuple[str, ...], join: bool, as_json: bool) -> None:
    r"""Print the shortest equal list: one code with * for every square of squares that is full.

    \b
    Examples:  mosaic csquare compress '3414:100:1|3414:100:2|3414:100:3|3414:100:4'
               mosaic csquare cover swath.geojson | mosaic csquare compress --join
    """
    from mosaic_assets.csquares import compress as shortest

    found = shortest(read_codes(codes, wildcards=True))
    print_json(found) if as_json else _print_codes(found, join)


@csquare.command()
@codes_argument
@join
@options.as_json
def expand(codes: tuple[str, ...], join: bool, as_json: bool) -> None:
    r"""Print every code that a list with wildcards stands for.

    \b
    Examples:  mosaic csquare expand '3414:100:*'
               mosaic csquare expand short.txt > long.txt
    """
    from mosaic_assets.csquares import expand as all_of

    found = all_of(read_codes(codes, wildcards=True))
    print_json(found) if as_json else _print_codes(found, join)


@csquare.command()
@codes_argument
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: standard output."
)
@click.option("--title", default="", help="A line above the picture.")
def draw(codes: tuple[str, ...], output: Path | None, title: str) -> None:
    r"""Draw squares on a map of where they are, as PNG; at a pole also as seen from above it.

    \b
    Examples:  mosaic csquare draw 3414:1**:* 3414:227:4 --output squares.png
               mosaic csquare cover swath.geojson --compressed | mosaic csquare draw > swath.png
    """
    if output is None and sys.stdout.isatty():
        raise click.UsageError("a picture is nothing for a terminal; give --output FILE, or a pipe")
    found = read_codes(codes, wildcards=True)
    from mosaic_assets.csquares.drawing import draw_codes

    picture = draw_codes(found, title=title)
    if output is None:
        sys.stdout.buffer.write(picture)
        return
    try:
        output.write_bytes(picture)
    except OSError as error:
        raise click.UsageError(f"writing {output} failed: {error}") from error


def _print_codes(codes: Sequence[str], join: bool) -> None:
    if join and codes:
        click.echo("|".join(codes))
        return
    click.echo("".join(f"{code}\n" for code in codes), nl=False)


COMMANDS = [csquare]
