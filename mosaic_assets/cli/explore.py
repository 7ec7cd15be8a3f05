"""``mosaic explore``: the explorer in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.screen import err


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8090, show_default=True, help="Port; 0 takes a free one."
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Another name it may be asked for by; repeatable.",
)
@click.option(
    "--dagster-url", default="http://127.0.0.1:3000", show_default=True, help="Where the Dagster UI runs, if it does."
)
@options.home
def explore(host: str, port: int, allowed_hosts: tuple[str, ...], dagster_url: str, home: Path | None) -> None:
    r"""Look at everything that was built, in a browser and over HTTP: by place, colour and time. Changes nothing.

    There is no password: whoever reaches the address can look. By default that is this machine alone.

    \b
    Examples:  mosaic explore
               mosaic explore --home /data/tiles --port 0
               mosaic explore --host 0.0.0.0 --allow-host archive.example.org
    """
    settings = options.settings_from(home=home)
    from mosaic_assets.explorer.serving import serve

    def ready(url: str) -> None:
        err.print(f"Explorer of {settings.home} at {url}, its API at {url}/api; stop with Ctrl-C")

    serve(settings, host, port, allowed_hosts=allowed_hosts, dagster_url=dagster_url, on_ready=ready)


COMMANDS = [explore]
