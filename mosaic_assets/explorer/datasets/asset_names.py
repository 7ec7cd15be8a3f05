"""The assets of the lineage by name: the explorer knows no Dagster, so the names stand here; a test compares them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset and the files it makes."""

    name: str
    group: str
    line: str
    after: tuple[str, ...] = ()
    """Assets that it is made from."""
    files: tuple[str, ...] = ()
    """Patterns below the data home; none for an asset that only reads the settings."""
    markers: tuple[str, ...] = ()
    """Patterns of few files that change whenever any of them does; the files themselves unless given."""
    unit: str = ""
    """What its rows are."""
    page: str | None = None
    """Where the explorer shows it."""


LIBRARY, SCENES, CHALLENGES, CHIPS, GALLERY, ARCHIVE = (
    "colour_library", "smcefr", "smcefr_challenges", "chips", "gallery", "scene_archive",
)  # fmt: skip

ASSETS = (
    Asset("lab_centroids", LIBRARY, "5,000 LAB colours that define the buckets.", (), ("mosaic_library/centroids.*",),
          unit="colours", page="/colours"),
    Asset("biomes", LIBRARY, "The places that tiles are drawn from.", unit="biomes"),
    Asset("harvested_tiles", LIBRARY, "Rounds of tiles of each biome: fetched, judged, published.",
          ("lab_centroids", "biomes"), ("harvest/*/round-*.parquet",), unit="planned tiles", page="/colours"),
    Asset("bucketed_library", LIBRARY, "At most so many tiles in each of 5,000 colour buckets.",
          ("lab_centroids", "harvested_tiles"), ("mosaic_library/tiles.db", "mosaic_library/bucket_*/*"),
          ("mosaic_library/tiles.db", "mosaic_library/tiles.db-wal"), "tiles", "/colours"),
    Asset("coverage_report", LIBRARY, "What the library covers, and where every biome stands.", ("bucketed_library",),
          ("reports/*",), page="/colours"),
    Asset("olci_region", SCENES, "The area whose scenes are taken.", (), ("smcefr/region.geojson",)),
    Asset("olci_catalog", SCENES, "Which scenes of a day meet the region.", ("olci_region",), ("smcefr/catalog/*.parquet",),
          unit="scenes"),
    Asset("smcefr_crops", SCENES, "Every scene with its outcome; of those kept the middle as PNG.", ("olci_catalog",),
          ("smcefr/manifest/*.parquet", "smcefr/[0-9][0-9][0-9][0-9]/*.png"), ("smcefr/manifest/*.parquet",), "scenes",
          "/datasets?dataset=crops"),
    Asset("smcefr_release", SCENES, "All crops as two archives with manifest and checksums.", ("smcefr_crops",),
          ("exports/smcefr-*.tar.gz*",)),
    Asset("cloud_benchmark", CHALLENGES, "Cloud masks measured.", ("smcefr_crops",), ("smcefr/challenges/clouds*.p*",),
          unit="measurements", page="/benchmarks#clouds"),
    Asset("denoise_benchmark", CHALLENGES, "Denoising measured.", ("smcefr_crops",), ("smcefr/challenges/noise*.p*",),
          unit="measurements", page="/benchmarks#noise"),
    Asset("compression_benchmark", CHALLENGES, "Compression measured.", ("smcefr_crops",),
          ("smcefr/challenges/compression*.p*",), unit="measurements", page="/benchmarks#compression"),
    Asset("chip_regions", CHIPS, "The labels in regions and splits, and every chip planned.", (),
          ("chips/plan.parquet", "chips/labels-*.parquet"), unit="planned chips", page="/datasets?dataset=chips"),
    Asset("chips", CHIPS, "The chips of a region: imagery and label.", ("chip_regions",),
          ("chips/ledger/*.jsonl", "chips/images/*/*", "chips/Chips/*/*/*/*"), ("chips/ledger/*.jsonl",), "chips",
          "/datasets?dataset=chips"),
    Asset("chip_dataset", CHIPS, "The manifest of all chips.", ("chips",), ("chips/manifest.parquet",), unit="chips",
          page="/datasets?dataset=chips"),
    Asset("gallery_plan", GALLERY, "The zoom levels of the gallery.", unit="zoom levels"),
    Asset("gallery_tiles", GALLERY, "The tiles of a region without holes, zoom by zoom.", ("gallery_plan",),
          ("gallery/gallery.db", "gallery/gallery.db-wal"), unit="tiles", page="/datasets?dataset=gallery"),
    Asset("query_set", GALLERY, "Queries as GeoTIFF, with a list of each split.", ("gallery_tiles",),
          ("gallery/queries/queries.parquet", "gallery/queries/*.csv", "gallery/queries/*/*.tif*"),
          ("gallery/queries/queries.parquet",), "queries", "/datasets?dataset=queries"),
    Asset("localization_benchmark", GALLERY, "How well the methods find places of the gallery.",
          ("gallery_tiles", "query_set"), ("gallery/localize/results/*.json",), unit="answers",
          page="/benchmarks#localization"),
    Asset("scene_inbox", ARCHIVE, "Scene files dropped in, cut into batches.", (), ("inbox/scenes/*", "inbox/taken/*")),
    Asset("scene_footprints", ARCHIVE, "The footprints of a batch of scenes.", ("scene_inbox",),
          ("csquares/footprints/*.parquet",), unit="scenes", page="/"),
    Asset("csquare_pairs", ARCHIVE, "The c-squares that each scene covers.", ("scene_footprints",),
          ("csquares/pairs/scenes-*.parquet",), unit="pairs", page="/"),
    Asset("library_footprints", ARCHIVE, "The squares of the library's tiles.", ("bucketed_library",),
          ("csquares/pairs/tiles-*.parquet",), unit="pairs", page="/?dataset=tiles"),
    Asset("dataset_footprints", ARCHIVE, "The squares of crops, chips, queries and gallery tiles.",
          ("smcefr_crops", "chip_dataset", "query_set", "gallery_tiles"),
          ("csquares/pairs/crops-*.parquet", "csquares/pairs/chips-*.parquet", "csquares/pairs/queries-*.parquet",
           "csquares/pairs/gallery-*.parquet"), unit="pairs", page="/"),
    Asset("csquare_index", ARCHIVE, "Which scenes include which squares.",
          ("csquare_pairs", "library_footprints", "dataset_footprints"), ("csquares/index.db", "csquares/index.db-wal"),
          unit="scenes", page="/"),
)  # fmt: skip
"""In the order of the lineage: each behind those that it is made from."""
