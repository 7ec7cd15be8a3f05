"""Files of scene footprints become records for the archive; what cannot be used is named with the reason.

::

    from mosaic_assets.csquares.readers import read_scene_file

A bad record never costs a good one, and nothing that a file holds raises. Formats and names: `docs/scenes.md`.
"""

from mosaic_assets.csquares.readers.reading import read_scene_file
from mosaic_assets.csquares.readers.records import MAX_BYTES, ReadFile, Rejection, SceneFootprint

__all__ = ["MAX_BYTES", "ReadFile", "Rejection", "SceneFootprint", "read_scene_file"]
