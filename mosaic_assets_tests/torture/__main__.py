"""``make torture``: libraries grown under SIGKILL, and a printed tally."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from mosaic_assets.library.centroids import ensure_centroids
from mosaic_assets_tests.torture.tally import torture


def main() -> None:
    """Parse the command line; print the tally; exit 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        centroids = Path(folder) / "centroids"
        ensure_centroids(centroids, 1)
        tally = torture(given.kills, Path(folder) / "homes", centroids, given.seed, progress=_show(given.kills))
    sys.stdout.write("\n".join(["", *tally.lines(), ""]))
    sys.exit(bool(tally.problems))


def _show(kills: int):  # type: ignore[no-untyped-def]
    return lambda number: sys.stderr.write(f"\r{number} of {kills} kills")


if __name__ == "__main__":
    main()
