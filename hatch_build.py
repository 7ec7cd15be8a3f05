"""Compile the kernels while the package is installed or its wheel is built; without a C compiler it goes on without them."""

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


class CompileKernels(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's hook: puts the compiled library beside its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - Hatchling calls it so
        """Compile, and mark the wheel as made for this kind of machine."""
        source = Path(self.root) / "mosaic_assets" / "core" / "kernels.c"
        target = runpy.run_path(str(source.with_suffix(".py")))["library_path"](source)
        for outdated in source.parent.glob("kernels-*.so"):
            if outdated != target:
                outdated.unlink()
        reason = "" if target.exists() else compiled(source, target)
        if reason:
            self.app.display_warning(f"{source.name} was not compiled, harvests will be slower: {reason}")
            return
        build_data["artifacts"].append(str(target.relative_to(self.root)))
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")


def compiled(source: Path, target: Path) -> str:
    """Compile; return why that failed, or ''."""
    temporary = target.with_suffix(f".{os.getpid()}")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    try:
        command = [*compiler, *FLAGS, "-o", str(temporary), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - the compiler this machine names
    except OSError as error:
        return f"{compiler[0]}: {error.strerror}"
    if done.returncode:
        temporary.unlink(missing_ok=True)
        return done.stderr.strip() or f"{compiler[0]} ended with {done.returncode}"
    temporary.replace(target)
    return ""
