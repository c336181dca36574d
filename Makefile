# PYTHON chooses the interpreter of a new .venv; ARGS is handed to the command that a target runs.
PYTHON ?=
ARGS ?=

CANDIDATES := $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11)
IN := .venv/bin/
INSTALL := $(IN)python -m pip install -qq --constraint requirements-dev.lock

# What pip warns of (root, its own age, the shape of an index) says nothing about a private .venv.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-integrations check lint sql-lint format audit sandbox bench bench-peers simulate picture lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: .venv/.run ## sync a local sandbox into an embedded Postgres and show the result
	@$(IN)python -m etl demo $(ARGS)

test: lint sql-lint audit .venv/.browser ## everything that CI asks for: lint, sql-lint, audit and all tests
	$(IN)python -m pytest -n auto --dist loadgroup $(ARGS)

test-integrations: .venv/.dev ## what is in docs/integrations, with the tools themselves (dbt, Airflow, Dagster)
	$(IN)python -m pytest -m integration $(ARGS)

check: test ## the same as make test

lint: .venv/.dev ## style, format, types and the direction of imports
	$(IN)python -m ruff check .
	$(IN)python -m ruff format --check .
	$(IN)python -m mypy
	$(IN)lint-imports --no-logo

sql-lint: .venv/.dev ## the SQL of the migrations and the fixed statements
	@mkdir -p build
	$(IN)python -m etl migrate --sql --from base > build/migrations.sql
	$(IN)python -m tests.statements > build/statements.sql
	$(IN)squawk build/migrations.sql build/statements.sql

format: .venv/.dev ## put the code into its form
	$(IN)python -m ruff check --fix-only .
	$(IN)python -m ruff format .

# The report is written whenever an answer came; an empty one beside a failure means that nobody could be asked.
audit: .venv/.dev ## known vulnerabilities of the locked packages; passes when the network is away
	@mkdir -p build && : > build/audit.txt
	@if $(IN)python -m pip_audit --requirement requirements-dev.lock --no-deps --disable-pip \
	    --progress-spinner off --timeout 10 --output build/audit.txt 2> build/audit.log; then \
	    echo "audit: $$(tail -n 1 build/audit.log); not looked up: $$(grep -c 'could not be audited' build/audit.txt)"; \
	elif [ -s build/audit.txt ]; then \
	    cat build/audit.txt >&2; exit 1; \
	else \
	    echo "audit: not done, the network is away ($$(tail -n 1 build/audit.log))" >&2; \
	fi

sandbox: .venv/.run ## serve the local stand-in for the Talkdesk API
	@$(IN)python -m etl sandbox $(ARGS)

bench: .venv/.dev ## measure this product, the floors and a plain script
	@$(IN)python -m tests.bench $(ARGS)

bench-peers: .venv/.dev ## the same with dlt and the Singer pair beside them
	@$(IN)python -m tests.bench --peers $(ARGS)

simulate: .venv/.dev ## how old copies get with many accounts: renews the tables of docs/explanation/scale.md
	@$(IN)python -m tests.simulate $(ARGS)

# The extra `demo` is left out: it names this project itself, which would put this folder's path into the lock.
picture: .venv/.dev ## what make run prints, as the picture in the README
	@$(IN)python -m tests.docs.picture

lock: .venv/.dev ## renew requirements-dev.lock; ARGS=--upgrade takes the newest versions
	CUSTOM_COMPILE_COMMAND="make lock" $(IN)python -m piptools compile --quiet --strip-extras --no-emit-options \
	    --extra embedded --extra sandbox --extra report --extra dev --output-file requirements-dev.lock pyproject.toml $(ARGS)

clean: ## remove all that make has made, .venv included; no warehouse is touched
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# Stamps are relative, so a path with spaces never reaches make's own word splitting.
.venv/.python:
	@for python in $(CANDIDATES); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || continue; \
	    if "$$python" -c 'import ensurepip, venv' 2> /dev/null; then \
	        "$$python" -m venv .venv && touch $@; exit; \
	    fi; \
	    bare=$$python; \
	done; \
	if [ -n "$$bare" ]; then \
	    echo "$$bare cannot make a virtual environment: install its venv module (Debian, Ubuntu: apt-get install python3-venv)" >&2; \
	else \
	    echo "Python 3.11 or newer is needed and none was found: install it, or name it with make PYTHON=/path/to/python" >&2; \
	fi; exit 1

.venv/.run: .venv/.python pyproject.toml requirements-dev.lock
	@echo "installing talkdesk-etl into .venv" >&2
	@$(INSTALL) --editable '.[demo]'
	@touch $@

# Pages are tested in a real browser: where there is none, Debian's is installed if that can be done; else the tests
# that need it are skipped by name, and the others run.
.venv/.browser: .venv/.dev
	@if ! $(IN)python -m tests.browser.chromium && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	    echo "installing Debian's Chromium for the tests of pages" >&2; \
	    mkdir -p build; export DEBIAN_FRONTEND=noninteractive; \
	    { timeout 150 apt-get install -y -qq --no-install-recommends chromium || \
	        { timeout 60 apt-get update -qq && timeout 200 apt-get install -y -qq --no-install-recommends chromium; }; \
	    } > build/chromium.log 2>&1 || true; \
	fi
	@if $(IN)python -m tests.browser.chromium; then touch $@; else \
	    echo "no Chromium is there: pages are not tested in a browser; all else is" >&2; fi

.venv/.dev: .venv/.run
	@echo "installing the development tools into .venv" >&2
	@$(INSTALL) --editable '.[demo,dev]'
	@touch $@
