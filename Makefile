# `make run` and `make test` set up everything themselves: Python >= 3.11 and make are all they need. With a C compiler,
# harvests are faster.
.PHONY: run ui test torture lint check bench lock clean format
.DEFAULT_GOAL := run

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# requirements/*.txt are pinned and hashed; uv, pinned and hashed itself, installs them.
$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml hatch_build.py mosaic_assets/core/kernels.c mosaic_assets/core/jpegs.c
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mosaic_assets needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@# The second try trusts the system's certificates, which a company's proxy may need.
	$(BIN)/uv pip sync --quiet --require-hashes requirements/dev.txt || $(BIN)/uv pip sync --system-certs --quiet --require-hashes requirements/dev.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

run: $(READY)  ## grow a colour library to its target on embedded imagery, offline
	$(BIN)/mosaic run

ui: $(READY)  ## the Dagster UI and daemon, sensors on
	$(BIN)/mosaic up

test: $(READY)  ## all tests, on every core
	$(BIN)/python -m pytest -n auto --dist worksteal

torture: $(READY)  ## libraries grown under a hundred and more SIGKILLs, with a tally
	$(BIN)/python -m mosaic_assets_tests.torture

lint: $(READY)  ## format, lint, types, import contracts, code location
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/dagster definitions validate -w workspace.yaml

check: lint test  ## everything that CI checks

format: $(READY)  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## every benchmark, each printing its ratio
	for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lock: $(READY)  ## pin the dependencies anew
	$(BIN)/uv pip compile -q -U --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links requirements/bootstrap.in -o requirements/bootstrap.txt
	$(BIN)/uv pip compile -q -U --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --extra dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links -c requirements/dev.txt pyproject.toml -o requirements/base.txt

clean:  ## remove what can be made again (never the data home)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist mosaic_assets/core/*.so
