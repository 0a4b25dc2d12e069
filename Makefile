# make demo   clips made on this machine -> datasets, models, report   (sets everything up first)
# make test   linters, types, tests                                     (sets everything up first)
# make setup  only .venv
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.PHONY: demo test setup
.DEFAULT_GOAL := demo

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt overrides.txt tools/install.py
	@$(PYTHON) tools/install.py

demo: setup
	@onscreen sample
	@[ ! -d data/raw ] || [ -f data/raw.dvc ] || dvc add --quiet data/raw
	@dvc repro
	@onscreen track
	@onscreen show

test: setup
	ruff check
	ruff format --check
	mypy
	pytest -n auto --dist loadfile --no-loadscope-reorder --durations=15
