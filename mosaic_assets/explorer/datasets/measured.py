"""What the benchmarks measured, read from the files that they keep."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mosaic_assets.errors import StoreError, UnknownNameError
from mosaic_assets.explorer.datasets.decoding import decode
from mosaic_assets.explorer.datasets.keeping import reading_home
from mosaic_assets.explorer.datasets.query_rows import answers, result_files, slug
from mosaic_assets.explorer.datasets.safe_files import find_picture, identity_at, read_picture
from mosaic_assets.explorer.reading import Shelf, kept
from mosaic_assets.gallery.localize.metrics import Asked, grouped
from mosaic_assets.scenes.challenges.results import Row, read_results, results_path
from mosaic_assets.scenes.challenges.tables import described, notes, summary
from mosaic_assets.store.gallery_db import has_gallery, open_gallery

PLOTS = {
    "clouds": ("scores", "Bars of IoU, precision and recall of every method, a panel for each reference; the table has the numbers."),
    "noise": ("gain over doing nothing", "PSNR by method and kind of damage, coloured by the gain over doing nothing."),
    "compression": (
        "rate and distortion", "PSNR and SSIM against bits a pixel by codec, sizes of the lossless codecs, and speeds of all.",
    ),
}  # fmt: skip
"""The plot of each challenge, and what it shows."""
EXAMPLES = {
    "clouds": "The masks of every method over the first picture.",
    "noise": "A patch of the first picture, spoilt and mended by every method.",
}
LOCALIZATION_PLOTS = {
    "precision against coverage": "Share of right answers against the share of queries answered, a curve for each method.",
    "distance from the true place": "Share of queries found within a distance, a curve for each method.",
    "success by kind of change": "Share found within 25 m, a bar for each kind of change and method.",
}
SHOWN = (
    "method", "group", "queries", "recall@1", "recall@10", "within_25_m", "within_100_m", "within_1000_m", "median_m",
    "accepted", "false_accepts", "seconds", "processor_s",
)  # fmt: skip
"""Measures of localization that people compare; `mosaic gallery evaluate --json` has all."""


@dataclass(frozen=True)
class Measured:
    """What was measured."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    """Rows by title; every row of a table has the same columns."""
    on: str = ""
    synthetic: bool = False
    made: str | None = None
    notes: list[Row] = field(default_factory=list)
    plots: dict[str, str] = field(default_factory=dict)
    """What each plot shows, by title."""
    draw: Callable[[str], bytes] = lambda _title: b""
    """Draws a plot by its title, PNG."""


@dataclass(frozen=True)
class Benchmark:
    """A benchmark by name."""

    name: str
    title: str
    about: str
    asset: str
    command: str
    identity: Callable[[Shelf], Hashable]
    """Changes with what was measured."""
    make: Callable[[Shelf], Measured | None]

    @property
    def missing(self) -> str:
        """What to say where nothing was measured."""
        return f"{self.title.lower()}: nothing is measured yet; materialize {self.asset}, or run `{self.command}`"

    def read(self, shelf: Shelf) -> Measured | None:
        """Return what was measured; None for nothing. Raises `StoreError` for a damaged file."""
        with reading_home():
            return kept(shelf, f"benchmark.{self.name}", self.identity(shelf), lambda: self._made(shelf))

    def _made(self, shelf: Shelf) -> Measured | None:
        try:
            return self.make(shelf)
        except (TypeError, ValueError, KeyError, ArithmeticError) as error:  # columns of other types than were written
            raise StoreError(
                f"summing up {self.title.lower()} failed: {error!r}; delete its measurements and run `{self.command}`"
            ) from error


def _challenge(name: str, title: str, about: str, asset: str) -> Benchmark:
    def identity(shelf: Shelf) -> Hashable:
        path = results_path(shelf.settings, name)
        return identity_at(path), identity_at(path.with_name(f"{name}_examples.png"))

    def make(shelf: Shelf) -> Measured | None:
        path = results_path(shelf.settings, name)
        rows = read_results(path, name)
        if not rows:
            return None
        plot, shows = PLOTS[name]
        plots = {plot: shows}
        if name in EXAMPLES and path.with_name(f"{name}_examples.png").is_file():
            plots["examples"] = EXAMPLES[name]

        def draw(title: str) -> bytes:
            from mosaic_assets.scenes.challenges.plots import plot as drawn

            _refuse_unknown(title, plots)
            if title == "examples":
                return _kept_picture(shelf, f"smcefr/challenges/{name}_examples.png")
            return drawn(name, rows)

        synthetic = any(row["synthetic"] for row in rows)
        return Measured(
            {"": summary(name, rows)},
            described(rows),
            synthetic,
            moment_of(identity_at(path)),
            notes(rows),
            plots,
            draw,
        )

    return Benchmark(name, title, about, asset, f"mosaic challenges {name}", identity, make)


def _localization_identity(shelf: Shelf) -> Hashable:
    pictures = sorted((shelf.settings.gallery_folder / "evaluation").glob("[0-9]*-*.png"))
    files = [*result_files(shelf), *pictures]
    return tuple((path.name, identity_at(path)) for path in files)


def _localization(shelf: Shelf) -> Measured | None:
    asked = [one for one, _ in answers(shelf)]
    if not asked:
        return None
    overall = grouped(asked, lambda _one: "all") + grouped(asked, lambda one: one.kind)
    scenes = grouped(asked, lambda one: one.scene)
    tables = {"By kind of change": _shown(overall), **({"By class of scene": _shown(scenes)} if scenes else {})}
    matches = _matches(shelf, asked)
    plots = {
        **LOCALIZATION_PLOTS,
        **dict.fromkeys(matches, "The query beside the gallery: outlines and matches."),
    }

    def draw(title: str) -> bytes:
        from mosaic_assets.gallery.localize.plots import all_plots

        _refuse_unknown(title, plots)
        return _kept_picture(shelf, matches[title]) if title in matches else all_plots(asked)[title]

    changed = [identity_at(path) for path in result_files(shelf)]
    newest = max((one for one in changed if one), default=None)
    synthetic = _synthetic_gallery(shelf)
    queries = len({one.query for one in asked})
    on = f"{queries} queries, {'in a gallery of synthetic imagery' if synthetic else 'some of them synthetic changes of cuts'}"
    return Measured(tables, on, synthetic, moment_of(newest), [], plots, draw)


def _shown(rows: list[dict[str, Any]]) -> list[Row]:
    return [{name: row[name] for name in SHOWN} for row in rows]


def _matches(shelf: Shelf, asked: list[Asked]) -> dict[str, str]:
    """Return the pictures of matches that the evaluation left: path below the home by title."""
    titles = {slug(f"{one.method}: {one.query}"): f"{one.method}: {one.query}" for one in asked}
    folder = shelf.settings.gallery_folder / "evaluation"
    drawn = ((path, titles.get(path.stem.partition("-")[2])) for path in sorted(folder.glob("[0-9]*-*.png")))
    return {title: f"gallery/evaluation/{path.name}" for path, title in drawn if title}


def _synthetic_gallery(shelf: Shelf) -> bool:
    if not has_gallery(shelf.settings.gallery_folder):
        return False
    with open_gallery(shelf.settings.gallery_folder) as gallery:
        return any(one.provenance.get("synthetic") for one in gallery.coverages())


def _kept_picture(shelf: Shelf, named: str) -> bytes:
    file = find_picture(shelf.settings.home, named)
    body = read_picture(file)
    decode(body, file.path.name, side=64)
    return body


def _refuse_unknown(title: str, plots: dict[str, str]) -> None:
    if title not in plots:
        raise UnknownNameError("plot", title[:80], list(plots), "See /api/benchmarks.")


def moment_of(identity: tuple[int, int, int] | None) -> str | None:
    """Return when a file was changed, ISO 8601 in UTC; None for no file.

    Examples
    --------
    >>> moment_of((1_700_000_000_000_000_000, 5, 1))
    '2023-11-14T22:13:20Z'
    """
    if identity is None:
        return None
    return datetime.fromtimestamp(identity[0] // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


BENCHMARKS = (
    _challenge(
        "clouds", "Clouds", "Masks of clouds: methods against the best reference there is.", "cloud_benchmark"
    ),
    _challenge("noise", "Noise", "Pictures spoilt on purpose and mended; PSNR in dB, higher is better.", "denoise_benchmark"),
    _challenge(
        "compression", "Compression", "Bits a pixel (24 raw) against what is lost, and speed.", "compression_benchmark"
    ),
    Benchmark(
        "localization", "Localization", "Where in the gallery is this picture? Methods, asked many queries.",
        "localization_benchmark", "mosaic gallery evaluate", _localization_identity, _localization,
    ),
)  # fmt: skip
