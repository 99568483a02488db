# The one menu. Every target sets up what it needs.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ONCE ?=
ONLY ?=
CODE := domain data_contracts integrations store templates services tasks flows gateway handrail
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.PHONY: help setup demo test test-real fast check bench prove soak format lock clean

help:  ## this menu
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | expand -t 10

setup: $(STAMP)  ## the environment in .venv, from the pinned requirements

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Handrail needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q $(CODE)
	@touch $(STAMP)

demo: setup  ## from nothing to the whole system on real input (ONCE=1: summary as JSON, then stop)
	$(BIN)/handrail demo $(if $(ONCE),--once)

test: setup  ## all tests: three at a time, as many of them wait, then those that start processes, by themselves
	@failed=0; \
	  $(BIN)/python -m pytest -n 3 -m "not process and not prefect and not real" || failed=1; \
	  $(BIN)/python -m pytest -m "process or prefect" || failed=1; \
	  exit $$failed

test-real: setup  ## against real systems that start without Docker (a mailbox, by npm); not part of make test
	$(BIN)/python -m pytest -m real -rs

fast: setup  ## the rules, the contracts and the contract kit, seconds
	HYPOTHESIS_PROFILE=fast $(BIN)/python -m pytest -n 2 -m "not process and not prefect and not slow and not postgres" tests/unit/domain tests/unit/data_contracts tests/contract

check: setup  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## put code into its one form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## every benchmark, one JSON line each, for a long while; one alone: python benchmarks/NAME.py
	@for bench in benchmarks/[a-z]*.py; do $(BIN)/python $$bench || exit 1; done

prove: setup  ## what is promised, under fire, for an hour at most; writes docs/proof.md (ONLY=mutants: that part again)
	$(BIN)/python tests/prove/prove.py $(if $(ONLY),--only $(ONLY))

soak: setup  ## random histories of the ledger, of journeys and of reviews, MINUTES=30 from SEED=1; a failing seed is kept as a test
	$(BIN)/python tests/prove/histories.py --of all --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1)

lock: setup  ## pin and hash the requirements anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --extra dev -c requirements.txt -o requirements-dev.txt

clean:  ## forget the environment and what the stack kept
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
