"""Every error that mosaic_assets raises on purpose.

::

    MosaicError
    ├── SettingsError             a setting is missing, malformed or out of range
    ├── UnknownNameError          no biome, source or asset of that name
    ├── GeometryError             a place outside the world, across the date line or without area
    ├── CodeError                 not a c-square code, or not one that fits the request
    ├── SourceError               an imagery source cannot be used as asked
    │   ├── TermsError            its terms forbid bulk use and nobody acknowledged them
    │   ├── ZoomError             the zoom lies outside its range
    │   └── SourceUnavailableError   it did not answer; trying again later may help
    ├── StoreError                the data home cannot be read or written
    │   ├── HomeNotWritableError  no permission, read-only, or full
    │   ├── DatabaseError         a file is not a database of ours, is damaged, or is newer than we are
    │   │   └── NotBuiltError     what is asked for has not been built yet
    │   ├── RoundExistsError      that round is published; rounds are immutable
    │   └── BusyError             another process holds the library
    ├── DataError                 a file handed to us is not what it should be
    │   ├── ProductError          a satellite product: its name, manifest or bands
    │   ├── LabelError            a file of labels
    │   └── GalleryError          a gallery, a query or a list of queries
    └── CentroidsError            centroids missing, damaged, or other than the library was built with

A message says what was attempted, the offending value, what was expected and what to do next.
``MosaicError.passing`` tells whether the same call may succeed later without anybody changing
anything; orchestration retries nothing else.
Any other exception that leaves this package is a bug in it.
"""

from __future__ import annotations


class MosaicError(Exception):
    """Root of the errors raised on purpose; catch it to catch all of them."""

    passing: bool = False
    """True when the same call may succeed later without anybody changing anything."""


class SettingsError(MosaicError):
    """A setting is missing, malformed or out of range."""


class UnknownNameError(MosaicError):
    """No biome, source or asset of that name."""

    def __init__(self, kind: str, name: str, known: object, remedy: str) -> None:
        names = ", ".join(sorted(map(str, known))) if isinstance(known, (list, tuple, set, dict)) else str(known)
        super().__init__(f"unknown {kind} {name!r}; known are: {names}. {remedy}")


class GeometryError(MosaicError):
    """A place lies outside the world, crosses the date line, or has no area."""


class CodeError(MosaicError, ValueError):
    """A text is not a c-square code, or not one that fits the request."""


class SourceError(MosaicError):
    """An imagery source cannot be used as asked."""


class TermsError(SourceError):
    """A provider's terms forbid bulk use and nobody acknowledged them."""


class ZoomError(SourceError):
    """A zoom level lies outside a provider's range."""


class SourceUnavailableError(SourceError):
    """A source did not answer; trying again later may help."""

    passing = True


class StoreError(MosaicError):
    """The data home cannot be read or written."""


class HomeNotWritableError(StoreError):
    """The data home refuses writes: no permission, read-only, or full."""


class DatabaseError(StoreError):
    """A file is not a database of ours, is damaged, or was written by a newer version."""


class NotBuiltError(DatabaseError):
    """What is asked for has not been built yet."""


class RoundExistsError(StoreError):
    """A harvest round with that number is already published; rounds are immutable."""


class BusyError(StoreError):
    """Another process holds the library."""

    passing = True


class CentroidsError(MosaicError):
    """Centroids are missing, damaged, or other than those the library was built with."""


class DataError(MosaicError):
    """A file handed to us is not what it should be."""


class ProductError(DataError):
    """A satellite product whose name, manifest or bands are not as they should be."""


class LabelError(DataError):
    """A file of labels that cannot be used."""


class GalleryError(DataError):
    """A gallery, a query or a list of queries that cannot be used."""
