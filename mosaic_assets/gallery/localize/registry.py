"""Methods by name: each is one function ``(query, gallery) -> candidates``.

Write a function, decorate it with `method`, and name its module in the setting ``gallery.localize_modules``; the evaluation
and `mosaic gallery locate` then know it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mosaic_assets.errors import GalleryError, UnknownNameError
from mosaic_assets.gallery.localize.records import Candidate, Query

if TYPE_CHECKING:
    from mosaic_assets.gallery.localize.gallery import Gallery

Answer = Callable[[Query, "Gallery"], list[Candidate]]

_OURS = ("mosaic_assets.gallery.localize.sift_vlad", "mosaic_assets.gallery.localize.edge_clique")


@dataclass(frozen=True, slots=True)
class Method:
    """A registered method."""

    name: str
    run: Answer
    version: str
    """Part of the key of kept results: a new version is measured anew."""
    north_up: bool
    """Whether it takes north to be up and the zoom to be known."""

    @property
    def description(self) -> str:
        """The first line of the function's docstring."""
        return (self.run.__doc__ or "").strip().partition("\n")[0]


_METHODS: dict[str, Method] = {}


def method(name: str, *, version: str = "1", north_up: bool = False) -> Callable[[Answer], Answer]:
    """Register a function as a method of localization.

    Parameters
    ----------
    name : how settings and tables call it; a second registration replaces the first.
    version : raise it when answers change, so that the evaluation asks again.
    north_up : it takes north to be up and a pixel of the query to be as large as one of the gallery.
    """

    def register(run: Answer) -> Answer:
        _METHODS[name] = Method(name, run, version, north_up)
        return run

    return register


def load_methods(modules: Iterable[str] = ()) -> dict[str, Method]:
    """Import the modules that register methods, ours first; return every method by name.

    Raises
    ------
    GalleryError
        A module cannot be imported.
    """
    for module in (*_OURS, *modules):
        try:
            importlib.import_module(module)
        except Exception as error:
            raise GalleryError(
                f"loading methods of localization from {module!r} (setting gallery.localize_modules) failed: {error}; "
                "expected the dotted name of a module that can be imported"
            ) from error
    return dict(_METHODS)


def method_named(name: str, modules: Iterable[str] = ()) -> Method:
    """Return a method; `UnknownNameError` when there is none of that name.

    Examples
    --------
    >>> method_named("edge_clique").north_up
    True
    """
    methods = load_methods(modules)
    if name not in methods:
        remedy = "A module of your own is named in the setting gallery.localize_modules."
        raise UnknownNameError("method of localization", name, methods, remedy)
    return methods[name]
