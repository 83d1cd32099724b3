# `make demo` and `make test` do all the set-up on a bare machine: Python 3.11 or newer, pip, make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pip's own chatter hides what matters; its errors still show.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEPENDENCIES := pyproject.toml constraints.txt
.DEFAULT_GOAL := demo

.PHONY: help demo test quick lint types clean

help:
	@echo "make demo    set up .venv and run the quickstart's search"
	@echo "make test    everything: ruff, mypy and all tests; some fifteen minutes on two cores"
	@echo "make quick   tests without Ray, compilers, browsers and long runs: within a minute"
	@echo "make lint    ruff"
	@echo "make types   mypy"
	@echo "make clean   remove .venv and everything that tools have left"

demo: $(VENV)/.installed
	$(BIN)/paretune search search_spaces/quickstart.yaml

test: $(VENV)/.installed-dev lint types
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

quick: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --quiet --numprocesses 2 --dist worksteal --no-header -m "not (ray or compiler or network or slow or gpu)"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "paretune needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python $(DEPENDENCIES)
	@echo "Installing paretune and what it needs into $(VENV) ..."
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests need into $(VENV) ..."
	$(PIP) install --constraint constraints.txt --editable ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
