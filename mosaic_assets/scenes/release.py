"""Releases: the crops packed with manifest, checksums and dataset card; the same crops give the same bytes."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from mosaic_assets.errors import StoreError, UnknownNameError
from mosaic_assets.scenes.crop_manifest import picture_path, read_kept, write_records
from mosaic_assets.scenes.dataset_card import dataset_card
from mosaic_assets.scenes.publish import read_crop_bytes
from mosaic_assets.scenes.records import SceneRecord
from mosaic_assets.settings import Settings
from mosaic_assets.store.files import publishing, write_bytes

KINDS = ("mini", "full")
MINI_CROPS = 100
"""Crops of the mini release: those whose names have the smallest hashes, so that a later one holds most of the same."""

_BLOCK = 65_535  # the most that a stored block of deflate holds


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    """A published release."""

    kind: str
    path: Path
    crops: int
    synthetic: int
    """Of the crops, those that no satellite saw."""
    size_bytes: int
    sha256: str


def release_path(settings: Settings, kind: str) -> Path:
    """Return where a release lies: ``exports/smcefr-mini.tar.gz`` or ``exports/smcefr-full.tar.gz``."""
    if kind not in KINDS:
        raise UnknownNameError("release", kind, KINDS, "Ask for one of these")
    return settings.exports / f"smcefr-{kind}.tar.gz"


def publish_release(settings: Settings, kind: str) -> ReleaseReport:
    """Pack the crops, and write the archive's sha256 beside it as ``<name>.sha256``.

    Each picture is compared with its manifest on the way.

    Raises
    ------
    StoreError
        No crop is published, or one is missing or damaged; an earlier release stays as it was.
    """
    path = release_path(settings, kind)
    records = chosen(read_kept(settings), kind)
    if not records:
        raise StoreError(f"packing the release {kind} failed: no crop is published; run `mosaic scenes fetch` first")
    with publishing(path, f"publishing the release {kind}") as temporary, temporary.open("wb") as out:
        digest = hashlib.sha256()
        with (
            StoredGzip(out, digest) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for name, content in members(settings, records, kind):
                tar.addfile(_entry(f"smcefr-{kind}/{name}", len(content)), io.BytesIO(content))
    sums = f"{digest.hexdigest()}  {path.name}\n"
    write_bytes(path.with_name(path.name + ".sha256"), sums.encode(), f"publishing the checksum of the release {kind}")
    synthetic = sum(record.synthetic for record in records)
    return ReleaseReport(kind, path, len(records), synthetic, path.stat().st_size, digest.hexdigest())


def chosen(records: Sequence[SceneRecord], kind: str) -> list[SceneRecord]:
    """Return the crops of a release, by name."""
    if kind == "mini":
        ranked = sorted(records, key=lambda record: hashlib.sha256(record.name.text.encode()).hexdigest())
        records = ranked[:MINI_CROPS]
    return sorted(records, key=lambda record: record.name.text)


def members(settings: Settings, records: Sequence[SceneRecord], kind: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a release, checksums last."""
    sums = []
    with TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.parquet"
        write_records(manifest, records, "writing the manifest of a release")
        files = [("README.md", dataset_card(records, kind).encode()), ("manifest.parquet", manifest.read_bytes())]
    for name, content in files:
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
        yield name, content
    for record in records:
        sums.append(f"{record.sha256}  {picture_path(record)}\n")
        yield picture_path(record), read_crop_bytes(settings, record)
    yield "SHA256SUMS", "".join(sums).encode()


class StoredGzip(io.RawIOBase):
    """Gzip without compression: pictures are compressed already, and no two versions of zlib can differ over it."""

    def __init__(self, out: IO[bytes], digest: hashlib._Hash) -> None:
        super().__init__()
        self._out = out
        self._digest = digest
        self._waiting = bytearray()
        self._size = 0
        self._crc = 0
        self._emit(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")  # no name, no time, no system

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Take bytes in."""
        import zlib

        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._waiting += data
        while len(self._waiting) > _BLOCK:
            self._block(bytes(self._waiting[:_BLOCK]), last=False)
            del self._waiting[:_BLOCK]
        return len(data)

    def close(self) -> None:
        """Write the end."""
        if not self.closed:
            self._block(bytes(self._waiting), last=True)
            self._emit(self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little"))
        super().close()

    def _block(self, content: bytes, *, last: bool) -> None:
        size = len(content)
        self._emit(bytes([last]) + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + content)

    def _emit(self, data: bytes) -> None:
        self._digest.update(data)
        self._out.write(data)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, 0, 0o644
    return entry
