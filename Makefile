# Every target sets itself up: on a fresh machine with Python 3.11 or newer, `make train` is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup train test theory parity check mutate clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done  ## make .venv and install the project into it, at the pinned versions

$(VENV)/.done: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo 'No $(PYTHON) here: install Python 3.11 or newer, or try make PYTHON=...'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "grao_ref needs Python 3.11 or newer, found " + sys.version.split()[0] + "; try: make PYTHON=python3.11 ...")'
	@echo 'Installing torch and the rest into $(VENV), 1.5 GB or more: a few minutes, once.'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/.done-%: $(VENV)/.done
	$(PIP) --editable '.[$*]'
	@touch $@

train: setup  ## the main job: train the embedded model, show the result (ARGS="--preset bandit": a bandit)
	$(BIN)/python -m grao_ref.train $(ARGS)

test: setup  ## every test that needs no other trainer, with the equations' coverage (ARGS="-k advantage": some)
	$(PYTEST) -n 2 $(if $(ARGS),$(ARGS),--cov=grao_ref/equations --cov-fail-under=100)

theory: setup  ## settle every claim of the paper, compare with theory/REPORT.md (ARGS="--only claim-4": one)
	OMP_NUM_THREADS=1 $(BIN)/python -m theory $(ARGS)

parity: $(VENV)/.done-parity  ## the same numbers from TRL, an independent oracle
	GRAO_REQUIRE_PARITY=1 $(PYTEST) tests/parity $(ARGS)

check: setup  ## lint, types in strict mode, the examples in the docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) --doctest-modules grao_ref theory -q

mutate: $(VENV)/.done-mutate  ## mutation testing of the equations (half an hour)
	GRAO_HYPOTHESIS=museum GRAO_CHECK_SHAPES=0 $(BIN)/mutmut run $(ARGS)
	$(BIN)/mutmut results

clean:  ## remove what was built, not what was trained
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
