# Everything a person or CI does here. `make` alone lists it; each target does its own set-up first.
SHELL := /bin/sh
UV_VERSION := 0.13.8
# uv from PATH, or one of our own in .tools: python3 is all that must be there. Relative paths: folders may have spaces.
OWN_UV := .tools/uv/bin/uv
ON_PATH := $(shell command -v uv 2>/dev/null)
UV := $(if $(ON_PATH),uv,$(OWN_UV))
VENV := .venv/.made
RUN := $(UV) run --frozen --no-sync
# `make check` runs these, and `make test` begins with it.
RULES := tests/infrastructure/test_rules.py
# The slow tests wait for terraform most of their time, two worlds of them: there is room for one process more.
WORKERS := 3
export UV_COMPILE_BYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help rehearse dev adapter test thorough unit check docs bench clean
# Tools run side by side within a target where that pays; targets themselves come one after the other, -j or not.
.NOTPARALLEL:

help:  ## print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

rehearse: $(VENV)  ## run the whole pipeline against an AWS in a box
	@$(RUN) ferry rehearse

# Ctrl-C ends both.
dev: $(VENV)  ## the page and its stream on this machine, with made-up news
	@export PYTHONPATH=src:src/lambdas ENVIRONMENT=dev; trap 'kill $$stream 2>/dev/null' EXIT; \
	  $(RUN) python -m sse_streaming & stream=$$!; STREAM_URL=http://localhost:8080 $(RUN) python -m dashboard

test: $(VENV) check adapter  ## everything: checks, unit tests, terraform, a whole rehearsal
	$(RUN) pytest -n $(WORKERS) --deselect $(RULES) -m "not thorough"

thorough: $(VENV) adapter  ## what takes minutes a test: every instant at which a run can die
	$(RUN) pytest -n $(WORKERS) -m thorough

# Lambda's web adapter runs images in the box as Lambda does. Cargo builds it once, into the user's cache; without one
# the tests that need it say so and are skipped.
adapter: $(VENV)
	-@command -v cargo >/dev/null && $(RUN) python -m awsbox.lambdas.adapter

unit: $(VENV)  ## the fast tests alone, under a minute
	$(RUN) pytest -n auto -m "not slow and not engine"

check: $(VENV)  ## lint, format, types, lock files, terraform
	$(UV) lock --check
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	@command -v terraform >/dev/null || { \
	  echo "error: terraform is not on PATH"; echo "  next: install terraform 1.11 or newer, then make again"; exit 1; }
	TF_CLI_CONFIG_FILE= terraform fmt -check -recursive infrastructure
	@if command -v tflint >/dev/null; then cd infrastructure && tflint --recursive; \
	  else echo "tflint is not on PATH: terraform is checked without it"; fi
	$(RUN) pytest -q $(RULES)

docs: $(VENV)  ## write the generated parts of docs/reference anew
	$(RUN) python docs/generate.py

bench: $(VENV)  ## measure speed, as ratios against a baseline in the same run
	$(RUN) python bench/startup.py
	$(RUN) python bench/box_memory.py
	$(RUN) python bench/packages.py
	$(RUN) python bench/sse_streams.py
	$(RUN) python bench/builds.py
	$(RUN) python bench/engine_builds.py
	$(RUN) python -m bench.deploys

clean:  ## remove what was made here
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis .ferry dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV): uv.lock pyproject.toml .python-version $(if $(ON_PATH),,| $(OWN_UV))
	$(UV) sync --locked --all-extras
	@touch $(VENV)

# Some systems split venv from python3; pip alone will do.
$(OWN_UV):
	@echo "uv is not on PATH: installing uv $(UV_VERSION) into .tools"
	@{ python3 -m venv .tools/uv && .tools/uv/bin/python -m pip install --quiet uv==$(UV_VERSION); } \
	  || { rm -rf .tools/uv; python3 -m pip install --quiet --target .tools/uv uv==$(UV_VERSION); } \
	  || { rm -rf .tools/uv; echo "error: uv could not be installed"; \
	       echo "  next: install uv (https://docs.astral.sh/uv), then make again"; exit 1; }
