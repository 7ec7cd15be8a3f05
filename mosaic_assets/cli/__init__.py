"""The command line: ``mosaic``. Every command has ``--help`` with an example."""

from mosaic_assets.cli.main import main

__all__ = ["main"]
