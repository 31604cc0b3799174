# Each target sets up what it needs: a virtual environment in .venv with the pinned packages.
#   make run [ENV=dev] [RELEASE=path/to/migrations]

ENV     ?= dev
RELEASE ?=
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
PYTEST  := $(BIN)/python -m pytest -n 3 --dist loadgroup

# Compiled modules make a kernel start three times as fast.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-all test-account lint lab notebooks screens docs bench requirements stop clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' Makefile

run: $(READY) ## Take a release through every phase: make run [ENV=dev] [RELEASE=directory]
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m runbook_lib run "$(ENV)" "$(RELEASE)"

test: $(READY) ## Test one of each kind: what to run after each change
	$(PYTEST) -m "not slow"

test-all: test ## Test all: the slow proofs besides
	$(PYTEST) -m slow

test-account: $(READY) ## Test what depends on the account that runs it
	$(PYTEST) -m account

lint: $(READY) ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: $(READY) ## Open the notebooks in JupyterLab
	PATH="$(CURDIR)/$(BIN):$$PATH" python -m runbook_lib lab

# Readers and nbval see today's output.
notebooks: $(READY) ## Execute the committed notebooks afresh
	$(BIN)/python -m tests.support.notebooks.committed

# As a person meets them: dark, narrow, on paper, on a forge.
screens: $(READY) ## Photograph the committed notebooks into one sheet
	$(BIN)/python -m tests.support.screens docs/screens/contact-sheet.png

docs: $(READY) ## Write the pages and schemas that come from the code
	$(BIN)/python -m runbook_lib.config.settings > docs/settings.md
	$(BIN)/python -m tests.support.rule_pages docs/rules
	$(BIN)/python -m runbook_lib.evidence.schemas docs/schemas

# On a server of their own, and best with nothing beside.
bench: $(READY) ## Compare with psql and pg_restore; takes minutes
	for name in reading growth apply lanes write_stall rehearsal losses backup; do \
	    echo "--- $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

requirements: $(READY) ## Pin what pyproject.toml asks for, for every platform
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-annotate \
	    --no-emit-index-url --no-emit-find-links --no-header --output-file requirements.in pyproject.toml
	{ echo "# Compiled from pyproject.toml by 'make requirements'."; cat requirements.in; \
	  echo "--editable ."; } > requirements.txt
	rm requirements.in

stop: $(READY) ## Stop the embedded server
	$(BIN)/python -m runbook_lib.postgres.embedded stop .

clean: stop ## Remove the environment and the embedded server with its data
	rm -rf $(VENV) .runbook

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@echo "The pinned packages are put into $(VENV): a minute or two, once."
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -r requirements.txt
	touch $(READY)
