"""C-squares: place names for squares of the globe, what covers what, and an index of scenes to search by them.

::

    from mosaic_assets.csquares import encode, decode, cover, compress, expand, is_valid, open_index

Importing this takes numpy and Python's own modules; shapely is imported when a geometry is covered, pyarrow when pairs are
read or written.
"""

from mosaic_assets.core.csquare import Square
from mosaic_assets.core.csquare_codes import Squares, decode, encode, is_valid
from mosaic_assets.csquares.answers import Page
from mosaic_assets.csquares.codes import children, format_codes, neighbours, parent, parents, parse, read_code
from mosaic_assets.csquares.compress import compress, expand
from mosaic_assets.csquares.cover import Covers, cover, cover_many
from mosaic_assets.csquares.index import IndexReport, rebuild_index, update_index
from mosaic_assets.csquares.overlap import Overlap, overlap
from mosaic_assets.csquares.pair_writing import write_pairs
from mosaic_assets.csquares.places import Where
from mosaic_assets.csquares.search import SceneIndex, open_index
from mosaic_assets.store.csquare_records import Scene

__all__ = [
    "Covers",
    "IndexReport",
    "Overlap",
    "Page",
    "Scene",
    "SceneIndex",
    "Square",
    "Squares",
    "Where",
    "children",
    "compress",
    "cover",
    "cover_many",
    "decode",
    "encode",
    "expand",
    "format_codes",
    "is_valid",
    "neighbours",
    "open_index",
    "overlap",
    "parent",
    "parents",
    "parse",
    "read_code",
    "rebuild_index",
    "update_index",
    "write_pairs",
]
