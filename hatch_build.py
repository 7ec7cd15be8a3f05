"""Compile the C sources while the package is installed or its wheel is built; where that fails it goes on without them.

``CC``, ``CFLAGS`` and ``LDFLAGS`` are heeded.
"""

from __future__ import annotations

import os
import runpy
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-shared")

LIBRARIES = {"kernels.c": (), "jpegs.c": ("-ljpeg",)}
"""The sources, and what each is linked with."""


class CompileSources(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's hook: puts each compiled library beside its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - Hatchling calls it so
        """Compile, and mark the wheel as made for this kind of machine."""
        folder = Path(self.root) / "mosaic_assets" / "core"
        library_path = runpy.run_path(str(folder / "kernels.py"))["library_path"]
        for name, libraries in LIBRARIES.items():
            target = library_path(folder / name)
            for outdated in folder.glob(f"{Path(name).stem}-*.so"):
                if outdated != target:
                    outdated.unlink()
            reason = "" if target.exists() else compiled(folder / name, target, *libraries)
            if reason:
                self.app.display_warning(f"{name} was not compiled, harvests will be slower: {reason}")
                continue
            build_data["artifacts"].append(str(target.relative_to(self.root)))
            build_data["pure_python"] = False
            build_data["tag"] = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")


def compiled(source: Path, target: Path, *libraries: str) -> str:
    """Compile; return why that failed, or ''."""
    temporary = target.with_suffix(f".{os.getpid()}")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags, places = (shlex.split(os.environ.get(name, "")) for name in ("CFLAGS", "LDFLAGS"))
    try:
        command = [*compiler, *FLAGS, *flags, "-o", str(temporary), str(source), *places, *libraries]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - the compiler this machine names
    except OSError as error:
        return f"{compiler[0]}: {error.strerror}"
    if done.returncode:
        temporary.unlink(missing_ok=True)
        return done.stderr.strip() or f"{compiler[0]} ended with {done.returncode}"
    temporary.replace(target)
    return ""
