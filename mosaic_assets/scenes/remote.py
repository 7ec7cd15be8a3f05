"""A product at Copernicus: its manifest and small files whole, of large ones the parts that are read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from mosaic_assets.errors import MosaicError
from mosaic_assets.scenes.local import CountingFile, listed_file
from mosaic_assets.scenes.manifest import MAX_MANIFEST_BYTES, parse_manifest
from mosaic_assets.scenes.records import MANIFEST_FILE, ProductManifest, ProductName
from mosaic_assets.store.files import explaining_refusals, make_folder

if TYPE_CHECKING:
    from mosaic_assets.sources.http_files import HttpFiles
    from mosaic_assets.sources.http_ranges import RemoteName

WHOLE_BELOW_BYTES = 300_000
"""Files up to this are fetched whole and compared with their MD5: asking for their parts would save nothing."""


class RemoteProduct:
    """A product on a server.

    Parameters
    ----------
    http : a client with an account.
    base : address of the download service.
    product_id : UUID of the product in the catalogue.
    name : its parsed name.
    folder : where files lie while the scene is worked on; what an earlier run fetched there is gone on with.
    connections : requests at a time.
    """

    def __init__(
        self, http: HttpFiles, base: str, product_id: str, name: ProductName, folder: Path, *, connections: int
    ) -> None:
        self._http = http.metered()
        self._base = base
        self._id = product_id
        self._name = name
        self._folder = folder
        self._connections = connections
        self._manifest: ProductManifest | None = None
        self._handles: list[BinaryIO] = []
        self.failure: MosaicError | None = None
        """The error that ended a read first, whatever the reading library has made of it."""

    @property
    def name(self) -> ProductName:
        """Its parsed name."""
        return self._name

    @property
    def synthetic(self) -> bool:
        """Return False."""
        return False

    @property
    def bytes_fetched(self) -> int:
        """Bytes received for it so far, those of failed tries included."""
        return self._http.bytes_received

    def manifest(self) -> ProductManifest:
        """Return its manifest, fetched once."""
        if self._manifest is None:
            self._manifest = parse_manifest(self._fetched_manifest(), self._name.text)
        return self._manifest

    def open(self, file: str) -> BinaryIO:
        """Open a file: a small one fetched whole, of a large one what is read."""
        from mosaic_assets.sources.http_ranges import RemoteName
        from mosaic_assets.sources.remote_file import RemoteFile

        listed = listed_file(self.manifest(), file)
        label = f"{file} of {self._name.text}"
        remote = RemoteName(self._url(file), label, listed.size_bytes, listed.md5)
        whole = make_folder(self._folder) / file
        handle: object
        if listed.size_bytes <= WHOLE_BELOW_BYTES:
            handle = self._opened_whole(remote, whole)
        else:
            handle = RemoteFile(self._http, remote, whole, connections=self._connections, failed=self._note)
        self._handles.append(cast(BinaryIO, handle))
        return cast(BinaryIO, handle)

    def discard(self) -> None:
        """Remove what was fetched to disk: the scene has its outcome."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Close what is open; files stay for the next attempt."""
        for handle in self._handles:
            handle.close()
        self._handles.clear()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()

    def _note(self, error: MosaicError | OSError) -> None:
        """Keep the first error of a read; that of the disk in words."""
        try:
            with explaining_refusals(f"fetching files of {self._name.text}", self._folder):
                raise error
        except MosaicError as explained:
            self.failure = self.failure or explained
        except OSError:
            return  # not one that we know; what the reading library makes of it must do

    def _url(self, file: str) -> str:
        from mosaic_assets.sources.copernicus import file_url

        return file_url(self._base, self._id, self._name.folder, file)

    def _fetched_manifest(self) -> bytes:
        attempt = f"fetching {MANIFEST_FILE} of {self._name.text}"
        return self._http.body(self._url(MANIFEST_FILE), MAX_MANIFEST_BYTES, attempt=attempt)

    def _opened_whole(self, remote: RemoteName, whole: Path) -> CountingFile:
        from mosaic_assets.sources.http_ranges import fetch_whole

        if not whole.exists():
            with explaining_refusals(f"fetching {remote.label}", whole):
                fetch_whole(self._http, remote, whole)
        return CountingFile(whole)
