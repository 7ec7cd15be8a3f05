"""What every imagery source can do."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Protocol, Self

from mosaic_assets.core.records import Fetched, Tile
from mosaic_assets.sources.records import SourceRecord


class TileSource(Protocol):
    """An opened imagery source; use it as a context manager.

    ``fetch`` yields exactly one answer for each tile, in the order asked, works ahead by a bounded number of
    tiles, and may be closed early. A tile that fails never ends the iteration: its answer says what happened.
    Only a source that is gone altogether raises `SourceUnavailableError`.
    """

    record: SourceRecord

    def fetch(self, tiles: Sequence[Tile]) -> Generator[Fetched]:
        """Yield one answer for each tile, in order."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
