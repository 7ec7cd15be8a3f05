"""The tables of settings of scenes, chips and gallery."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from mosaic_assets.settings.tables import Table


class Scenes(Table):
    """Sentinel-3 OLCI scenes: where they come from, what is cropped, what is kept."""

    source: Literal["embedded", "folder", "copernicus"] = Field(
        "embedded", description="Where products come from: made here (synthetic), a folder of .SEN3, Copernicus."
    )
    folder: Path | None = Field(None, description="Folder of .SEN3 products, for the source `folder`.")
    region: Path | None = Field(
        None, description="GeoJSON file of the area whose scenes are taken; default: North and South America."
    )
    span_days: int = Field(
        1_096, ge=1, description="Days back from yesterday that `mosaic scenes fetch --missing` goes through."
    )
    recipe: Literal["reflectance", "smcefr_v1"] = Field(
        "reflectance", description="How radiances become RGB; smcefr_v1 repeats the published pictures' arithmetic."
    )
    max_scene_bright: float = Field(
        0.98, ge=0, le=1, description="Share of bright pixels in the manifest above which a scene is not fetched, 0..1."
    )
    max_scene_invalid: float = Field(
        0.5, ge=0, le=1, description="Share of invalid pixels in the manifest above which a scene is not fetched, 0..1."
    )
    max_fill: float = Field(0.02, ge=0, le=1, description="Share of a crop that may be without data, 0..1.")
    max_cloud: float = Field(0.7, ge=0, le=1, description="Share of a crop that may be cloud, 0..1.")
    max_water: float = Field(
        0.9, ge=0, le=1, description="Share of open water above which a crop needs texture to be kept, 0..1."
    )
    min_texture: float = Field(
        0.02, ge=0, description="Standard deviation of the Laplacian of luma (0..1) that a crop of water needs."
    )
    min_entropy: float = Field(4.5, ge=0, le=8, description="Entropy of luma that every crop needs, bits.")
    challenge_methods: tuple[str, ...] = Field(
        (), description="Modules of your own that register methods of the challenges, dotted names."
    )
    challenge_pictures: Path | None = Field(
        None, description="Folder of pictures for the challenges; default: a sample of the published crops."
    )
    challenge_sample: int = Field(4, ge=1, description="Published crops that the challenges draw.")
    user_variable: str = Field(
        "CDSE_USER", min_length=1, description="Environment variable that holds the Copernicus account's name."
    )
    password_variable: str = Field(
        "CDSE_PASSWORD", min_length=1, description="Environment variable that holds the Copernicus account's password."
    )
    connections: int = Field(4, ge=1, le=16, description="Connections to Copernicus at a time; the account allows 4.")
    retries: int = Field(5, ge=0, description="Further tries of a request to Copernicus after a passing failure.")
    catalogue_url: str = Field(
        "https://catalogue.dataspace.copernicus.eu/odata/v1", description="Address of the OData catalogue."
    )
    download_url: str = Field(
        "https://download.dataspace.copernicus.eu/odata/v1", description="Address that files are fetched from."
    )
    token_url: str = Field(
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
        description="Address that gives tokens for an account.",
    )

    @field_validator("folder", "region")
    @classmethod
    def _made_absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else None

    @field_validator("catalogue_url", "download_url", "token_url")
    @classmethod
    def _encrypted(cls, url: str) -> str:
        """Refuse to send a password or a token in the clear, other than to this machine."""
        if url.startswith("https://") or re.match(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/", url + "/"):
            return url.rstrip("/")
        raise ValueError("expected an address that begins with https://")


class Chips(Table):
    """Labelled chips: labels, imagery, grid, split."""

    labels: Path | None = Field(
        None,
        description="File of label polygons; default: made-up parcels (synthetic), for `chips.imagery` embedded only.",
    )
    label_crs: str | None = Field(
        None,
        description="CRS of the labels, as in EPSG:32734, for a file that names none (or a GeoJSON not in degrees).",
    )
    class_column: str = Field("", description="Column of the labels that holds their class; empty: one class, 1.")
    classes: dict[str, int] = Field(
        default_factory=dict,
        description="Class number, 1..254, of each value of the column (255: ignore); default: values in alphabetical order.",
    )
    imagery: Literal["embedded", "raster", "xyz", "earthengine"] = Field(
        "embedded", description="Where pixels come from: made here (synthetic), a file, a tile source, Earth Engine."
    )
    raster: Path | None = Field(None, description="GeoTIFF, COG or VRT, for `chips.imagery` raster.")
    crs: str | None = Field(None, description="CRS that the raster is warped to; default: its own, without resampling.")
    bands: tuple[int, ...] = Field((), description="Bands of the raster to take, from 1; default: all but alpha.")
    licence: str = Field("not stated", description="Licence of the raster, for the manifest.")
    attribution: str = Field("", description="Line that names who made the raster and the labels.")
    source: str = Field("embedded", description="Tile source for `chips.imagery` xyz; see `mosaic sources`.")
    zoom: int = Field(15, ge=0, le=24, description="Zoom level whose pixels the chips have, for tile sources.")
    collection: str = Field("", description="Earth Engine image collection, for `chips.imagery` earthengine.")
    collection_bands: tuple[str, ...] = Field((), description="Names of the collection's bands to take.")
    collection_dtype: str = Field(
        "uint16", description="Type of the collection's pixels: uint8, uint16, int16, float32."
    )
    begin: str = Field("", description="First day of the composite, YYYY-MM-DD.")
    end: str = Field("", description="Day after the last of the composite, YYYY-MM-DD.")
    project: str = Field("", description="Google Cloud project that Earth Engine charges.")
    grid: tuple[float, float, float, float, float] | None = Field(
        None,
        description="Earth Engine: left, bottom, right, top and pixel size in units of `chips.crs`; give whole pixels.",
    )
    patch: int = Field(256, ge=1, le=8192, description="Side of a chip, pixels of the imagery.")
    overlap: float = Field(
        0.0, ge=0, lt=1, description="Share of a chip's side that the next one repeats, 0 to below 1."
    )
    keep: Literal["positive", "all"] = Field(
        "positive", description="Chips with a label only, or also those without in the box of a region's labels."
    )
    min_label: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of a chip's pixels that must be labelled for it to be kept as positive, 0..1.",
    )
    negatives: float | None = Field(
        None,
        ge=0,
        description="With `chips.keep` all: chips without a label for each one with; default: all there are.",
    )
    all_touched: bool = Field(
        False, description="True: a pixel belongs to a polygon that touches it; False: to one that holds its centre."
    )
    regions: int = Field(
        4, ge=1, le=1000, description="Regions that the labels are clustered into, by their centroids."
    )
    clustering: Literal["equal_area", "planar_degrees"] = Field(
        "equal_area", description="Plane in which distances count; planar_degrees repeats reference 3."
    )
    split: Literal["blocks", "column"] = Field(
        "blocks", description="Splits are made of blocks of chips here, or taken from a column of the labels."
    )
    split_column: str = Field("split", description="Column of the labels that holds the split.")
    validation_share: float = Field(0.15, ge=0, lt=1, description="Share of label pixels for validation, 0..1.")
    test_share: float = Field(0.15, ge=0, lt=1, description="Share of label pixels for testing, 0..1.")
    block: int = Field(2, ge=1, le=1000, description="Side of a block that belongs to one split and fold, chips.")
    buffer: int = Field(
        8, ge=0, description="Pixels so near to the cells of a split held out from theirs are ignored, pixels."
    )
    folds: int = Field(1, ge=1, le=20, description="Folds for cross-validation that the blocks are dealt into.")
    format: Literal["geotiff", "zipped_geotiff", "npy", "png", "jpg"] = Field(
        "geotiff", description="Format of chips; png and jpg keep the label in a mask.png of its own."
    )
    naming: Literal["id", "reference"] = Field(
        "id", description="File names: the chip's id, or reference 3's <domain>_<split>_imgs_00000.tif."
    )
    domain: str = Field(
        "Embedded", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="Name of the data set, for file names."
    )
    max_chips: int = Field(100_000, ge=1, description="A plan that would look at more chips is refused.")

    @field_validator("labels", "raster")
    @classmethod
    def _made_absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else None

    @field_validator("test_share")
    @classmethod
    def _leaves_some_to_train(cls, share: float, info: ValidationInfo) -> float:
        if share + info.data.get("validation_share", 0.0) >= 1:
            raise ValueError("together with validation_share, expected less than 1")
        return share

    @field_validator("classes")
    @classmethod
    def _are_labels(cls, classes: dict[str, int]) -> dict[str, int]:
        if any(not 1 <= number <= 255 for number in classes.values()):
            raise ValueError("expected class numbers 1..254, or 255 for what is to be ignored")
        return classes


class Gallery(Table):
    """The localization gallery and its queries."""

    zooms: tuple[int, ...] = Field((13, 14, 15, 16), min_length=1, description="Zoom levels of the gallery.")
    grid: Literal["GoogleCRS84Quad", "WebMercatorQuad"] = Field(
        "GoogleCRS84Quad", description="Tile grid of the gallery: plate carree as in reference 4, or that of web maps."
    )
    region: tuple[float, float, float, float] = Field(
        (0.703125, 47.373046875, 0.8349609375, 47.5048828125),
        description="What the gallery covers: west, south, east, north, degrees.",
    )
    source: str = Field("embedded", description="Name of the imagery source of the gallery; see `mosaic sources`.")
    time: str = Field(
        "", pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="Date of the imagery, YYYY-MM-DD; empty: nobody says when."
    )
    jpeg_quality: int = Field(
        90,
        ge=1,
        le=100,
        description="Quality of tiles that are encoded here, 1..100; a source's JPEG is kept as it is.",
    )
    max_tiles: int = Field(1_000_000, ge=1, description="A region of more tiles at a zoom is refused.")
    query_folder: Path | None = Field(
        None, description="Folder of given queries (<split>/*.tiff, <split>.csv) to take over; default: they are cut."
    )
    query_source: str | None = Field(None, description="Imagery source of the queries; default: that of the gallery.")
    query_zoom: int = Field(15, ge=0, le=19, description="Zoom level whose pixels the queries have.")
    query_pixels: int = Field(512, ge=64, le=4096, description="Width and height of a query that is cut, pixels.")
    query_count: int = Field(20, ge=1, le=100_000, description="Queries that are cut, in both splits together.")
    query_tune_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of the queries for choosing parameters (split tune), 0..1; the rest are for testing.",
    )
    localize_zoom: int | None = Field(
        None,
        ge=0,
        le=24,
        description="Zoom level that pictures are located in; default: 15 if there, else the deepest.",
    )
    localize_methods: tuple[str, ...] = Field(
        ("sift_vlad", "edge_clique"),
        min_length=1,
        description="Methods that the evaluation measures; the first locates.",
    )
    localize_modules: tuple[str, ...] = Field(
        (), description="Modules of your own that register methods of localization, dotted names."
    )
    localize_verified: int = Field(10, ge=1, le=100, description="Retrieved cells that RANSAC looks at.")
    localize_min_inliers: int = Field(
        8, ge=4, description="Key points that must agree for an answer of the SIFT methods to be accepted."
    )
    localize_share: float = Field(
        0.08, gt=0, le=1, description="Share of an index of more than 20,000 cells that a query is compared with, 0..1."
    )
    localize_min_margin: float = Field(
        0.07, gt=0, le=1, description="Lead over the second best place that an answer of the edge methods needs, 0..1."
    )
    localize_turns: tuple[float, ...] = Field(
        (0.0,), min_length=1, description="Turns of the query that the edge method tries, degrees, clockwise."
    )
    localize_scales: tuple[float, ...] = Field(
        (1.0,),
        min_length=1,
        description="Scales of the query that the edge method tries, gallery pixels in one of its own.",
    )
    localize_places: int = Field(
        6, ge=1, le=1_000, description="Places that the evaluation cuts queries at, for each kind of change."
    )
