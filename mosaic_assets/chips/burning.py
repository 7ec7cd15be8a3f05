"""Polygons onto pixels: which label owns which pixel, for any window of the grid."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mosaic_assets.chips.grid import Cell, cells_of
from mosaic_assets.chips.records import BACKGROUND, IGNORE, Transform, Window
from mosaic_assets.chips.split import precedence

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from mosaic_assets.settings import Chips

NOBODY = -1
"""Owner of a pixel that lies in no label."""
NO_CLASS, OTHER_SPLIT, BUFFER, OUTSIDE = 1, 2, 3, 4
"""Why a pixel is ignored: its label has no class; is of another split; a split held out is too near; no imagery there."""


class Burner:
    """Draws labels on windows. A pixel gets the same owner in every window that shows it.

    Parameters
    ----------
    shapes
        Polygons in the CRS of the grid, those to lie above last.
    transform
        Of the grid.
    all_touched
        True: a pixel belongs to a polygon that touches it; False: to one that holds its centre.
    """

    def __init__(self, shapes: Any, transform: Transform, *, all_touched: bool) -> None:
        import shapely

        a, _, left, _, e, top = transform
        # Into pixels once, about the grid's corner: large coordinates lose digits, small ones do not.
        self.shapes = shapely.transform(
            np.asarray(shapes, dtype=object), lambda xy: np.column_stack([(xy[:, 0] - left) / a, (xy[:, 1] - top) / e])
        )
        self.all_touched = all_touched
        self._one_at_a_time = threading.Lock()

    @cached_property
    def _drawn(self) -> Any:
        """The shapes one pixel further on both axes, so that no window has the identity, which GDAL warns of, as its transform."""
        import shapely

        return shapely.transform(self.shapes, lambda xy: xy + 1)

    @cached_property
    def tree(self) -> Any:
        """Index over the shapes, in pixels."""
        import shapely

        return shapely.STRtree(self.shapes)

    def prepare(self) -> None:
        """Build what is built at the first window, before many threads ask for one."""
        _ = self.tree, self._drawn

    def owners(self, window: Window) -> NDArray[np.int32]:
        """Return (height, width) positions of the topmost label of each pixel, `NOBODY` where there is none."""
        import shapely
        from rasterio.features import rasterize
        from rasterio.transform import Affine

        row, column, height, width = window
        met = np.sort(self.tree.query(shapely.box(column, row, column + width, row + height)))
        if not len(met):
            return np.full((height, width), NOBODY, np.int32)
        pairs = [(self._drawn[at], at) for at in met.tolist()]
        # rasterize() silences a warning by changing the filters of the whole process, which two threads must not do at once.
        with self._one_at_a_time:
            burnt = rasterize(
                pairs,
                out_shape=(height, width),
                fill=NOBODY,
                transform=Affine.translation(column + 1, row + 1),
                all_touched=self.all_touched,
                dtype="int32",
            )
        return np.asarray(burnt, np.int32)


class Bands:
    """Label bands of chips: classes, and 255 wherever nothing may be learned.

    Parameters
    ----------
    frame
        Labels with the columns of `Labels.frame`, in the CRS of the grid.
    held
        Split of each cell that a chip may show; others need no distance kept from them.
    """

    def __init__(
        self, frame: gpd.GeoDataFrame, transform: Transform, size: tuple[int, int], chips: Chips, held: dict[Cell, str]
    ) -> None:
        self.burner = Burner(frame.geometry.values, transform, all_touched=chips.all_touched)
        self.classes = frame["label"].to_numpy(np.uint8)
        self.splits = frame["split"].to_numpy(object)
        self.size, self.chips, self.held = size, chips, held

    def band(self, window: Window, split: str) -> NDArray[np.uint8]:
        """Return the label band of a chip, uint8 (height, width)."""
        owners = self.burner.owners(window)
        return self.paint(owners, self.reasons(owners, window, split))

    def paint(self, owners: NDArray[np.int32], reasons: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return classes where labels own pixels, background elsewhere, and 255 where there is a reason."""
        band = np.where(owners == NOBODY, BACKGROUND, self.classes[owners]).astype(np.uint8)
        band[reasons > 0] = IGNORE
        return band

    def reasons(self, owners: NDArray[np.int32], window: Window, split: str) -> NDArray[np.uint8]:
        """Return why each pixel is ignored, uint8: `NO_CLASS`, `OTHER_SPLIT`, `BUFFER`, `OUTSIDE`; 0 where it is not."""
        reasons = np.zeros(owners.shape, np.uint8)
        self._buffer(reasons, window, split)
        owned = owners != NOBODY
        if self.chips.split == "column":
            reasons[owned & (self.splits != split)[owners]] = OTHER_SPLIT
        reasons[owned & (self.classes == IGNORE)[owners]] = NO_CLASS
        height, width = self.size
        reasons[max(0, height - window.row) :] = OUTSIDE
        reasons[:, max(0, width - window.column) :] = OUTSIDE
        return reasons

    def _buffer(self, reasons: NDArray[np.uint8], window: Window, split: str) -> None:
        """Mark pixels within `chips.buffer` of a cell whose split goes before; the distance is the larger of rows and columns."""
        reach, patch = self.chips.buffer, self.chips.patch
        wide = Window(window.row - reach, window.column - reach, window.height + 2 * reach, window.width + 2 * reach)
        for cell in cells_of(wide, patch) if reach else ():
            held = self.held.get(cell)
            if held is None or precedence(held) >= precedence(split):
                continue
            top, left = cell[0] * patch - reach - window.row, cell[1] * patch - reach - window.column
            side = patch + 2 * reach
            reasons[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = BUFFER
