# `make` alone lists the targets. Everything is installed below this folder; nothing else is touched.

CONSTRAINTS := constraints.txt
VENV := .venv
HEAVY := .venv-heavy
PYTEST := python -m pytest -q
# Two at once: most tests wait for a process of their own half of the time.
PARALLEL := -n 2 --dist worksteal

# The first interpreter that is new enough and not too new; a command line may name another: make demo PYTHON=...
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help demo test check format format-check lint types layers slow faults soak heavy wheel clean
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## draw a demo folder, index it, query it, export crops and a gallery
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH"; AMOGUS_INDEX=demo/index; export PATH AMOGUS_INDEX; set -e; \
	run() { printf '\n$$ %s\n' "$$1"; eval "$$1"; }; \
	run 'amogus synth demo demo'; \
	run 'amogus index demo/photos'; \
	run 'amogus query'; \
	run 'amogus query "red amogus"'; \
	run 'amogus export crops demo/crops'; \
	run 'amogus export gallery demo/gallery'; \
	run 'amogus eval demo demo/truth.json'; \
	printf '\nLook at it: %s\n' "$(CURDIR)/demo/gallery/index.html"; \
	printf 'Ask more: AMOGUS_INDEX=demo/index %s/amogus query "a green one with a hat"\n' "$(VENV)/bin"

test: $(VENV)/.dev ## run the quick tests
	$(VENV)/bin/$(PYTEST) $(PARALLEL)

check: format-check lint types layers test ## format, lint, types, import layers and tests: what CI runs

format: $(VENV)/.dev ## write the formatter's layout
	$(VENV)/bin/ruff format .

format-check: $(VENV)/.dev ## is everything laid out by the formatter?
	$(VENV)/bin/ruff format --check .

lint: $(VENV)/.dev ## ruff
	$(VENV)/bin/ruff check .

types: $(VENV)/.dev ## mypy
	$(VENV)/bin/mypy

layers: $(VENV)/.dev ## import-linter: imports point down only
	$(VENV)/bin/lint-imports --no-logo

slow: $(VENV)/.dev ## run the slow tests: real weights, kills, whole runs
	$(VENV)/bin/$(PYTEST) $(PARALLEL) -m "slow and not heavy"

faults: $(VENV)/.dev ## try a few faults of every kind, and write the table of docs/RELIABILITY.md
	rm -f .faults.jsonl
	AMOGUS_FAULTS=$(CURDIR)/.faults.jsonl $(VENV)/bin/$(PYTEST) $(PARALLEL) -m "fault and not heavy"; status=$$?; \
	$(VENV)/bin/python tests/faults/fault_table.py .faults.jsonl docs/RELIABILITY.md && exit $$status

soak: export AMOGUS_SOAK := 1
soak: faults ## the same with every fault there is: an hour or more

heavy: $(HEAVY)/.heavy ## the tests that need torch, ultralytics, open_clip or diffusers (a 6 GB install)
	$(HEAVY)/bin/$(PYTEST) $(PARALLEL) -m heavy

wheel: $(VENV)/.dev ## build the wheel into dist/
	$(VENV)/bin/python -m build --wheel --outdir dist .

clean: ## remove everything that make made
	rm -rf $(VENV) $(HEAVY) build dist demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11, 3.12 or 3.13 is needed, and none was found" >&2; \
		echo "hint: install one, or name it: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) cannot make virtual environments" >&2; \
		echo "hint: on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(HEAVY)/bin/python: | $(VENV)/bin/python
	$(VENV)/bin/python -m venv $(HEAVY)

# An editable install: the next run uses the files as they are then.
$(VENV)/.demo: setup.cfg pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install -q -c $(CONSTRAINTS) -e '.[cpu,demo]'
	@touch $@

$(VENV)/.dev: setup.cfg pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install -q -c $(CONSTRAINTS) -e '.[cpu,demo,dev,heic,parquet,watch]'
	@touch $@ $(VENV)/.demo

$(HEAVY)/.heavy: setup.cfg pyproject.toml $(CONSTRAINTS) | $(HEAVY)/bin/python
	$(HEAVY)/bin/python -m pip install -q -c $(CONSTRAINTS) -e '.[cpu,clip,train,diffusion,int8,demo,dev]'
	@touch $@
