"""The process that is killed: it forks a child for each order on its standard input, and the child grows a library.

An order is a line ``{"settings": ..., "die_at": n}``: the child works to the end, or kills itself with SIGKILL before the
n-th of its changes to the disk (0 is the first; null: never). The answer is the child's process id; after another line,
how it ended. Forking spares each child the seconds of importing, and makes the moments of their deaths comparable.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from mosaic_assets.core.imaging import encode_png
from mosaic_assets.core.records import Tile
from mosaic_assets.library.merge import count_unmerged, merge_rounds
from mosaic_assets.settings import Settings
from mosaic_assets.store.rounds import published_rounds
from mosaic_assets_tests.library.painted import colourful, harvest, seed_of, texture

WAVES = 2
PLACARD = encode_png(texture(99, (200, 200, 205)))

CHANGES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.link", "os.truncate"})
"""Audit events of calls that change the disk, beside opening a file for writing."""


def painted(tile: Tile) -> bytes:
    """A picture for each tile; here and there the one that stands for "nothing here" at this provider."""
    return PLACARD if seed_of(tile, 3) % 12 == 0 else colourful(tile)


def grow_to_the_end(settings: Settings) -> None:
    """Harvest what is missing of each wave, merge it, and go on to the next; knows nothing of an earlier attempt."""
    for wave in range(1, WAVES + 1):
        for biome in settings.biomes:
            if len(published_rounds(settings.harvest).get(biome, [])) < wave:
                harvest(settings, biome, paint=painted)
        if count_unmerged(settings) or wave == WAVES:
            merge_rounds(settings)


def die_before_change(number: int) -> None:
    """Kill this process before its n-th change to the disk from now on."""
    left = number

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in CHANGES or (event == "open" and _writes(arguments)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _writes(arguments: tuple[object, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return mode[0] in "wxa"
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def obey(order: dict[str, object]) -> int:
    """Fork a child for an order; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        settings = Settings.model_validate(order["settings"])
        if isinstance(order["die_at"], int):
            die_before_change(order["die_at"])
        grow_to_the_end(settings)
        os._exit(0)
    finally:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        os._exit(1)


def main() -> None:
    """Obey orders until there are no more."""
    import PIL.Image
    import pyarrow.parquet
    import scipy.fft
    import scipy.spatial
    import simplejpeg
    import skimage.color
    import threadpoolctl
    from isal import isal_zlib

    del PIL, pyarrow, scipy, simplejpeg, skimage, threadpoolctl, isal_zlib  # loaded, which is all that was wanted
    for line in sys.stdin:
        child = obey(json.loads(line))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdin.readline()  # until then the child's id stays its own, though it may have ended
        sys.stdout.write(f"{os.waitpid(child, 0)[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
