"""C-squares: place names for squares of the globe, and what covers what.

::

    from mosaic_assets.csquares import encode, decode, cover, compress, expand, is_valid

Importing this takes numpy and nothing else; shapely is imported when a geometry is covered.
"""

from mosaic_assets.core.csquare import Square
from mosaic_assets.core.csquare_codes import Squares, decode, encode, is_valid
from mosaic_assets.csquares.codes import children, format_codes, neighbours, parent, parents, parse, read_code
from mosaic_assets.csquares.compress import compress, expand
from mosaic_assets.csquares.cover import Covers, cover, cover_many

__all__ = [
    "Covers",
    "Square",
    "Squares",
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
    "parent",
    "parents",
    "parse",
    "read_code",
]
