"""Each test of what the compiled kernels compute runs twice: with them, and with the numpy code that stands in for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from mosaic_assets.core import colour, phash
from mosaic_assets.core.kernels import kernels


def need_kernels() -> None:
    """Skip where nothing can be compiled; elsewhere the kernels are expected to be there."""
    if kernels() is None and not shutil.which(os.environ.get("CC", "cc").split()[0]):
        pytest.skip("there is no C compiler here, so the installation goes without its compiled kernels")
    assert kernels(), "the kernels were not compiled: install the project anew, as `make test` does"


@pytest.fixture(scope="module", params=["compiled", "numpy"])
def each_way(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "compiled":
            need_kernels()
        else:
            for module in (colour, phash):
                patch.setattr(module, "kernels", lambda: None)
        yield request.param
