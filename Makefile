# Every target does its own set-up, in a virtual environment that is made once. `make help` lists them.
#
#   PYTHON   the Python to use (default: the first of 3.11 or newer among python3, python3.13, python3.12, python3.11)
#   VENV     where the virtual environment is (default: .venv)
#   DJANGO   the series of Django to use (default: 5.2)
#   ARGS     handed on: make test ARGS="--only sqlite tests.queue"
#
# A second environment: make test PYTHON=python3.13 DJANGO=6.1 VENV=.venv-django-6.1

VENV ?= .venv
DJANGO ?= 5.2
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
ARGS ?=

py := $(VENV)/bin/python
pip := $(py) -m pip install -qq --disable-pip-version-check
sphinx = $(py) -m sphinx -W --keep-going -b html docs docs/_build/html

# Stamps of what is installed. Another Django replaces the one before, so its stamps go.
made := $(VENV)/.made
example := $(VENV)/.example-django-$(DJANGO)
test := $(VENV)/.test-django-$(DJANGO)
dev := $(VENV)/.dev-django-$(DJANGO)
bench := $(VENV)/.bench-django-$(DJANGO)
start = rm -f $(filter-out %-django-$(DJANGO),$(wildcard $(VENV)/.*-django-*))

.DEFAULT_GOAL := help
.PHONY: help demo run test torture bench coverage lint format types contracts migrations messages messages-check docs docs-screenshots wheel clean
.DELETE_ON_ERROR:

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

demo: $(example) ## the whole circle once, for real: 5,000 subscribers, a newsletter, a password reset that overtakes it
	$(py) example_project/demo.py $(ARGS)

run: $(example) ## the example newspaper in your browser, with an editor's account and an inbox
	$(py) example_project/run.py $(ARGS)

test: $(test) ## the tests, on SQLite and on PostgreSQL and MariaDB where a server answers
	$(py) runtests.py $(ARGS)

torture: $(test) ## senders killed, frozen and ended at random moments, on every database: three minutes (ARGS="--seconds 60")
	$(py) -m torture $(ARGS)

bench: ## this project beside its peers and its targets, in one table: 20 minutes (ARGS=--quick: 3), an environment of its own
	@$(MAKE) --no-print-directory VENV=.venv-bench .venv-bench/.bench-django-$(DJANGO)
	.venv-bench/bin/python benchmarks/run.py $(ARGS)

coverage: $(test) ## the tests, and what they left untouched on all databases together
	rm -rf .cache/coverage
	mkdir -p .cache/coverage
	$(py) -m coverage run runtests.py $(ARGS)
	$(py) -m coverage combine --quiet
	$(py) -m coverage report

lint: $(dev) ## ruff: mistakes and layout
	$(py) -m ruff check .
	$(py) -m ruff format --check .

format: $(dev) ## ruff: mend what it can
	$(py) -m ruff check --fix .
	$(py) -m ruff format .

types: $(dev) ## mypy, strict
	$(py) -m mypy

contracts: $(test) ## import-linter: who may import whom
	$(VENV)/bin/lint-imports --no-logo --cache-dir .cache/import-linter

migrations: $(test) ## no model differs from its migrations
	$(py) -W error::DeprecationWarning -m django makemigrations --check --dry-run --settings tests.settings
	$(py) example_project/manage.py makemigrations --check --dry-run

messages: $(test) ## the texts of the source into the catalogues of courant_mail/locale, and these compiled (GNU gettext)
	$(py) .ci/messages.py

messages-check: $(test) ## every text is translated, and the catalogues are compiled as they stand (GNU gettext)
	$(py) .ci/messages.py --check

docs: $(dev) ## the documentation, in docs/_build/html; warnings are errors
	$(sphinx)

docs-screenshots: $(test) ## the pictures in docs/images, taken again of the example newspaper
	$(py) -m tests.browser.screenshots docs/images

wheel: $(made) ## build the wheel into dist/ and check what it holds
	rm -rf build dist
	$(py) -m pip wheel -qq --disable-pip-version-check --no-deps --wheel-dir dist .
	$(py) .ci/check_wheel.py dist/*.whl

clean: ## remove what these targets made
	rm -rf .venv .venv-* build dist var docs/_build .cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(made):
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11 or newer was found as python3, python3.13, python3.12 or python3.11." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)" >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "PYTHON=$(PYTHON) is not a Python 3.11 or newer." >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Making the virtual environment $(VENV) with `"$(PYTHON)" --version`"
	@"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

$(example): $(made) setup.cfg
	@echo "Installing what the example needs (Django $(DJANGO))"
	@$(start)
	@$(pip) -e ".[example]" "Django==$(DJANGO).*"
	@touch $@

# mysqlclient has to be compiled; where that fails, PyMySQL stands in, so that MariaDB is tested all the same.
$(test): $(made) setup.cfg
	@echo "Installing what the tests need (Django $(DJANGO))"
	@$(start)
	@$(pip) -e ".[postgresql,test]" "Django==$(DJANGO).*"
	@$(pip) -e ".[mysql]" >$(VENV)/mysqlclient.log 2>&1 || { \
		echo "mysqlclient cannot be built here (see $(VENV)/mysqlclient.log): PyMySQL is used instead"; $(pip) "PyMySQL>=1.1"; }
	@touch $@

$(bench): $(made) setup.cfg benchmarks/requirements.txt
	@echo "Installing who is compared (Django $(DJANGO))"
	@$(start)
	@$(pip) -e ".[postgresql]" -r benchmarks/requirements.txt "Django==$(DJANGO).*"
	@$(pip) -e ".[mysql]" >$(VENV)/mysqlclient.log 2>&1 || { \
		echo "mysqlclient cannot be built here (see $(VENV)/mysqlclient.log): PyMySQL is used instead"; $(pip) "PyMySQL>=1.1"; }
	@touch $@

$(dev): $(test)
	@echo "Installing the tools"
	@$(pip) -e ".[dev,docs]" "Django==$(DJANGO).*"
	@touch $@
