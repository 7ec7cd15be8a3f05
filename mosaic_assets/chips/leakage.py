"""What a set of chips gives away and what it loses, measured on its pixels: nothing is estimated.

A pixel is a cell of the imagery's own grid. A chip *shows* the pixels of its window, whatever its label band says; it
*teaches* those whose label is not the ignore value. Both are counted, because a network sees the first and is scored on
the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mosaic_assets.errors import LabelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORE = 255
"""Label of pixels that must not be learned from."""
BLOCK = 1024
"""Side of the blocks that pixel sets are kept in; only blocks that a chip meets take memory."""
MOST_SPLITS = 8
"""A pixel's splits are the bits of one byte."""


class Window(NamedTuple):
    """Pixels ``row .. row + height - 1`` and ``column .. column + width - 1`` of the grid; both ends may be negative."""

    row: int
    column: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What is asked of a chip: where it lies, which split it is in, and which of its pixels count.

    ``counts`` is bool of shape (height, width); None: all of them.
    """

    window: Window
    split: str
    counts: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Leakage:
    """How far the splits of a set of chips share pixels."""

    chips: int
    distinct: dict[str, int]
    """Distinct pixels of each split."""
    held_out: str
    shared: int
    """Distinct pixels of the held-out split that lie in another split too."""
    pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    """Distinct pixels that two splits share, by pair of names in alphabetical order."""
    drawn: int = 0
    """Pixels of all chips, each counted as often as it is in a chip."""
    union: int = 0
    """Distinct pixels of all chips."""

    @property
    def share(self) -> float:
        """Part of the held-out split's pixels that another split has too, 0..1; 0 when it has none."""
        return self.shared / self.distinct[self.held_out] if self.distinct.get(self.held_out) else 0.0

    @property
    def redundancy(self) -> float:
        """How many chips show a pixel on average, >= 1; 0 without chips."""
        return self.drawn / self.union if self.union else 0.0


def leakage(chips: Iterable[Shown], *, held_out: str = "test") -> Leakage:
    """Measure how far splits share pixels.

    Parameters
    ----------
    chips
        All on one grid; of any size, overlapping or not.
    held_out
        The split whose pixels no other may have.

    Raises
    ------
    LabelError
        More than eight splits, or pixels that count in another shape than the window's.

    Examples
    --------
    >>> found = leakage([Shown(Window(0, 0, 4, 4), "train"), Shown(Window(0, 3, 4, 4), "test")])
    >>> found.distinct, found.shared, found.share
    ({'train': 16, 'test': 16}, 4, 0.25)
    """
    splits: dict[str, int] = {}
    pixels: dict[tuple[int, int], NDArray[np.uint8]] = {}
    count = drawn = 0
    for chip in chips:
        count += 1
        bit = splits.setdefault(chip.split, len(splits))
        if bit >= MOST_SPLITS:
            raise LabelError(
                f"measuring leakage failed: chips have more than {MOST_SPLITS} splits, among them {chip.split!r}; "
                "name the column of splits, not of places"
            )
        drawn += _mark(pixels, chip, 1 << bit)
    return _tell(pixels, splits, held_out, count, drawn)


def _mark(pixels: dict[tuple[int, int], NDArray[np.uint8]], chip: Shown, bit: int) -> int:
    """Set a bit on the pixels of a chip that count; return how many these are."""
    counts = chip.counts
    if counts is not None and counts.shape != chip.window[2:]:
        raise LabelError(
            f"measuring leakage failed: {chip.window} comes with pixels of shape {counts.shape}; give one value a pixel"
        )
    for key, there, here in _blocks(chip.window):
        block = pixels.setdefault(key, np.zeros((BLOCK, BLOCK), np.uint8))
        block[there] |= np.uint8(bit) if counts is None else np.where(counts[here], bit, 0).astype(np.uint8)
    return chip.window.height * chip.window.width if counts is None else int(np.count_nonzero(counts))


def _tell(
    pixels: dict[tuple[int, int], NDArray[np.uint8]], splits: dict[str, int], held_out: str, chips: int, drawn: int
) -> Leakage:
    histogram = np.zeros(256, np.int64)  # by combination of splits
    for block in pixels.values():
        histogram += np.bincount(block.ravel(), minlength=256)
    histogram[0] = 0
    combination = np.arange(256)
    inside = {name: (combination >> bit & 1).astype(bool) for name, bit in splits.items()}
    mine = inside.get(held_out, np.zeros(256, bool))
    alone = combination & (combination - 1) == 0
    return Leakage(
        chips=chips,
        distinct={name: int(histogram[member].sum()) for name, member in inside.items()},
        held_out=held_out,
        shared=int(histogram[mine & ~alone].sum()),
        pairs={(a, b): int(histogram[inside[a] & inside[b]].sum()) for a, b in combinations(sorted(splits), 2)},
        drawn=drawn,
        union=int(histogram.sum()),
    )


def _blocks(window: Window) -> Iterator[tuple[tuple[int, int], tuple[slice, slice], tuple[slice, slice]]]:
    """Yield the blocks a window meets: their key, the pixels in the block, the same pixels in the window."""
    row, column, height, width = window
    for block_row in range(row // BLOCK, -(-(row + height) // BLOCK)):
        for block_column in range(column // BLOCK, -(-(column + width) // BLOCK)):
            down = _common(row, height, block_row)
            across = _common(column, width, block_column)
            yield (block_row, block_column), (down[0], across[0]), (down[1], across[1])


def _common(start: int, length: int, block: int) -> tuple[slice, slice]:
    first, last = max(start, block * BLOCK), min(start + length, (block + 1) * BLOCK)
    return slice(first - block * BLOCK, last - block * BLOCK), slice(first - start, last - start)


class LabelledWindow(NamedTuple):
    """A chip's place and its label band, integers of shape (height, width); 0 is background."""

    window: Window
    labels: NDArray[Any]


@dataclass(frozen=True, slots=True)
class LabelLoss:
    """What became of the pixels that polygons cover, added up over chips: a pixel in three chips counts three times."""

    chips: int
    positive: int
    """Pixels of chips that lie in a polygon."""
    lost: int
    """Of these, those labelled background: positives taught as negatives."""
    ignored: int
    """Of these, those with the ignore label."""
    made_up: int
    """Pixels labelled as a class though they lie in no polygon."""
    chips_touched: int
    """Chips that lost at least one."""

    @property
    def share(self) -> float:
        """Part of the positive pixels that was lost, 0..1; 0 when there are none."""
        return self.lost / self.positive if self.positive else 0.0

    @property
    def chips_share(self) -> float:
        """Part of the chips that lost a pixel, 0..1; 0 without chips."""
        return self.chips_touched / self.chips if self.chips else 0.0


def label_loss(
    chips: Iterable[LabelledWindow],
    polygons: Sequence[Any],
    transform: Any,
    *,
    all_touched: bool = False,
    ignore: int = IGNORE,
) -> LabelLoss:
    """Compare the label bands of chips with the polygons themselves, burnt anew.

    Parameters
    ----------
    polygons
        All polygons of the data set, of all splits, in the CRS of the grid; shapely geometries.
    transform
        Affine transform of the grid, from column and row to x and y.
    all_touched
        True when labels were burnt by touch, False by centre.
    ignore
        The label that means: not to be learned from.

    Raises
    ------
    LabelError
        A label band in another shape than its window.
    """
    burn = burner(polygons, transform, all_touched=all_touched)
    found: list[tuple[int, int, int, int]] = []
    for window, labels in chips:
        if labels.shape != window[2:]:
            raise LabelError(
                f"comparing labels with polygons failed: {window} comes with a label band of shape {labels.shape}; "
                "give one label a pixel"
            )
        inside = burn(window)
        background, ignored = labels == 0, labels == ignore
        parts = (inside, inside & background, inside & ignored, ~inside & ~background & ~ignored)
        found.append((_number(parts[0]), _number(parts[1]), _number(parts[2]), _number(parts[3])))
    positive, lost, ignored_sum, made_up = (
        (sum(column) for column in zip(*found, strict=True)) if found else (0, 0, 0, 0)
    )
    return LabelLoss(
        chips=len(found),
        positive=positive,
        lost=lost,
        ignored=ignored_sum,
        made_up=made_up,
        chips_touched=sum(row[1] > 0 for row in found),
    )


def _number(mask: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))


def burner(
    polygons: Sequence[Any], transform: Any, *, all_touched: bool = False
) -> Callable[[Window], NDArray[np.bool_]]:
    """Return a function from a window to the bool array of its pixels that lie in a polygon.

    Empty geometries are left out; each window looks only at the polygons whose box it meets.
    """
    import shapely
    from rasterio.features import rasterize
    from rasterio.transform import Affine

    shapes = np.array([shape for shape in polygons if shape is not None and not shape.is_empty], dtype=object)
    tree = shapely.STRtree(shapes)
    affine = Affine(*tuple(transform)[:6])

    def burn(window: Window) -> NDArray[np.bool_]:
        here = affine @ Affine.translation(window.column, window.row)
        corners = [here @ (x, y) for x in (0, window.width) for y in (0, window.height)]
        xs, ys = zip(*corners, strict=True)
        met = tree.query(shapely.box(min(xs), min(ys), max(xs), max(ys)))
        if not len(met):
            return np.zeros(window[2:], bool)
        drawn = rasterize(shapes[np.sort(met)], out_shape=window[2:], transform=here, all_touched=all_touched)
        return np.asarray(drawn, bool)

    return burn


def window_of(box: tuple[float, float, float, float], transform: Any) -> Window:
    """Return the pixels of a grid whose centres lie in a box, left and top edges included.

    Parameters
    ----------
    box
        Left, bottom, right, top in the CRS of the grid, which is north up.
    transform
        Affine transform of the grid.

    Examples
    --------
    >>> window_of((0.4, 6.5, 3.0, 9.5), (1.0, 0.0, 0.0, 0.0, -1.0, 10.0))
    Window(row=0, column=0, height=3, width=3)
    """
    a, _, left, _, e, top = tuple(transform)[:6]
    columns = [int(np.ceil((x - left) / a - 0.5)) for x in (box[0], box[2])]
    rows = [int(np.ceil((y - top) / e - 0.5)) for y in (box[3], box[1])]
    return Window(rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0])
