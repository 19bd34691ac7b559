# Everything a person or CI does here. `make` alone lists it; each target does its own set-up first.
SHELL := /bin/sh
UV_VERSION := 0.13.8
# uv from PATH, or one of our own in .tools: python3 is all that must be there.
UV := $(or $(shell command -v uv 2>/dev/null),$(CURDIR)/.tools/uv/bin/uv)
VENV := .venv/.made
RUN := $(UV) run --frozen --no-sync
export UV_COMPILE_BYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help rehearse test unit check bench clean

help:  ## print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

rehearse: $(VENV)  ## run the whole pipeline against an AWS in a box
	@$(RUN) ferry rehearse

test: $(VENV) check  ## everything: checks, unit tests, terraform, a whole rehearsal
	$(RUN) pytest

unit: $(VENV)  ## the fast tests alone, under a minute
	$(RUN) pytest -m "not slow and not engine"

check: $(VENV)  ## lint, format, types, lock files, terraform format
	$(UV) lock --check
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	TF_CLI_CONFIG_FILE= terraform fmt -check -recursive infrastructure

bench: $(VENV)  ## measure speed, as ratios against a baseline in the same run
	$(RUN) python bench/startup.py
	$(RUN) python bench/box_memory.py

clean:  ## remove what was made here
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis .ferry dist

$(VENV): uv.lock pyproject.toml .python-version | $(UV)
	$(UV) sync --locked --all-extras
	@touch $(VENV)

$(CURDIR)/.tools/uv/bin/uv:
	@echo "uv is not on PATH: installing uv $(UV_VERSION) into .tools"
	@python3 -m venv .tools/uv && .tools/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) \
	  || { echo "error: uv could not be installed"; echo "  next: install uv (https://docs.astral.sh/uv), then make again"; exit 1; }
