# Crisol's commands. `make run` and `make test` create the environment first if it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
READY := $(VENV)/.ready
family ?= signals
host ?= 127.0.0.1

# The lock is compiled for the CPU build of torch. If PIP_FIND_LINKS names a source of that build, uv uses
# it; otherwise uv uses PyTorch's own CPU index.
FIND_LINKS := $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS))
TORCH_SOURCE := $(if $(FIND_LINKS),--find-links $(FIND_LINKS),--torch-backend cpu)

.DEFAULT_GOAL := help
.PHONY: help install run test test-all lint lab ui serve platform lock clean

help: ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/'

install: $(READY) ## create .venv with the locked packages, Crisol itself and the pretrained weights

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11), f"Crisol needs Python 3.11, this is {sys.version}"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(TORCH_SOURCE) --compile-bytecode -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/kedro fetch weights
	touch $@

run: install ## train, promote, bundle and serve a family, send one request, stop (make run family=recommender)
	$(BIN)/kedro run --pipelines $(family)
	$(BIN)/kedro promote $(family)
	$(BIN)/kedro bundle $(family)
	$(BIN)/python -m crisol.serving.bundle.trial $(family)

test: install ## run every test except the slow ones
	$(BIN)/python -m pytest -n 2 -m 'not slow'

test-all: install ## run the slow tests, and the numeric ones with the instructions of older processors
	$(BIN)/python -m pytest -n 2 -m slow
	ATEN_CPU_CAPABILITY=default $(BIN)/python -m pytest -n 2 -m numeric
	ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest -n 2 -m numeric

lint: install ## check format, lint, types, import contracts, spelling and notebooks without outputs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/nbstripout --verify notebooks/*.ipynb

lab: install ## start JupyterLab in notebooks/
	$(BIN)/jupyter lab notebooks

ui: install ## start the MLflow UI on the store of conf/base
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --workers 1 --backend-store-uri sqlite:///mlflow.db --port 5000

serve: install ## serve the newest bundle of a family on this machine only: make serve family=signals [host=0.0.0.0]
	$(BIN)/bentoml serve $(family):latest --host $(host)

platform: install ## serve datasets, training jobs and versions over HTTP on this machine only, with a new API key
	$(BIN)/kedro platform --dev

lock: $(READY) ## compile requirements.lock from pyproject.toml (on Linux)
	echo 'torch==2.13.0+cpu' | $(BIN)/uv pip compile pyproject.toml --constraints - --all-extras $(TORCH_SOURCE) \
		--python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.lock
	sed -i.bak -E 's/^(torch==[0-9.]+)\+cpu/\1/' requirements.lock && rm requirements.lock.bak

clean: ## remove the files of runs and caches (not .venv, mlflow.db or the bundles)
	rm -rf data/0[2-8]_* .pytest_cache .ruff_cache .mypy_cache
