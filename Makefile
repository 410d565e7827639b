# Two commands matter: `make demo` and `make test`. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first Python that is new enough, unless PYTHON says which.
ifndef PYTHON
NEW_ENOUGH := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$python && break; done)
endif

BIN := .venv/bin
LOCKED := .venv/.locked
INSTALLED := .venv/.installed
UV := build/uv/bin/uv

.PHONY: help setup demo test lint bench openapi generated locks

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(INSTALLED) ## make .venv from the hashed lock

# A stamp is written last, so an interrupted or failed install starts again from an empty folder.
# --no-deps, for the lock is whole: left to resolve, older pips go by the newest release that an extra allows
# (coverage[toml]) and then refuse it, as it is not the one that is locked. pip check tells whether it is whole.
$(LOCKED): requirements/dev.txt
	@test -n '$(PYTHON)' || { echo 'Concordat needs Python 3.11, 3.12 or 3.13: make PYTHON=path' >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements/dev.txt
	@touch $@

# Apart, because a changed command or version in pyproject.toml needs no new environment.
$(INSTALLED): $(LOCKED) pyproject.toml
	$(BIN)/python -m pip install --quiet --no-index --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@touch $@

demo: setup ## the whole story on this machine, then it serves until Ctrl-C (ONCE=1 stops)
	$(BIN)/concordat demo $(if $(ONCE),--once,)

test: lint ## lint, then every test with branch coverage
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

lint: setup ## style, types and the architecture's arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure speed
	$(BIN)/python -m benchmarks

openapi: setup ## write openapi.yaml from the application
	@mkdir -p build
	$(BIN)/python -m service.openapi > build/openapi.yaml
	mv build/openapi.yaml openapi.yaml

generated: setup openapi ## write the pages and schemas that are made out of the code
	$(BIN)/python -m schemas.export
	@for page in schemas.reference:agreement-reference schemas.dataset_page:datasets schemas.law.catalogue:check-rules \
			service.walkthrough:walkthrough-agreement; do \
		echo "docs/$${page##*:}.md"; \
		$(BIN)/python -m "$${page%%:*}" > build/page.md && mv build/page.md "docs/$${page##*:}.md"; done

# One lock serves every platform and Python; the header is left out because it would name this
# machine's paths. UPGRADE=1 takes the newest versions, else only what must change changes.
COMPILE = $(UV) --no-config pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --annotation-style line --no-emit-index-url --no-emit-find-links \
	$(if $(UPGRADE),--upgrade,)
SAME := --constraint requirements/dev.txt

locks: $(UV) ## resolve requirements/*.txt again (UPGRADE=1 for newer versions)
	$(COMPILE) pyproject.toml --output-file requirements/dev.txt --extra service --extra postgres --group dev
	$(COMPILE) pyproject.toml --output-file requirements/service.txt --extra service --extra postgres $(SAME)
	$(COMPILE) pyproject.toml --output-file requirements/base.txt $(SAME)
	$(COMPILE) --output-file requirements/build.txt --group build $(SAME)

$(UV):
	$(PYTHON) -m venv --clear build/uv
	build/uv/bin/python -m pip install --quiet uv
