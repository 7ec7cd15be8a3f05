"""The group of all commands, and what happens to errors."""

from __future__ import annotations

import os
import sys

import click

from mosaic_assets import __version__
from mosaic_assets.cli import challenges, chips, explore, gallery, grow, library, look, scenes, search, serve, squares
from mosaic_assets.cli.screen import complain
from mosaic_assets.core.jpegs import jpegs
from mosaic_assets.core.kernels import kernels
from mosaic_assets.errors import MosaicError

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

SLOWER = "harvests take longer, see docs/dependencies.md"


def _say_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        parts = {"kernels": kernels(), "JPEG in batches": jpegs()}
        lacking = ", ".join(name for name, part in parts.items() if not part)
        click.echo(f"mosaic {__version__} ({f'not compiled: {lacking}; {SLOWER}' if lacking else 'all compiled'})")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_say_version,
    help="Show the version, and what of it is compiled, and exit.",
)
def mosaic() -> None:
    r"""Grow curated satellite-imagery datasets to a coverage target, and keep them honest.

    \b
    Start with:   mosaic run          build the library in one process, offline
                  mosaic up           the Dagster UI and its daemon
                  mosaic coverage     what there is, what is missing, and why
    """


def _keep_lines(command: click.Command) -> None:
    r"""Turn the ``\b`` of raw docstrings into the character that keeps click from filling the lines after it."""
    command.help = (command.help or "").replace("\\b", "\b")
    for member in command.commands.values() if isinstance(command, click.Group) else ():
        _keep_lines(member)


for command in (
    *grow.COMMANDS,
    *look.COMMANDS,
    *library.COMMANDS,
    *scenes.COMMANDS,
    *challenges.COMMANDS,
    *chips.COMMANDS,
    *gallery.COMMANDS,
    *search.COMMANDS,
    *explore.COMMANDS,
    *serve.COMMANDS,
    *squares.COMMANDS,
):
    mosaic.add_command(command)
_keep_lines(mosaic)


def main() -> None:
    """Run the command line; errors of ours end as one message, not as a traceback."""
    try:
        # Without click's own handling, `Context.exit` comes back as a returned code.
        code = mosaic(prog_name="mosaic", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except MosaicError as error:
        complain(str(error))
        sys.exit(EXIT_ERROR)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        complain("stopped; what was published stays, and the same command goes on from there", kind="note")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe went away; say nothing more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
