# Every task of the project, for people and for CI alike. `make help` lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip --disable-pip-version-check --quiet
# npm and what it starts find Node of the environment.
NPM    := PATH="$(CURDIR)/$(BIN):$$PATH" npm

# pip, with a line for each package; a pipe has the status of its last command, so that of pip goes through a file.
define install
{ $(BIN)/pip --disable-pip-version-check install --progress-bar off $(1) || touch $(VENV)/.failed; } \
	| awk '/^Collecting/ {print "  " $$2; fflush()} /^Installing/ {print "  unpacking"; fflush()}'; \
	if [ -e $(VENV)/.failed ]; then rm $(VENV)/.failed; false; fi
endef

# The pages stand here when they are built; the last file of a build is as new as all of them.
PAGE    := src/tinycdp/static/console/demo.html
SOURCES := $(shell find src/console sdk-ts/src \( -name node_modules -o -name test \) -prune -o -type f -print)

# Tests run in parallel, three at once on two cores, eight at most; PYTEST_WORKERS says otherwise, 0 is none.
PYTEST_WORKERS ?= auto
PARALLEL := -n $(PYTEST_WORKERS) --dist worksteal

# What is killed, frozen or taken away.
FAULTS := $(addprefix tests/integration/,server/test_random_kills.py ingest/test_kill.py analytics/test_feed_killed.py \
	delivery/test_delivery_killed.py decisions/test_database_away.py decisions/test_database_frozen.py)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run serve console test test-fast test-deep test-faults lint format bench bench-engine bench-analytics load schema lock clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.runtime ## Prepare the environment in .venv, without serving

# PORT and DATA_DIR are short for two settings.
SETTINGS := TINYCDP_PORT="$${PORT:-$$TINYCDP_PORT}" TINYCDP_DATA_DIR="$${DATA_DIR:-$$TINYCDP_DATA_DIR}"

run: $(VENV)/.runtime ## Serve the example shop, to try it (PORT=8000 DATA_DIR=.data); Ctrl-C stops
	@$(MAKE) --no-print-directory console 2>$(VENV)/console.log || \
		echo "The pages cannot be built, see $(VENV)/console.log; everything else works" >&2
	@$(SETTINGS) exec $(BIN)/tinycdp serve --demo

serve: $(VENV)/.runtime ## Serve a project of your own, empty at first (PORT=8000 DATA_DIR=.data); Ctrl-C stops
	@$(SETTINGS) exec $(BIN)/tinycdp serve

console: $(PAGE) ## Build the pages that the server shows, such as the demo shop

test: $(VENV)/.dev ## Run every test but the slow ones (PYTEST="-k name" narrows, PYTEST_WORKERS=0: one by one)
	@$(BIN)/pytest $(PARALLEL) $(PYTEST)

test-fast: $(VENV)/.dev ## Run the tests that need no Postgres and no ClickHouse, in seconds
	@$(BIN)/pytest $(PARALLEL) -m "not slow and not postgres and not analytics" tests/unit tests/property tests/conformance $(PYTEST)

test-deep: $(VENV)/.dev ## Run every test, the SQL oracle at length, then what needs Postgres on the system's
	@$(BIN)/pytest $(PARALLEL) -m "" $(PYTEST)
	@TINYCDP_HYPOTHESIS=deep $(BIN)/pytest $(PARALLEL) tests/property/test_sql_oracle.py tests/property/test_verify_laws.py $(PYTEST)
	@TEST_POSTGRES=system $(BIN)/pytest $(PARALLEL) tests/integration tests/conformance/test_vectors_in_sql.py \
		tests/property/test_sql_oracle.py $(PYTEST)

test-faults: $(VENV)/.dev ## Kill every part at random instants under load (FAULT_KILLS=100), and print what came of it
	@$(BIN)/pytest -m "" $(FAULTS) $(PYTEST)

lint: $(VENV)/.dev sdk-ts/node_modules/.package-lock.json src/console/node_modules/.installed-lock.json ## Check style, types, the direction of imports, and advisories
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python .ci/audit.py
	@$(NPM) --prefix sdk-ts run --silent lint
	@$(NPM) --prefix sdk-ts run --silent types
	@$(NPM) --prefix src/console run --silent lint
	@$(NPM) --prefix src/console run --silent types

format: $(VENV)/.dev sdk-ts/node_modules/.package-lock.json src/console/node_modules/.installed-lock.json ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet
	@$(NPM) --prefix sdk-ts run --silent format
	@$(NPM) --prefix src/console run --silent format

bench: $(VENV)/.dev ## Measure, and compare with the numbers the project promises
	@$(BIN)/python -m loadtests

bench-engine: $(VENV)/.dev ## Measure the language and the engine in µs, and against AGAINST=HEAD~1, another commit
	@$(BIN)/python -m loadtests.engine --against "$${AGAINST:-HEAD~1}"

bench-analytics: $(VENV)/.dev ## Measure questions against SQL by hand, the copy of events, and what it costs (EVENTS=10000000)
	@$(BIN)/python -m loadtests.analytics --events "$${EVENTS:-10000000}"

load: $(VENV)/.dev ## Run scenarios of load, with reports in load-reports (LOAD_SECONDS=60, ONLY=mixed)
	@$(BIN)/python -m loadtests.scenarios --seconds "$${LOAD_SECONDS:-60}" $${ONLY:+--only $$ONLY}

schema: $(VENV)/.dev ## Write migrations/schema.sql anew from the migrations
	@UPDATE_SCHEMA=1 $(BIN)/pytest -q tests/integration/store/test_migrations.py -k make_the_schema

lock: $(VENV)/.dev ## Resolve dependencies anew into the three lock files
	@$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	@$(PIP) install --dry-run --ignore-installed --report - . hatchling editables \
		| $(BIN)/python .ci/lock.py > requirements.lock
	@$(PIP) install --dry-run --ignore-installed --report - -c requirements.lock '.[analytics]' \
		| $(BIN)/python .ci/lock.py requirements.lock > requirements-analytics.lock
	@$(PIP) install --dry-run --ignore-installed --report - -c requirements.lock -c requirements-analytics.lock --group dev \
		| $(BIN)/python .ci/lock.py > requirements-dev.lock

clean: ## Remove the environment and everything generated; data folders stay
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf sdk-ts/node_modules sdk-ts/dist src/console/node_modules src/tinycdp/static/console
	find src tests loadtests -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made in two steps, so that `make run` need not wait for the tests' tools. Each step leaves a stamp,
# newer than what it was made from: the second time nothing is left to do.
$(VENV)/.runtime: requirements.lock requirements-analytics.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "TinyCDP needs Python 3.11 or newer; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(BIN)/pip || echo "Making a Python environment in $(VENV)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
		{ echo "This Python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing $$(grep -c == requirements.lock) packages into $(VENV); the first time this takes about a minute"
	@$(call install,-r requirements.lock)
	@echo "Installing analytics: $$(grep -c == requirements-analytics.lock) packages, among them ClickHouse"
	@$(call install,-r requirements-analytics.lock) || \
		echo "Analytics is off: its packages cannot be installed here; docs/how-to/analytics.md says what to do" >&2
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime $(VENV)/.node requirements-dev.lock
	@echo "Installing the tools of development into $(VENV)"
	@$(call install,-r requirements-dev.lock)
	@touch $@

# Node comes from a wheel, so that Python and make are all a machine needs.
$(VENV)/.node: $(VENV)/.runtime requirements-node.lock .ci/link_node.py
	@{ $(call install,-r requirements-node.lock) && $(BIN)/python .ci/link_node.py; } || \
		echo "Node cannot be installed here: what is made of JavaScript is neither built nor tested" >&2
	@touch $@

# npm writes this file last.
sdk-ts/node_modules/.package-lock.json: $(VENV)/.node sdk-ts/package-lock.json
	@echo "Installing the tools of the TypeScript SDK"
	@$(NPM) ci --prefix sdk-ts --silent
	@touch $@

# What builds the pages needs none of the tools that test them. With those installed, nothing is left to install.
src/console/node_modules/.builders: $(VENV)/.node src/console/package-lock.json
	@cmp -s src/console/package-lock.json src/console/node_modules/.installed-lock.json || \
		{ echo "Installing the tools that build the pages" && $(NPM) ci --prefix src/console --omit=dev --silent; }
	@touch $@

# Tests look at the same stamp: tests/javascript.py.
src/console/node_modules/.installed-lock.json: $(VENV)/.node src/console/package-lock.json
	@echo "Installing the tools of the pages"
	@$(NPM) ci --prefix src/console --silent
	@cp src/console/package-lock.json $@

$(PAGE): src/console/node_modules/.builders $(SOURCES)
	@echo "Building the pages"
	@$(NPM) --prefix src/console run --silent build
