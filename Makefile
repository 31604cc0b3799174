# Each target sets up what it needs: a virtual environment in .venv with the pinned packages.
#   make run [ENV=dev] [RELEASE=path/to/migrations]

ENV     ?= dev
RELEASE ?=
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
PYTEST  := $(BIN)/python -m pytest -n 2 --dist loadgroup

# Compiled modules make a kernel start three times as fast.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-all test-account lint lab notebooks docs bench requirements stop clean

run: $(READY)
	@PATH="$(CURDIR)/$(BIN):$$PATH" papermill notebooks/run.ipynb out.ipynb -p env "$(ENV)" -p release "$(RELEASE)"; \
	status=$$?; echo "evidence: $$(ls -d runs/"$(ENV)"/* 2>/dev/null | tail -n 1)"; exit $$status

# One of each kind, to run after each change; tests/README.md says what is where.
test: $(READY)
	$(PYTEST) -m "not slow"

# And the slow proofs.
test-all: test
	$(PYTEST) -m slow

# What depends on the account that runs it.
test-account: $(READY)
	$(PYTEST) -m account

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" jupyter lab --notebook-dir=. notebooks/00_brief.ipynb

# Execute the committed notebooks afresh, so that readers and nbval see today's output.
notebooks: $(READY)
	$(BIN)/python -m tests.support.notebooks.committed

# Write the pages and the schemas that come from the code.
docs: $(READY)
	$(BIN)/python -m runbook_lib.config.settings > docs/settings.md
	$(BIN)/python -m runbook_lib.evidence.schemas docs/schemas

# Against psql and pg_restore, on a server of their own; minutes, and best with nothing beside.
bench: $(READY)
	for name in reading apply lanes write_stall rehearsal backup; do \
	    echo "--- $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

# Pin what pyproject.toml asks for, for every platform.
requirements: $(READY)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-annotate \
	    --no-emit-index-url --no-emit-find-links --no-header --output-file requirements.in pyproject.toml
	{ echo "# Compiled from pyproject.toml by 'make requirements'."; cat requirements.in; \
	  echo "--editable ."; } > requirements.txt
	rm requirements.in

stop: $(READY)
	$(BIN)/python -m runbook_lib.postgres.embedded stop .

clean: stop
	rm -rf $(VENV) .runbook

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $(READY)
