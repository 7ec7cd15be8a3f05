"""Every setting, from one place.

A setting is looked up in this order; the first that has it wins:

1. what the caller passes (a command-line option),
2. the environment: ``MOSAIC_HOME``, and ``MOSAIC_TARGET__SHARE`` for a setting inside a table,
3. the file ``mosaic.toml`` in the working directory, or the one named by ``MOSAIC_CONFIG``,
4. the default written here.

``mosaic settings`` prints them all with their values.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from mosaic_assets.errors import SettingsError
from mosaic_assets.settings.domains import Chips, Gallery, Scenes
from mosaic_assets.settings.tables import Archive, Limits, Network, Target

__all__ = [
    "CONFIG_VARIABLE",
    "Archive",
    "Chips",
    "Gallery",
    "Limits",
    "Network",
    "Scenes",
    "Settings",
    "Target",
    "config_path",
    "load_settings",
]

CONFIG_VARIABLE = "MOSAIC_CONFIG"
"""Environment variable that names the settings file."""


class Settings(BaseSettings):
    """All settings; built once with `load_settings`, then passed on. Immutable."""

    model_config = SettingsConfigDict(
        env_prefix="MOSAIC_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    home: Path = Field(Path("mosaic_data"), description="Folder that holds everything the pipeline makes.")
    seed: int = Field(20_240_615, ge=0, description="Seed of every plan; the same seed asks for the same tiles.")
    source: str = Field("embedded", description="Name of the imagery source to harvest; see `mosaic sources`.")
    zoom: int | None = Field(None, ge=0, le=24, description="Zoom level to harvest; default: the source's own.")
    round_tiles: int = Field(1_000, ge=1, le=100_000, description="Tiles planned in one round of one biome.")
    first_round_tiles: int = Field(
        250,
        ge=1,
        description="Tiles of a biome's first round, which tells what the biome is worth; at most round_tiles.",
    )
    bucket_cap: int = Field(100, ge=1, description="Tiles a bucket may hold.")
    duplicates: Literal["auto", "near", "exact"] = Field(
        "auto",
        description="near: hashes within duplicate_distance anywhere in the library; exact: equal ones in a bucket; "
        "auto: near, but exact for synthetic imagery, whose hashes are alike by construction.",
    )
    duplicate_distance: int = Field(
        8, ge=0, le=16, description="Differing bits up to which two tiles are near-duplicates, of 64."
    )
    tile_format: Literal["png", "webp", "source"] = Field(
        "png", description="How kept tiles are stored: PNG, lossless WebP, or the source's own bytes."
    )
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Threads that fetch and judge in one run.",
    )
    keep_shard_bytes: bool = Field(False, description="Keep the source bytes in a round's file after its merge.")
    check_sample: int = Field(200, ge=1, description="Tiles that the recomputing checks draw.")
    acknowledged_terms: tuple[str, ...] = Field(
        (), description="Names of sources whose terms you have read and take responsibility for."
    )
    target: Target = Field(default_factory=lambda: Target())
    limits: Limits = Field(default_factory=lambda: Limits())
    network: Network = Field(default_factory=lambda: Network())
    archive: Archive = Field(default_factory=lambda: Archive())
    scenes: Scenes = Field(default_factory=lambda: Scenes())
    chips: Chips = Field(default_factory=lambda: Chips())
    gallery: Gallery = Field(default_factory=lambda: Gallery())
    builtin_biomes: bool = Field(True, description="False: harvest only the biomes of your own tables.")
    biomes: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Further biomes, or changes to ours.")
    sources: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Further imagery sources.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Caller, then environment, then file; no dotenv and no secrets folder: one way to set a thing."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_path())

    @property
    def library(self) -> Path:
        """The folder ``mosaic_library`` of reference 1's layout."""
        return self.home / "mosaic_library"

    @property
    def harvest(self) -> Path:
        """The folder of the harvested rounds, one folder a biome below it."""
        return self.home / "harvest"

    @property
    def smcefr_folder(self) -> Path:
        """The folder of the OLCI crops, ``<year>/<product>.png`` below it."""
        return self.home / "smcefr"

    @property
    def chips_folder(self) -> Path:
        """The folder of labelled chips and their manifest."""
        return self.home / "chips"

    @property
    def gallery_folder(self) -> Path:
        """The folder of ``gallery.db`` and ``queries/``."""
        return self.home / "gallery"

    @property
    def exports(self) -> Path:
        """The folder of releases and exported containers."""
        return self.home / "exports"

    @property
    def csquares(self) -> Path:
        """The folder of the scene archive: footprints, pairs and index."""
        return self.home / "csquares"

    @property
    def inbox(self) -> Path:
        """The folder that scene files are dropped in."""
        return self.home / "inbox" / "scenes"


def config_path() -> Path:
    """Path of the settings file, whether or not it exists: ``$MOSAIC_CONFIG`` or ``./mosaic.toml``."""
    return Path(os.environ.get(CONFIG_VARIABLE) or "mosaic.toml")


def load_settings(**given: Any) -> Settings:
    """Build the settings; ``None`` among the given values means "not given".

    Raises
    ------
    SettingsError
        An unknown name, a value out of range, or a ``mosaic.toml`` that is not TOML.

    Examples
    --------
    >>> load_settings(home="/tmp/somewhere", target={"floor": 5}).target.floor
    5
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named and not Path(named).is_file():
        raise SettingsError(
            f"{CONFIG_VARIABLE} names the settings file {named!r}, which does not exist; create it or unset the variable"
        )
    _refuse_unknown_variables()
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error
    except (OSError, ValueError) as error:  # an unreadable file; tomllib's and pydantic-settings' own complaints
        raise SettingsError(
            f"reading settings from {config_path()} and the MOSAIC_* variables failed: {error}; mend what it names"
        ) from error


def _refuse_unknown_variables() -> None:
    for name in os.environ:
        field = name.removeprefix("MOSAIC_").split("__")[0].lower()
        if name.startswith("MOSAIC_") and name != CONFIG_VARIABLE and field not in Settings.model_fields:
            raise SettingsError(
                f"the environment variable {name} names no setting; `mosaic settings` lists them, without it set"
            )


def _explain(error: ValidationError) -> str:
    problems = "; ".join(
        f"{'.'.join(map(str, item['loc']))} = {item['input']!r}: {item['msg'].lower()}" for item in error.errors()
    )
    return f"settings are not usable: {problems}. `mosaic settings` lists every setting with its default."
