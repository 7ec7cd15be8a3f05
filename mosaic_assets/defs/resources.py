"""What assets get from outside: the settings, and somebody to tell of progress."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from mosaic_assets.settings import Settings, load_settings


@dataclass
class Workbench:
    """Handed to every asset, check and sensor.

    ``given`` are settings that override environment and file. Settings are read when first asked for, inside a run or
    tick, never when the code location loads.
    """

    given: dict[str, Any] = field(default_factory=dict)
    progress: Callable[[int], None] | None = None
    """Told of the tiles finished; for a progress bar in the process that runs the assets."""
    forgive_before: datetime | None = None
    """Failures that ended before this moment no longer count: whoever types `mosaic run` again wants another try."""

    @cached_property
    def settings(self) -> Settings:
        """The settings in force. Raises `SettingsError` when they are not usable."""
        return load_settings(**self.given)

    def fresh_settings(self) -> Settings:
        """The settings read anew: a sensor lives longer than an edit of the settings file."""
        return load_settings(**self.given)
