"""Reference 1's pipeline as its author describes it, to measure ours beside; its own code is not public.

20 threads, batches of 100, ``requests``. Each tile is resized to 64 x 64, its mean colour looked up in a KD-tree, counted
against the cap, hashed by ``imagehash`` and compared within its bucket, moved from ``temp/`` into its bucket, and given its
row at once. Its page calls ``temp/`` the download scratch space and moves "the file", a PNG: so a tile is written there as
PNG when it has come, whatever becomes of it. With ``late_png`` only what is kept is written: a kinder reading.
"""

from __future__ import annotations

import io
import sqlite3
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagehash
import numpy as np
import requests
from PIL import Image
from scipy.spatial import cKDTree
from skimage.color import rgb2lab

THREADS = 20
BATCH = 100

SCHEMA = """
CREATE TABLE IF NOT EXISTS tiles (
  id TEXT PRIMARY KEY, bucket_id INTEGER, filepath TEXT, phash TEXT, mean_l REAL, mean_a REAL, mean_b REAL);
CREATE INDEX IF NOT EXISTS idx_bucket ON tiles (bucket_id);
CREATE INDEX IF NOT EXISTS idx_phash ON tiles (bucket_id, phash);
"""


class Reference1:
    """A library grown the way of reference 1; safe for its threads."""

    def __init__(self, base: Path, cap: int, *, late_png: bool = False) -> None:
        self._base, self._cap, self._late_png = base, cap, late_png
        self._tree = cKDTree(np.load(base / "centroids.npy"))
        self._database = sqlite3.connect(base / "tiles.db", check_same_thread=False, isolation_level=None)
        self._database.executescript(SCHEMA)
        self._lock = threading.Lock()
        self._own = threading.local()
        (base / "temp").mkdir(exist_ok=True)

    def grow(self, urls: Sequence[str]) -> int:
        """Download and keep what is new; return the number of tiles kept."""
        kept = 0
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(urls), BATCH):
                kept += sum(pool.map(self._take, urls[start : start + BATCH]))
        return kept

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _take(self, url: str) -> bool:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        answer = self._own.session.get(url, timeout=20)
        answer.raise_for_status()
        image = Image.open(io.BytesIO(answer.content)).convert("RGB")
        name = str(uuid.uuid4())
        scratch = self._base / "temp" / f"{name}.png"
        if not self._late_png:
            image.save(scratch)
        mean = np.asarray(image.resize((64, 64))).reshape(-1, 3).mean(axis=0)
        lab = rgb2lab((mean / 255).reshape(1, 1, 3)).reshape(3)
        bucket = int(self._tree.query(lab)[1])
        code = "" if self._count(bucket) >= self._cap else str(imagehash.phash(image, hash_size=8))
        if not code or self._stands(bucket, code):
            scratch.unlink(missing_ok=True)
            return False
        if self._late_png:
            image.save(scratch)
        folder = self._base / f"bucket_{bucket:04d}"
        folder.mkdir(exist_ok=True)
        scratch.rename(folder / f"{name}.png")
        row = (name, bucket, f"{self._base.name}/{folder.name}/{name}.png", code, *map(float, lab))
        with self._lock:
            self._database.execute("INSERT INTO tiles VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return True

    def _count(self, bucket: int) -> int:
        with self._lock:
            return int(
                self._database.execute("SELECT count(*) FROM tiles WHERE bucket_id = ?", (bucket,)).fetchone()[0]
            )

    def _stands(self, bucket: int, code: str) -> bool:
        with self._lock:
            found = self._database.execute("SELECT 1 FROM tiles WHERE bucket_id = ? AND phash = ?", (bucket, code))
            return found.fetchone() is not None
