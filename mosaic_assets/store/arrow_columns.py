"""Arrow columns of plain Python values, as `pyarrow.array` makes them but for its search for pandas.

That search imports pandas, which takes a process that never needs it a third of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return values as a column.

    Parameters
    ----------
    values : numbers, texts or bytes, as ``kind`` has them; None stands for null.
    kind : ``string``, ``binary``, or a type of numbers.

    Raises
    ------
    OverflowError
        A number does not fit.

    Examples
    --------
    >>> import pyarrow as pa
    >>> arrow_column(["Natron", None, "é"], pa.string()).to_pylist()
    ['Natron', None, 'é']
    """
    import pyarrow as pa

    nulls = sum(value is None for value in values) if None in values else 0
    validity = pa.py_buffer(np.packbits([value is not None for value in values], bitorder="little")) if nulls else None
    if kind in (pa.string(), pa.binary()):
        contents = _text(values) if kind == pa.string() else _bytes(values)
        return pa.Array.from_buffers(kind, len(values), [validity, *map(pa.py_buffer, contents)], nulls)
    given = [0 if value is None else value for value in values] if nulls else values
    numbers = np.array(given, np.float64 if kind == pa.float64() else str(kind))
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(numbers)], nulls)


def _text(values: Sequence[str | None]) -> tuple[NDArray[np.int32], bytes]:
    texts = [value or "" for value in values]
    joined = "".join(texts)
    if joined.isascii():  # as nearly all are: a character is a byte
        return _bounds(texts), joined.encode()
    return _bytes([text.encode() for text in texts])


def _bytes(values: Sequence[bytes | None]) -> tuple[NDArray[np.int32], bytes]:
    parts = [value or b"" for value in values]
    return _bounds(parts), b"".join(parts)


def _bounds(parts: Sequence[str] | Sequence[bytes]) -> NDArray[np.int32]:
    """Return where each part begins and the last ends, int32 (n + 1,)."""
    return np.cumsum([0, *map(len, parts)], dtype=np.int32)
