"""``mosaic challenges``: clouds, noise and compression, measured on pictures of yours or on the published crops."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.bars import bars
from mosaic_assets.cli.screen import complain, out, print_json, print_table
from mosaic_assets.settings import Settings

if TYPE_CHECKING:
    from mosaic_assets.scenes.challenges.benchmark import Report

EXIT_FAILED = 1

picture_type = click.Path(path_type=Path, dir_okay=False)
pictures = click.argument("picture", metavar="[PICTURE]...", nargs=-1, type=picture_type)


def _shared(command: options.Command) -> options.Command:
    """Give a challenge's command the options that all three have."""
    for option in (
        options.as_json,
        click.option("--plot", type=picture_type, help="Write the plot to this PNG."),
        click.option("--methods", metavar="NAME,...", help="Only these; default: all that are registered."),
        options.home,
        pictures,
    ):
        command = option(command)
    return command


examples = click.option("--examples", type=picture_type, help="Write examples to look at to this PNG.")


@click.group()
def challenges() -> None:
    """Find clouds, remove noise, compress: classical methods, and yours, measured side by side.

    With pictures named, those are measured and nothing is kept. Without, the published crops are, or the folder of
    scenes.challenge_pictures; measurements are kept in smcefr/challenges/, and what is there is not measured again.
    """


@challenges.command()
@_shared
@examples
def clouds(examples: Path | None, **given: Any) -> None:
    r"""Measure cloud masks: IoU, precision, recall, F1, accuracy.

    Scored against drawn clouds (synthetic scenes), a mask a.cloud.png beside a picture a.png, or the product's bright
    flag, which is no truth; the table says which. Of other pictures the share of cloud is all there is.

    \b
    Examples:  mosaic challenges clouds
               mosaic challenges clouds crop.png --methods otsu,kmeans --examples masks.png
    """
    _run("clouds", examples=examples, **given)


@challenges.command()
@_shared
@examples
def noise(examples: Path | None, **given: Any) -> None:
    r"""Spoil pictures with noise, stripes and gaps, mend them, and measure PSNR, SSIM, MSE and seconds.

    \b
    Examples:  mosaic challenges noise
               mosaic challenges noise crop.png --methods nothing,nlm,wavelet --plot noise.png
    """
    _run("noise", examples=examples, **given)


@challenges.command()
@_shared
def compression(**given: Any) -> None:
    r"""Compress pictures, lossless and lossy, and measure bits a pixel, PSNR, SSIM and speed.

    \b
    Examples:  mosaic challenges compression
               mosaic challenges compression crop.png --methods jpeg,avif --plot curves.png
    """
    _run("compression", examples=None, **given)


@challenges.command("list")
@options.home
@options.as_json
def list_methods(home: Path | None, as_json: bool) -> None:
    r"""List the registered methods, yours included.

    \b
    Example:  mosaic challenges list
    """
    from mosaic_assets.scenes.challenges.registry import catalogue, load_methods

    load_methods(options.settings_from(home=home).scenes.challenge_methods)
    rows = catalogue()
    print_json(rows) if as_json else print_table(rows)


def _run(
    challenge: str, *, home: Path | None, picture: tuple[Path, ...], methods: str | None, plot: Path | None,
    examples: Path | None, as_json: bool,
) -> None:  # fmt: skip
    from mosaic_assets.scenes.challenges.publish import example_sheet
    from mosaic_assets.scenes.challenges.tables import summary

    settings = options.settings_from(home=home)
    names = None if methods is None else [name.strip() for name in methods.split(",") if name.strip()]
    if names == []:
        raise click.UsageError("--methods names none; give names with commas between, or leave it out for all")
    report = _measured(settings, challenge, picture, names)
    rows = summary(challenge, report.rows)
    if as_json:
        print_json({"results": rows, "measurements": report.rows})
    else:
        _print(report, rows)
    if plot:
        from mosaic_assets.scenes.challenges.plots import plot as draw

        _write(plot, lambda: draw(challenge, report.rows))
    if examples:
        _write(examples, lambda: example_sheet(settings, report, picture))
    if report.failed:
        raise SystemExit(EXIT_FAILED)


def _measured(settings: Settings, challenge: str, picture: tuple[Path, ...], names: list[str] | None) -> Report:
    """Measure with a progress bar."""
    from mosaic_assets.scenes.challenges.benchmark import measure_pictures, run_challenge

    with bars() as tell:
        advance = partial(tell, f"measuring {challenge}")
        if picture:
            return measure_pictures(settings, challenge, picture, names, advance)
        return run_challenge(settings, challenge, names, advance)


def _print(report: Report, rows: list[dict[str, Any]]) -> None:
    from mosaic_assets.scenes.challenges.tables import described, notes

    print_table([{name: "" if value is None else value for name, value in row.items()} for row in rows])
    for note in notes(report.rows):
        complain(f"{note['method']} {note['note']} ({note['measurements']} measurement(s))", kind="note")
    kept = f"; kept in {report.path}" if report.path else ""
    out.print(f"\n{described(report.rows)}; {report.measured} of {len(report.rows)} measured now{kept}")


def _write(path: Path, draw: Callable[[], bytes]) -> None:
    from mosaic_assets.store.files import write_bytes

    content = draw()
    try:
        write_bytes(path.absolute(), content, f"writing {path}")
    except OSError as error:  # that the data home's refusals do not cover
        raise click.UsageError(f"writing {path} failed: {error.strerror or error}") from error


COMMANDS = [challenges]
