# `make run` trains, evaluates and exports a model on generated scans; `make test` runs the tests.
# Both install the project into .venv first, and only when its dependencies have changed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
READY := $(VENV)/.ready
export PATH := $(BIN):$(PATH)

.PHONY: run test lint clean

run: $(READY)
	dvc repro
	@brainseg headline

test: $(READY)
	python -m pytest $(ARGS)

lint: $(READY)
	ruff check .
	ruff format --check .
	mypy

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .scratch .mypy_cache .ruff_cache .pytest_cache
