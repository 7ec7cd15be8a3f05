"""Figures as PNG, without pyplot: no global state, no display, safe in threads."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def drawing(
    width: float, height: float, *, dpi: int, metadata: Mapping[str, str | None] | None = None
) -> Iterator[tuple[Any, Any, Callable[[Any], bytes]]]:
    """Yield a figure, its axes, and a function that makes a PNG of the figure.

    Parameters
    ----------
    width, height : inches.
    dpi : pixels an inch.
    metadata : of the file; ``{"Software": None}`` keeps the library's version out, so that same content gives same bytes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)

    def finish(finished: Any) -> bytes:
        buffer = io.BytesIO()
        finished.savefig(buffer, format="png", dpi=dpi, metadata=metadata)
        return buffer.getvalue()

    yield figure, axes, finish
