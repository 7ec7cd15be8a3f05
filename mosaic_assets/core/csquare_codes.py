"""C-square codes for one point or many: `encode`, `decode`, `is_valid`.

`mosaic_assets.core.csquare` tells the grammar and who owns a line; these take and return either one value or
arrays.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from mosaic_assets.core import csquare_arrays as arrays
from mosaic_assets.core.csquare import (
    Square,
    decode_code,
    encode_point,
    is_valid_code,
    level_of,
    resolution_of,
    side_of,
)
from mosaic_assets.errors import CodeError, GeometryError

Number: TypeAlias = float | int | str | Decimal | np.floating[Any] | np.integer[Any]
Numbers: TypeAlias = npt.NDArray[Any] | list[Any] | tuple[Any, ...]


class Squares(NamedTuple):
    """The limits and sizes of many squares, degrees; arrays of one shape, float64."""

    west: arrays.Floats
    south: arrays.Floats
    east: arrays.Floats
    north: arrays.Floats
    resolution: arrays.Floats


@overload
def encode(lng: Number, lat: Number, resolution: float, *, wrap: bool = ...) -> str: ...
@overload
def encode(lng: Numbers, lat: Number | Numbers, resolution: float, *, wrap: bool = ...) -> arrays.Texts: ...
@overload
def encode(lng: Number, lat: Numbers, resolution: float, *, wrap: bool = ...) -> arrays.Texts: ...
def encode(lng: Any, lat: Any, resolution: float, *, wrap: bool = False) -> str | arrays.Texts:
    """Return the code of the square that owns a point, or the codes of many.

    Parameters
    ----------
    lng, lat : number or array of numbers
        Degrees, -180..180 and -90..90. Arrays of any shape, broadcast against each other. Taken as the
        decimals that they print as, so 42.8 is on a 0.1-degree line; single precision too.
    resolution : float
        Size of the squares, degrees: 10, 5, 1, 0.5, 0.1, 0.05, ... down to 1e-7.
    wrap : bool
        Bring longitudes beyond +-180 back into range (rounded to 1e-12 degrees) instead of refusing them.

    Returns
    -------
    str or array of str
        Text of one length; an array when either coordinate is one.

    Notes
    -----
    A point on a line belongs to the square further from zero, zero is north and east, and the poles and +-180
    belong to the last square of their side: +180 and -180 have different codes.

    Raises
    ------
    GeometryError
        A coordinate is out of range or not a number; the message names the first.
    CodeError
        There is no grid of that resolution.

    Examples
    --------
    >>> encode(147.3, -42.8, 0.5)
    '3414:227:3'
    >>> encode([0, -5, 180], [0, 0, 90], 10)
    array(['1000', '7000', '1817'], dtype='<U4')
    """
    level = level_of(resolution)
    if np.ndim(lng) == 0 and np.ndim(lat) == 0:
        x = _number(lng, "longitude")
        return encode_point(_wrapped(x) if wrap and abs(x) > 180 else x, _number(lat, "latitude"), level)
    xs, ys = np.broadcast_arrays(_numbers(lng, "longitude"), _numbers(lat, "latitude"))
    if wrap:
        xs = np.where(np.abs(xs) > 180, np.round(xs - 360 * np.rint(xs / 360), 12), xs)
    _refuse_outside(xs.ravel(), ys.ravel())
    return arrays.codes_of_points(xs.ravel(), ys.ravel(), level).reshape(xs.shape)


def _wrapped(lng: float) -> float:
    return lng if not np.isfinite(lng) else round(lng - 360 * round(lng / 360), 12)


def _number(value: Any, name: str) -> float:
    try:
        return float(value if not isinstance(value, np.float32) else _as_printed(np.asarray(value)))
    except (TypeError, ValueError) as error:
        raise GeometryError(f"encoding a point: its {name} {value!r} is not a number; give degrees") from error


def _numbers(values: Any, name: str) -> arrays.Floats:
    try:
        given = np.asarray(values)
        return _as_printed(given) if given.dtype == np.float32 else given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise GeometryError(f"encoding points: a {name} is not a number: {error}; give degrees") from error


def _as_printed(values: npt.NDArray[np.float32]) -> arrays.Floats:
    """Return single-precision numbers as the decimals they were: 42.8, not 42.79999923706055."""
    exact = values.astype(np.float64)
    short = np.round(exact, 5)  # no finer than the numbers themselves beyond 64 degrees
    return np.where(short.astype(np.float32) == values, short, exact)


def _refuse_outside(lng: arrays.Floats, lat: arrays.Floats) -> None:
    good = (np.abs(lng) <= 180) & (np.abs(lat) <= 90)
    if not good.all():
        at = int(np.argmin(good))
        raise GeometryError(
            f"encoding {len(good)} points: number {at} is lng={lng[at]}, lat={lat[at]}, "
            f"out of range like {int((~good).sum())} in all; expected lng in -180..180 and lat in -90..90 degrees; "
            "check the order of the two, or pass wrap=True if longitudes run past 180 on purpose"
        )


@overload
def decode(code: str) -> Square: ...
@overload
def decode(code: Numbers) -> Squares: ...
def decode(code: str | Numbers) -> Square | Squares:
    """Return the limits of the square that a code names, or of many.

    Parameters
    ----------
    code : str or array of str
        Full codes with their colons; an array may mix lengths.

    Returns
    -------
    Square or Squares
        ``west, south, east, north, resolution``, degrees; arrays of the shape of ``code`` for an array.

    Raises
    ------
    CodeError
        Not a code; the message says why and names the first.

    Examples
    --------
    >>> decode("3414:100:1")
    Square(west=140.0, south=-40.5, east=140.5, north=-40.0, resolution=0.5)
    >>> decode(["3414", "1000:1"]).west
    array([140., 0.])
    """
    if isinstance(code, str):
        return decode_code(code)
    texts = as_texts(code)
    flat, lengths = texts.ravel(), np.strings.str_len(texts.ravel())
    good = arrays.valid_codes(flat)
    if not good.all():
        arrays.refuse_first(flat, good, "expected ones like 3414:227:4")
    limits = np.empty((5, len(flat)))
    for length in np.unique(lengths):
        which = np.flatnonzero(lengths == length)
        limits[:, which] = _limits(flat[which], (int(length) - 4) // 2)
    return Squares(*(part.reshape(texts.shape) for part in limits))


def _limits(codes: arrays.Texts, level: int) -> arrays.Floats:
    """Return (5, n) west, south, east, north, resolution of codes of one level."""
    row, col = arrays.cells_of_ids(arrays.ids_of_codes(codes, level), level)
    lines = np.stack([col, row, col + 1, row + 1])
    limits = lines * 10 / side_of(level)  # as the scalar form: multiply exactly, round once
    return np.concatenate([limits, np.full((1, len(codes)), resolution_of(level))])


def as_texts(codes: object) -> arrays.Texts:
    """Return codes as an array of text.

    Raises
    ------
    CodeError
        Something in it is not a text.
    """
    values = np.asarray(codes)
    if values.size == 0:
        return values.astype("<U4")
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values.flat):
        values = values.astype(np.str_)
    if values.dtype.kind == "T":
        values = values.astype(np.str_)
    if values.dtype.kind != "U":
        raise CodeError(f"reading c-square codes: expected texts, got {values.dtype}; convert them with str()")
    return values


@overload
def is_valid(code: str) -> bool: ...
@overload
def is_valid(code: Numbers) -> arrays.Bools: ...
def is_valid(code: object) -> bool | arrays.Bools:
    """Return whether a text is the code of a square, for one or many.

    Wildcards, lists and the mapper's blank-map codes (``0000``) are not. Never raises: what is no text is
    no code.

    Examples
    --------
    >>> is_valid("3414:227:4")
    True
    >>> is_valid(["3414:227:4", "3414:127:4", "2000", None])
    array([ True, False, False, False])
    """
    if np.ndim(code) == 0 and not isinstance(code, np.ndarray):  # type: ignore[arg-type]  # any object has ndim 0
        return is_valid_code(code)
    values = np.asarray(code)
    if values.dtype.kind == "U":
        return arrays.valid_codes(values.ravel()).reshape(values.shape)
    checked = [is_valid_code(value) for value in np.asarray(code, dtype=object).flat]
    return np.array(checked, bool).reshape(values.shape)
