"""Commands that answer other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mosaic_assets.cli import options
from mosaic_assets.cli.screen import err


@click.command(name="serve-tiles")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Serve a folder of z/x/y files.",
)
@click.option("--source", help="Serve this source; default: the one of the settings.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8765, show_default=True, help="Port to listen on; 0 takes a free one.")
@options.home
def serve_tiles(folder: Path | None, source: str | None, host: str, port: int, **given: Any) -> None:
    r"""Serve tiles over HTTP in ArcGIS's order: /tile/{z}/{y}/{x}.

    \b
    Examples:  mosaic serve-tiles --source embedded
               mosaic serve-tiles --folder bluemarble_xyz --port 9000
    """
    settings = options.settings_from(**given)
    from mosaic_assets.sources.registry import open_source
    from mosaic_assets.sources.server import FolderTiles, serve

    def ready(url: str) -> None:
        err.print(f"Serving {folder or source or settings.source} at {url}/tile/{{z}}/{{y}}/{{x}}; stop with Ctrl-C")

    if folder:
        serve(FolderTiles(folder), host, port, on_ready=ready)
        return
    with open_source(source or settings.source, settings) as opened:
        serve(opened, host, port, on_ready=ready)


COMMANDS = [serve_tiles]
