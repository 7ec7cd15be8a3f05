"""The 5,000 LAB colours that buckets stand for: made once, published once, checked ever after."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mosaic_assets.core.colour import COLOUR_METHOD
from mosaic_assets.errors import CentroidsError
from mosaic_assets.store.files import write_bytes
from mosaic_assets.store.library_db import has_library, open_library

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

BUCKETS = 5_000
"""Number of centroids, and so of buckets."""

SAMPLE = 500_000
"""Random sRGB colours that the centroids are fitted to."""

CENTROIDS_META = "centroids_sha256"
"""Key of ``tiles.db``'s ``meta`` that pins a library to its centroids."""


@dataclass(frozen=True, slots=True)
class CentroidsRecord:
    """What stands beside ``centroids.npy`` in ``centroids.json``."""

    sha256: str
    """Of the file ``centroids.npy``."""
    colour_method: str
    seed: int
    buckets: int
    sample: int
    method: str
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Centroids:
    """Loaded centroids: float64 of shape (5000, 3), columns L (0..100), a, b."""

    lab: NDArray[np.float64]
    record: CentroidsRecord

    def tree(self) -> cKDTree:
        """A KD-tree over the centroids; build it once a run."""
        from scipy.spatial import cKDTree

        return cKDTree(self.lab)


def fit_centroids(seed: int, *, buckets: int = BUCKETS, sample: int = SAMPLE) -> NDArray[np.float64]:
    """Cluster random sRGB colours in LAB by mini-batch k-means, as reference 1 does, but seeded.

    Parameters
    ----------
    seed : of both the colours and the clustering.
    buckets, sample : number of clusters and of colours; reference 1's by default.

    Returns
    -------
    float64 of shape (buckets, 3): L, a, b. About 20 s for the default numbers.
    """
    from skimage.color import rgb2lab
    from sklearn.cluster import MiniBatchKMeans

    # The upper bound is exclusive, so 255 never occurs: reference 1's own call, kept to the letter.
    rgb = np.random.default_rng(seed).integers(0, 255, (sample, 1, 3), dtype=np.uint8)
    lab = rgb2lab(rgb).reshape(-1, 3)
    model = MiniBatchKMeans(n_clusters=buckets, batch_size=10_000, n_init=3, random_state=seed % 2**32)
    model.fit(lab)
    return np.ascontiguousarray(model.cluster_centers_, dtype=np.float64)


def publish_centroids(library: Path, lab: NDArray[np.float64], seed: int) -> CentroidsRecord:
    """Write ``centroids.npy`` and ``centroids.json``; the first is what users read, the second says what it is.

    Raises
    ------
    CentroidsError
        The library was built with other centroids: its buckets would lose their meaning.
    """
    buffer = io.BytesIO()
    np.save(buffer, _checked(lab))
    content = buffer.getvalue()
    record = CentroidsRecord(
        sha256=hashlib.sha256(content).hexdigest(),
        colour_method=COLOUR_METHOD,
        seed=seed,
        buckets=len(lab),
        sample=SAMPLE,
        method="MiniBatchKMeans(batch_size=10000, n_init=3) on uniform random sRGB 0..254, float64",
        versions=_versions(),
    )
    _refuse_other_centroids(library, record.sha256)
    # The record goes first: centroids without a record would be refused, a record without centroids is made again.
    write_bytes(
        library / "centroids.json",
        json.dumps(asdict(record), indent=1).encode(),
        "publishing the centroids' record",
    )
    write_bytes(library / "centroids.npy", content, "publishing the centroids")
    return record


def ensure_centroids(library: Path, seed: int) -> tuple[Centroids, bool]:
    """Load the published centroids, or make and publish them; the flag tells whether they were made now."""
    if (library / "centroids.npy").exists():
        return load_centroids(library), False
    if pinned := pinned_sha256(library):
        raise CentroidsError(
            f"making centroids for {library} is refused: it was built with those of SHA-256 {pinned[:16]}..., but "
            f"centroids.npy is gone. Restore it from a copy; others would invalidate every bucket assignment"
        )
    publish_centroids(library, fit_centroids(seed), seed)
    return load_centroids(library), True


def regenerate_centroids(library: Path, seed: int) -> CentroidsRecord:
    """Make centroids anew, replacing the published ones; refused once a library uses them.

    Raises
    ------
    CentroidsError
        A round has been merged with the published centroids.
    """
    pinned = pinned_sha256(library)
    if pinned is not None:
        raise CentroidsError(
            f"regenerating the centroids of {library} is refused: {pinned[:16]}... define the buckets of the tiles that "
            f"are there, and every assignment would change. Start a new library with another --home instead"
        )
    return publish_centroids(library, fit_centroids(seed), seed)


def load_centroids(library: Path) -> Centroids:
    """Load and verify the centroids of a library.

    Raises
    ------
    CentroidsError
        Missing, not what their record says, of another colour method, or other than the library was built with.
    """
    array, record_file = library / "centroids.npy", library / "centroids.json"
    try:
        content = array.read_bytes()
        record = CentroidsRecord(**json.loads(record_file.read_text(encoding="utf-8")))
        lab = np.load(io.BytesIO(content), allow_pickle=False)
    except FileNotFoundError as error:
        raise CentroidsError(
            f"{error.filename} is missing; materialize lab_centroids (or `mosaic run`), or restore it from a copy"
        ) from error
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise CentroidsError(f"{array} and its record cannot be read: {error}; restore both from a copy") from error
    found = hashlib.sha256(content).hexdigest()
    if found != record.sha256:
        raise CentroidsError(
            f"{array} has SHA-256 {found[:16]}..., its record says {record.sha256[:16]}...; restore the published file"
        )
    if record.colour_method != COLOUR_METHOD:
        raise CentroidsError(
            f"the centroids were published for the colour method {record.colour_method!r}, this version computes "
            f"{COLOUR_METHOD!r}; use the version that made them, or start a new library with another --home"
        )
    _refuse_other_centroids(library, found)
    return Centroids(_checked(lab), record)


def pinned_sha256(library: Path) -> str | None:
    """SHA-256 of the centroids the library was built with; None while it holds no round."""
    if not has_library(library):
        return None
    with open_library(library) as database:
        return database.meta(CENTROIDS_META)


def _refuse_other_centroids(library: Path, sha256: str) -> None:
    pinned = pinned_sha256(library)
    if pinned is not None and pinned != sha256:
        raise CentroidsError(
            f"{library} was built with centroids {pinned[:16]}..., these are {sha256[:16]}...; other centroids would "
            f"invalidate every bucket assignment. Restore the published centroids.npy, or start a new library with another --home"
        )


def _checked(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    if lab.shape != (BUCKETS, 3) or lab.dtype != np.float64 or not np.isfinite(lab).all():
        raise CentroidsError(
            f"centroids must be finite float64 of shape ({BUCKETS}, 3), got {lab.dtype} {lab.shape}; restore the published file"
        )
    return lab


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("numpy", "scikit-image", "scikit-learn")}
