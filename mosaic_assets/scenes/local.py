"""A product that lies in a folder."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from pathlib import Path
from typing import BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.errors import ProductError
from mosaic_assets.scenes.manifest import MAX_MANIFEST_BYTES, parse_manifest
from mosaic_assets.scenes.names import parse_name
from mosaic_assets.scenes.records import MANIFEST_FILE, ProductFile, ProductManifest, ProductName


class MissingFileError(ProductError):
    """A product does not have a file that is needed."""


class ChecksumError(ProductError):
    """A file of a product is not the one that its manifest lists."""


class LocalProduct:
    """A product in a folder; each file's size and MD5 are compared with the manifest before its first use.

    Parameters
    ----------
    folder : ``<name>.SEN3``.
    synthetic : it was made here.
    verify : False compares sizes only.
    """

    def __init__(self, folder: Path, *, synthetic: bool = False, verify: bool = True) -> None:
        self._folder = folder
        self._name = parse_name(folder.name)
        self._synthetic = synthetic
        self._verify = verify
        self._manifest: ProductManifest | None = None
        self._verified: set[str] = set()
        self._handles: list[CountingFile] = []
        self._read_before = 0

    @property
    def name(self) -> ProductName:
        """Its parsed name."""
        return self._name

    @property
    def synthetic(self) -> bool:
        """True for a product that was made here."""
        return self._synthetic

    @property
    def bytes_fetched(self) -> int:
        """Bytes read for the caller so far; those read to compare checksums do not count."""
        return self._read_before + sum(handle.bytes_read for handle in self._handles)

    def manifest(self) -> ProductManifest:
        """Return its manifest, read once. Raises `ProductError`."""
        if self._manifest is None:
            content = read_limited(self._folder / MANIFEST_FILE, MAX_MANIFEST_BYTES, self._name)
            self._read_before += len(content)
            self._manifest = parse_manifest(content, self._name.text)
        return self._manifest

    def open(self, file: str) -> BinaryIO:
        """Open a file for reading. Raises `MissingFileError` or `ChecksumError`."""
        listed = listed_file(self.manifest(), file)
        path = self._folder / file
        if not path.is_file():
            raise MissingFileError(f"opening {file} of {self._name.text} failed: it is not in {self._folder}")
        if file not in self._verified:
            check_file(path, listed, self._name, md5=self._verify)
            self._verified.add(file)
        handle = CountingFile(path)
        self._handles.append(handle)
        return cast(BinaryIO, handle)

    def close(self) -> None:
        """Close what is open."""
        for handle in self._handles:
            handle.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()


class CountingFile(io.FileIO):
    """A file that counts what is read of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self.bytes_read = 0
        self._lock = threading.Lock()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer; return how many bytes there were."""
        return self._counted(super().readinto(buffer) or 0)

    def read(self, size: int | None = -1) -> bytes:
        """Read bytes from where the handle stands."""
        content = super().read(-1 if size is None else size) or b""
        self._counted(len(content))
        return content

    def read_at(self, place: int, room: NDArray[np.uint8]) -> None:
        """Fill a room with the bytes from a place; several threads may. Raises OSError when the file ends before."""
        size = self._counted(os.preadv(self.fileno(), [cast(memoryview, room)], place))
        if size != room.size:
            raise OSError(f"the file ends {room.size - size:,} bytes too early")

    def _counted(self, size: int) -> int:
        with self._lock:
            self.bytes_read += size
        return size


def listed_file(manifest: ProductManifest, file: str) -> ProductFile:
    """Return what the manifest says of a file. Raises `MissingFileError` when it lists none of that name."""
    if file not in manifest.files:
        raise MissingFileError(
            f"opening {file} of {manifest.name.text} failed: {MANIFEST_FILE} lists {len(manifest.files)} files without it"
        )
    return manifest.files[file]


def check_file(path: Path, listed: ProductFile, product: ProductName, *, md5: bool = True) -> None:
    """Compare a file with its manifest. Raises `ChecksumError`."""
    size = path.stat().st_size
    if size != listed.size_bytes:
        raise _differs(listed, product, f"has {size:,} bytes", f"{listed.size_bytes:,}")
    if md5:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != listed.md5:
            raise _differs(listed, product, f"has the MD5 {found}", listed.md5)


def _differs(listed: ProductFile, product: ProductName, found: str, expected: str) -> ChecksumError:
    return ChecksumError(
        f"opening {listed.name} of {product.text} failed: it {found}; expected {expected}, as the manifest lists. Copy it again"
    )


def read_limited(path: Path, at_most: int, product: ProductName) -> bytes:
    """Return the content of a small file; one that is larger is cut one byte behind the limit, for the reader to refuse."""
    try:
        with path.open("rb") as stream:
            return stream.read(at_most + 1)
    except OSError as error:
        raise MissingFileError(f"opening {path.name} of {product.text} failed: {error.strerror}") from error
