# `make run` trains, evaluates and exports a model on generated scans; `make test` runs the tests.
# Both install the project into .venv first, and only when its dependencies have changed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
READY := $(VENV)/.ready
export PATH := $(BIN):$(PATH)

.PHONY: run install test test-fast lint docs experiments clean

run: $(READY)
	dvc repro
	@brainseg headline

install: $(READY)

test: $(READY)
	OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

# What computes, for the loop while editing: a minute.
FAST := $(addprefix tests/,formats framing masks preprocessing project scan scoring splits)
test-fast: $(READY)
	OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --dist loadfile -m 'not slow and not long' $(FAST) $(ARGS)

lint: $(READY)
	ruff check .
	ruff format --check .
	mypy

docs: $(READY)
	python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo "site: file://$(CURDIR)/docs/_build/html/index.html"

# Of all that DVC knows of an experiment: what was changed in it, and the Dice it came to.
COLUMNS_SHOWN := Experiment$$|State$$|(val|test)\.dice$$|(ingest|preprocess|split|augment|train|evaluate|export)\.
NO_COUNTS := (?!\w*(patients|slices|pixels_per_slice)$$)
experiments: $(READY)
	@dvc exp show --only-changed --no-pager --drop '^(?!$(COLUMNS_SHOWN)$(NO_COUNTS)\w+$$)' $(ARGS)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .scratch .mypy_cache .ruff_cache .pytest_cache
