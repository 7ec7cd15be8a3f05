"""Damage of a database that SQLite itself does not see: spoilt bytes inside a column."""

from __future__ import annotations

import contextlib
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path

from mosaic_assets.errors import DatabaseError, MosaicError

_ENDINGS = (LookupError, ValueError, TypeError, ArithmeticError, zlib.error)
"""What reading spoilt columns ends in."""


@contextlib.contextmanager
def suspecting_damage(path: Path, remedy: str) -> Iterator[None]:
    """Turn what reading a damaged database ends in into an error that says what to do.

    A bug of ours may look the same, so the log has where it came up.

    Parameters
    ----------
    path : the database.
    remedy : what makes it whole again.

    Raises
    ------
    DatabaseError
        Something was read from it that we never write.
    """
    try:
        yield
    except MosaicError:
        raise
    except _ENDINGS as error:
        logging.getLogger(__name__).exception("reading %s failed", path)
        raise DatabaseError(
            f"reading {path} ended in {type(error).__name__}, so it seems to be damaged; {remedy}. If that does not help, it "
            "is a bug in the explorer"
        ) from error
