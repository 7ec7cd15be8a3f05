"""Methods by name: a decorator enters a function, and benchmark, tables, plots, checks and command line have it."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from mosaic_assets.errors import SettingsError, UnknownNameError
from mosaic_assets.scenes.challenges.methods import (
    BANDS,
    KINDS,
    CloudMethod,
    Codec,
    Decoder,
    Denoiser,
    decode_with_pillow,
    fingerprint_of,
)
from mosaic_assets.settings import config_path

BUILT_IN = tuple(f"mosaic_assets.scenes.challenges.{name}" for name in ("clouds", "denoising", "compression"))
"""Modules whose methods are always there."""


class _Method(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...


M = TypeVar("M", bound=_Method)
F = TypeVar("F", bound=Callable[..., object])


class _Register(Generic[M]):
    """Methods of one challenge, in the order of their entering."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.methods: dict[str, M] = {}
        self.owners: dict[str, str] = {}

    def enter(self, method: M, function: Callable[..., object]) -> None:
        """Enter a method; a name belongs to the function that took it first, also when its module is loaded again."""
        owner = f"{function.__module__}.{function.__qualname__}"
        if self.owners.get(method.name, owner) != owner:
            raise SettingsError(
                f"registering {owner} as {self.kind} {method.name!r} failed: {self.owners[method.name]} has that name; "
                "choose another"
            )
        self.methods[method.name], self.owners[method.name] = method, owner

    def select(self, names: Iterable[str] | None) -> list[M]:
        """All methods, or those named, in the order of their entering."""
        chosen = None if names is None else set(names)
        for name in sorted(chosen or ()):
            if name not in self.methods:
                remedy = "A module of your own is named in the setting scenes.challenge_methods."
                raise UnknownNameError(self.kind, name, self.methods, remedy)
        return [method for name, method in self.methods.items() if chosen is None or name in chosen]


CLOUD_METHODS: _Register[CloudMethod] = _Register("cloud method")
DENOISERS: _Register[Denoiser] = _Register("denoiser")
CODECS: _Register[Codec] = _Register("codec")
_REGISTERS: tuple[_Register[CloudMethod] | _Register[Denoiser] | _Register[Codec], ...] = (
    CLOUD_METHODS,
    DENOISERS,
    CODECS,
)


def cloud_method(name: str, *, needs: Sequence[str] = (), version: str = "1") -> Callable[[F], F]:
    """Register a function that finds clouds: `CloudScene` to bool (rows, columns).

    Parameters
    ----------
    name : what it is called in tables.
    needs : bands (``Oa03``) and ``land`` without which it is not asked; of a plain picture only ``rgb`` is known.
    version : change it when something beside the function's own text changes its answers.

    Raises
    ------
    SettingsError
        The name is taken by another function, or ``needs`` names no band.

    Examples
    --------
    >>> with restored():
    ...     @cloud_method("very_bright")
    ...     def very_bright(scene):
    ...         return scene.rgb.min(axis=2) > 200
    ...     [method.name for method in CLOUD_METHODS.select(["very_bright"])]
    ['very_bright']
    """
    _refuse_others(f"cloud method {name!r} needs", needs, (*BANDS, "land"))

    def register(function: F) -> F:
        method = CloudMethod(name, function, tuple(needs), fingerprint_of(version, function))  # type: ignore[arg-type]
        CLOUD_METHODS.enter(method, function)
        return function

    return register


def denoiser(name: str, *, for_kinds: Sequence[str] = KINDS, version: str = "1") -> Callable[[F], F]:
    """Register a function that mends a picture: `Degraded` to uint8 of the same shape.

    Parameters
    ----------
    name : what it is called in tables.
    for_kinds : of ``gaussian``, ``impulse``, ``stripes``, ``missing``, those it is asked for; default: all.
    version : change it when something beside the function's own text changes its answers.

    Raises
    ------
    SettingsError
        The name is taken by another function, or a kind is unknown.

    Examples
    --------
    >>> with restored():
    ...     @denoiser("darker", for_kinds=["impulse"])
    ...     def darker(degraded):
    ...         return degraded.picture // 2
    ...     DENOISERS.select(["darker"])[0].kinds
    ('impulse',)
    """
    _refuse_others(f"denoiser {name!r} is for kinds", for_kinds, KINDS)

    def register(function: F) -> F:
        method = Denoiser(name, function, tuple(for_kinds), fingerprint_of(version, function))  # type: ignore[arg-type]
        DENOISERS.enter(method, function)
        return function

    return register


def codec(
    name: str,
    *,
    levels: Sequence[float] = (0,),
    lossless: bool = False,
    decode: Decoder | None = None,
    version: str = "1",
) -> Callable[[F], F]:
    """Register a function that compresses: picture uint8 (rows, columns, 3) and level to bytes.

    Parameters
    ----------
    name : what it is called in tables.
    levels : what is passed to it, one after the other; each is a point of its curve.
    lossless : it promises equal pixels; a check holds it to that.
    decode : bytes to picture; default: Pillow, which reads PNG, JPEG, WebP, AVIF, JPEG 2000, TIFF and more.
    version : change it when something beside the functions' own text changes their answers.

    Raises
    ------
    SettingsError
        The name is taken by another function, or there is no level.

    Examples
    --------
    >>> with restored():
    ...     import numpy as np
    ...     @codec("raw", lossless=True, decode=lambda data: np.frombuffer(data, np.uint8).reshape(8, 8, 3))
    ...     def raw(picture, level):
    ...         return picture.tobytes()
    ...     CODECS.select(["raw"])[0].levels
    (0,)
    """
    if not levels:
        raise SettingsError(f"codec {name!r} has no levels; expected at least one number that its function is given")

    def register(function: F) -> F:
        reader = decode or decode_with_pillow
        method = Codec(
            name,
            function,  # type: ignore[arg-type]
            reader,
            tuple(levels),
            lossless,
            fingerprint_of(version, function, reader),
        )
        CODECS.enter(method, function)
        return function

    return register


def catalogue() -> list[dict[str, str]]:
    """Return a row a registered method: challenge, name, what it is for, its first line of text, and where it comes from."""
    found = []
    for challenge, register in zip(("clouds", "noise", "compression"), _REGISTERS, strict=True):
        for method in register.select(None):
            text = (inspect.getdoc(_function(method)) or "").split("\n")[0]
            found.append(
                {
                    "challenge": challenge,
                    "method": method.name,
                    "for": _scope(method),
                    "what it does": text,
                    "module": register.owners[method.name].rpartition(".")[0],
                }
            )
    return found


def _function(method: CloudMethod | Denoiser | Codec) -> Callable[..., object]:
    return method.encode if isinstance(method, Codec) else method.run


def _scope(method: CloudMethod | Denoiser | Codec) -> str:
    if isinstance(method, Codec):
        return "lossless" if method.lossless else f"levels {', '.join(f'{level:g}' for level in method.levels)}"
    names = method.kinds if isinstance(method, Denoiser) else (method.needs or ("any picture",))
    return ", ".join(names)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Forget on leaving what was registered inside: for trying a method, and for tests."""
    load_methods()  # else ours, imported inside for the first time, would be forgotten for good
    before = [(dict(register.methods), dict(register.owners)) for register in _REGISTERS]
    try:
        yield
    finally:
        for register, (methods, owners) in zip(_REGISTERS, before, strict=True):
            register.methods.clear()
            register.methods.update(methods)  # type: ignore[arg-type]
            register.owners.clear()
            register.owners.update(owners)


def load_methods(modules: Iterable[str] = ()) -> None:
    """Import the modules that register methods: ours, then those of the setting ``scenes.challenge_methods``.

    A module is looked for where Python looks, then beside ``mosaic.toml``.

    Raises
    ------
    SettingsError
        A module cannot be imported, or it takes a name that is taken.
    """
    for module in BUILT_IN:
        importlib.import_module(module)
    for module in modules:
        _load_module(module)


def _load_module(module: str) -> None:
    attempt = f"loading methods from {module!r} (setting scenes.challenge_methods)"
    if not all(part.isidentifier() for part in module.split(".")):
        raise SettingsError(f"{attempt} failed: that is no module name; expected one such as my_methods or lab.clouds")
    folder = str(config_path().absolute().parent)
    sys.path.append(folder)
    try:
        importlib.import_module(module)
    except SettingsError:
        raise
    except Exception as error:  # whatever a module of somebody's may raise while it is imported
        raise SettingsError(
            f"{attempt} failed: {type(error).__name__}: {error}. Mend the module, put it in {folder} or on PYTHONPATH, "
            "or take its name out of the setting"
        ) from error
    finally:
        sys.path.remove(folder)


def _refuse_others(attempt: str, given: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown or isinstance(given, str):
        raise SettingsError(f"{attempt} {given!r}; expected a list of names of: {', '.join(known)}")
