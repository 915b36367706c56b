# The two commands: `make demo` shows caffekit at work, `make test` proves it.
# PIP_FLAGS goes to pip: the README says how to get PyTorch's smaller CPU build with it.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
PIP_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(PIP_FLAGS)

.PHONY: help install demo demo-exploding test test-all check lint docs bench bvlc clean

help:
	@echo "make demo            folder of images -> trained .caffemodel, on scikit-learn's digits"
	@echo "make demo-exploding  the same with a base_lr far too large: caffekit repairs the training"
	@echo "make test            set up what the tests need (real BVLC Caffe where possible) and run them"
	@echo "make test-all        the slow tests too"
	@echo "make check           ruff, mypy, generated files up to date, and the tests"
	@echo "make bench           speed as ratios against real Caffe, into docs/benchmarks.md"
	@echo "make docs            regenerate the command and configuration reference"
	@echo "make clean           remove what demo and tests made (not .venv, not .bvlc-caffe)"

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "caffekit needs Python 3.11 or newer: none found; name one with make PYTHON=..." >&2; exit 1; }
	@echo "installing caffekit and its pinned dependencies into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed

demo: $(VENV)/.installed
	@scripts/demo demo configs/digits.yaml

demo-exploding: $(VENV)/.installed
	@scripts/demo demo configs/digits_exploding.yaml

# Loud when it cannot be had; the tests that need it then skip and say so.
bvlc:
	@scripts/install-bvlc-caffe --if-possible

test: $(VENV)/.installed-dev bvlc
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: $(VENV)/.installed-dev bvlc
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/.installed-dev
	@scripts/check

check: lint test

# Ratios against real Caffe in the same run; never part of the tests.
bench: $(VENV)/.installed-dev bvlc
	@$(BIN)/python scripts/bench

docs: $(VENV)/.installed-dev
	$(BIN)/python scripts/docs

clean:
	rm -rf demo build runs dist .pytest_cache .mypy_cache .ruff_cache
