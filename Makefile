# Every target works the same for a newcomer, a maintainer and CI. The environment is .venv.
.DEFAULT_GOAL := help
.PHONY: help setup up check test prove bench load requirements format clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := antrean admission gateway loadtests
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Local wheels and pip's own configuration must not leak into pins that others install.
PIP_COMPILE := env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL -u PIP_CONSTRAINT PIP_CONFIG_FILE=/dev/null \
	$(BIN)/pip-compile --quiet --no-config --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links --build-deps-for editable
# What the user passes on: make up ARGS="--port 9000"
ARGS ?=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.server ## Make .venv with what the service needs

up: $(VENV)/.server ## Start everything on this machine (ARGS="--port 8080 --rate 50")
	@$(BIN)/antrean up $(ARGS)

check: $(VENV)/.dev ## Lint, types, layers and architecture, in under three minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES) deploy/grafana
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/unit/test_architecture.py tests/unit/test_docs*.py tests/unit/test_house.py tests/unit/test_promises.py

test: $(VENV)/.dev ## Run every test but the long proofs (ARGS="-k nik")
	@tools/system_packages.sh
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal $(ARGS)

prove: $(VENV)/.dev ## Run the long proofs (ARGS="-k sentinel")
	@tools/system_packages.sh
	$(BIN)/python -m pytest -m "prove or system" --write-promises $(ARGS)

bench: $(VENV)/.dev ## Measure the CPU of poll, join and claim
	$(BIN)/python -m tests.benchmarks $(ARGS)

load: $(VENV)/.dev ## Run the Locust scenario against the service on loopback
	$(BIN)/python -m loadtests $(ARGS)

# With Debian 12's own Python, 3.11.2: a later one leaves out what that needs.
requirements: $(VENV)/.dev ## Compile the pins from pyproject.toml (ARGS="--upgrade")
	$(PIP_COMPILE) --extra server --extra embedded $(ARGS) -o requirements/server.txt pyproject.toml
	$(PIP_COMPILE) --extra server --extra embedded --extra dev -c requirements/server.txt $(ARGS) \
		-o requirements/dev.txt pyproject.toml

format: $(VENV)/.dev ## Format the code and mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove .venv, caches and build leftovers, but no data
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say what .venv holds, so that nothing is installed twice.
$(VENV)/.server: requirements/server.txt pyproject.toml
	@tools/virtual_environment.sh $(VENV)
	@echo "Installing the service into $(VENV) …"
	@$(PIP_INSTALL) --require-hashes -r requirements/server.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.server
	@echo "Installing the tools for checks and tests into $(VENV) …"
	@$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@
