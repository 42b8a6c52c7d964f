# `make help` lists the targets. Everything happens in a virtual environment of its own under $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REPORT := build/demo.json

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit bench clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/python -m compileall -q energywrap
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.demo: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

demo: $(VENV)/.demo  ## Train a small model under energywrap; show the table and the JSON report
	@mkdir -p build
	$(BIN)/energywrap run --quiet --label demo --output $(REPORT) -- $(BIN)/python benchmarks/train_digits.py
	@echo "--- $(REPORT), as JSON:"
	@cat $(REPORT)
	@echo "--- and as the table that a run without --quiet prints:"
	@$(BIN)/energywrap show $(REPORT)

test: lint unit  ## Lint, types, layers and tests

lint: $(VENV)/.dev  ## ruff, mypy --strict and the import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

unit: $(VENV)/.dev  ## The tests alone
	$(BIN)/python -m pytest

bench: $(VENV)/.dev  ## What wrapping costs, the same jobs under peers, a large ledger
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/same_jobs.py
	$(BIN)/python benchmarks/ledger.py --runs 100000

clean:  ## Remove what the other targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
