# Crisol's commands. `make run` and `make test` do all of their own set-up.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
READY := $(VENV)/.ready
family ?= signals
host ?= 127.0.0.1

# The lock is compiled for the CPU build of torch. Where pip is told of a place that has it
# (PIP_FIND_LINKS), uv looks there; elsewhere uv chooses PyTorch's own CPU index.
FIND_LINKS := $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS))
TORCH_SOURCE := $(if $(FIND_LINKS),--find-links $(FIND_LINKS),--torch-backend cpu)

.DEFAULT_GOAL := help
.PHONY: help install run test test-all lint lab ui serve platform lock clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/'

install: $(READY) ## .venv with the locked packages and Crisol itself

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11), f"Crisol needs Python 3.11, this is {sys.version}"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(TORCH_SOURCE) --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

run: install ## the whole road of one family: train, promote, bundle, serve, ask, stop (make run family=recommender)
	$(BIN)/kedro run --pipelines $(family)
	$(BIN)/kedro promote $(family)
	$(BIN)/kedro bundle $(family)
	$(BIN)/python -m crisol.serving.bundle.trial $(family)

test: install ## every test but the slow ones
	$(BIN)/python -m pytest -n 2 -m 'not slow'

test-all: install ## the slow tests, and the numeric ones with the instructions of older processors
	$(BIN)/python -m pytest -n 2 -m slow
	ATEN_CPU_CAPABILITY=default $(BIN)/python -m pytest -n 2 -m numeric
	ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest -n 2 -m numeric

lint: install ## format, lint, types, import contracts, spelling, clean notebooks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/nbstripout --verify notebooks/*.ipynb

lab: install ## JupyterLab
	$(BIN)/jupyter lab notebooks

ui: install ## the MLflow UI on the store of conf/base
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --workers 1 --backend-store-uri sqlite:///mlflow.db --port 5000

serve: install ## the newest bundle of a family, for this machine alone: make serve family=signals [host=0.0.0.0]
	$(BIN)/bentoml serve $(family):latest --host $(host)

platform: install ## datasets, training jobs and versions over HTTP, for this machine alone, with a new API key
	$(BIN)/kedro platform --dev

lock: $(READY) ## compile requirements.lock from pyproject.toml (on Linux)
	echo 'torch==2.13.0+cpu' | $(BIN)/uv pip compile pyproject.toml --constraints - --all-extras $(TORCH_SOURCE) \
		--python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.lock
	sed -i.bak -E 's/^(torch==[0-9.]+)\+cpu/\1/' requirements.lock && rm requirements.lock.bak

clean: ## remove what runs made (not .venv, mlflow.db or the bundles)
	rm -rf data/0[2-8]_* .pytest_cache .ruff_cache .mypy_cache
