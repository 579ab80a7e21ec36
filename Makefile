# Every target makes its own environment in .venv, from the versions in requirements/.
# `make PYTHON=/path/to/python3.12 run` chooses the interpreter.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$name; break; fi; done)
SPEC ?= specs/digits.nn
TESTS ?= tests
FAULT ?=
N ?= 1000
FIRST ?= 0
BIN := .venv/bin

.PHONY: help run test long mutate fuzz gpu lint fmt bench docs dist

help:  ## say what can be made
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 16

run: .venv/run.stamp  ## train specs/digits.nn (SPEC=... for another)
	@$(BIN)/python -m specc run $(SPEC)

test: .venv/dev.stamp  ## run every test but the long ones (TESTS=... for some)
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(TESTS)

long: .venv/dev.stamp  ## run the tests that take minutes
	@$(BIN)/python -m pytest -m long $(TESTS)

mutate: .venv/dev.stamp  ## plant faults, one at a time, and report who notices (FAULT=... for some)
	@$(BIN)/python -m tests.mutate -k "$(FAULT)"

fuzz: .venv/dev.stamp  ## hold the backends to N random models (N=1000, FIRST=0)
	@$(BIN)/python -m tests.random_models.fuzz $(N) $(FIRST)

gpu: .venv/dev.stamp  ## run on CUDA what the tests ask of torch (needs a CUDA build of it)
	@$(BIN)/python -m pytest --torch-device cuda -n auto --maxprocesses 8 --dist worksteal \
		tests/backends/test_torch*.py tests/backends/test_scan*.py tests/compare \
		tests/random_models tests/training

lint: .venv/dev.stamp  ## check style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

fmt: .venv/dev.stamp  ## put the Python files and the specs into their one format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/python -m specc fmt specs/*.nn specc/std/*.nn benchmarks/specs/*.nn

bench: .venv/dev.stamp  ## measure start-up and training steps and write docs/benchmarks.md
	@$(BIN)/python -m benchmarks --write docs/benchmarks.md

docs: .venv/dev.stamp  ## write docs/errors.md from specc/codes
	@$(BIN)/python -m specc.codes > docs/errors.md

dist: .venv/dev.stamp  ## build the wheel and the source distribution into dist/
	@$(BIN)/python -m build --no-isolation

.venv/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "specc needs Python 3.11 or newer. python3 here is: $$(python3 --version 2>&1 || true)" >&2; \
		echo "Install one (python.org, or your system's packages) and run make again," >&2; \
		echo "or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; fi
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Could not make an environment (on Debian and Ubuntu: apt install python3-venv)." >&2; \
		exit 1; }

.venv/run.stamp: requirements/run.txt pyproject.toml | .venv/bin/python
	@echo "Installing what specc needs (a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/run.stamp
	@echo "Installing what the tests need (some minutes, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@
