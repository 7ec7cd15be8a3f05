"""Each test of what the compiled kernels compute runs twice: with them, and with the numpy code that stands in for them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from mosaic_assets.core import colour, phash
from mosaic_assets.core.jpegs import jpegs
from mosaic_assets.core.kernels import kernels


def need_kernels() -> None:
    """Skip where nothing can be compiled; elsewhere the kernels are expected to be there."""
    if kernels() is None and not shutil.which(os.environ.get("CC", "cc").split()[0]):
        pytest.skip("there is no C compiler here, so the installation goes without its compiled kernels")
    assert kernels(), "the kernels were not compiled: install the project anew, as `make test` does"


def need_jpegs() -> None:
    """Skip where libjpeg-turbo's development files are not installed; elsewhere the decoder is expected to be there."""
    need_kernels()
    if jpegs() is None and not _has_jpeglib():
        pytest.skip("there is no jpeglib.h of libjpeg-turbo here, so tiles are decoded one by one")
    assert jpegs(), "the decoder was not compiled: install the project anew, as `make test` does"


def _has_jpeglib() -> bool:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    source = "#include <stdio.h>\n#include <jpeglib.h>\n#ifndef LIBJPEG_TURBO_VERSION\n#error\n#endif\n"
    done = subprocess.run([*compiler, "-xc", "-fsyntax-only", "-"], input=source, capture_output=True, text=True)
    return done.returncode == 0


@pytest.fixture(scope="module", params=["compiled", "numpy"])
def each_way(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "compiled":
            need_kernels()
        else:
            for module in (colour, phash):
                patch.setattr(module, "kernels", lambda: None)
        yield request.param
