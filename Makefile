# Kakeai. `make demo` goes the whole way from MIDI files to a session in the browser; `make test` passes the tests.

PYTHON ?= python3
CORPUS ?= work/oneills
CONFIG ?= lookback_rnn
HPARAMS ?= batch_size=32,rnn_layer_sizes=[128],learning_rate=0.01,dropout_keep_prob=0.8
STEPS ?= 600
STORE ?= work/store
PORT ?= 8080

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps
# Node 20.19 or newer builds the page; where there is none, Python's package index has it.
NODE_OK := $(shell node -e 'const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b < 2019)' 2>/dev/null && echo yes)
WEB := PATH="$(abspath $(BIN)):$$PATH" npm --prefix serving/web

.PHONY: demo figures test test-cluster test-images test-month images lint format page wheel protos screenshots bench bench-serving lighthouse locks clean help

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/'

demo: .venv/kakeai serving/web/dist/index.html  ## train on real tunes and play at http://localhost:8080
	@case "$(CORPUS)" in work/oneills) $(BIN)/kakeai corpus oneills work/oneills ;; esac
	@$(BIN)/kakeai pipeline run --corpus "$(CORPUS)" --store "$(STORE)" --config "$(CONFIG)" \
		--hparams "$(HPARAMS)" --num-training-steps "$(STEPS)" || [ $$? -eq 3 ]  # refused: the model before it plays
	@$(BIN)/kakeai serve --store "$(STORE)" --port "$(PORT)"

test: .venv/dev serving/web/dist/index.html lint  ## check and test everything
	$(WEB) run check
	$(WEB) test
	$(BIN)/python -m pytest

lint: .venv/dev  ## only look
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m docs.readability

format: .venv/dev  ## change what a tool can change
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

figures: .venv/dev  ## draw the documentation's pictures, from models trained anew (twenty minutes the first time)
	$(BIN)/python -m docs.figures

page: serving/web/dist/index.html  ## build the session page

wheel: .venv/kakeai serving/web/dist/index.html  ## build the Python package, with the session page, into dist/
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

bench: .venv/dev  ## time Magenta and Kakeai side by side (half an hour; POP909=folder reads that as well)
	$(BIN)/python -m benchmarks $(if $(POP909),--pop909 "$(POP909)") $(if $(ONLY),--only "$(ONLY)")

bench-serving: .venv/dev serving/web/dist/index.html  ## put model server and gateway under load, on this machine
	$(BIN)/python -m benchmarks.serving

lighthouse: .venv/dev serving/web/dist/index.html benchmarks/lighthouse/node_modules/.package-lock.json  ## Lighthouse on the session page
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m benchmarks.page

screenshots: .venv/dev serving/web/dist/index.html  ## take the docs' pictures of the session page anew, with STORE's model
	$(BIN)/python tests/serving/web/screenshots.py "$(STORE)"

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Kakeai needs Python 3.11, 3.12 or 3.13; name one with make PYTHON=python3.11"; exit 2; }
	@echo "Setting up Python packages in .venv (about a minute, and 300 MB to download)"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/kakeai: .venv/python locks/cpu.txt pyproject.toml
	@$(PIP) --require-hashes -r locks/cpu.txt
	@$(PIP) --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/kakeai locks/dev.txt
	@$(PIP) --require-hashes -r locks/dev.txt
	@touch $@

.venv/node: .venv/python locks/node.txt
	@$(if $(NODE_OK),,$(PIP) --require-hashes -r locks/node.txt)
	@touch $@

serving/web/node_modules/.package-lock.json: serving/web/package.json serving/web/package-lock.json | .venv/node
	@echo "Setting up the session page"
	@$(WEB) ci --silent --no-audit --no-fund
	@touch $@

benchmarks/lighthouse/node_modules/.package-lock.json: benchmarks/lighthouse/package.json benchmarks/lighthouse/package-lock.json | .venv/node
	@PATH="$(abspath $(BIN)):$$PATH" npm --prefix benchmarks/lighthouse ci --silent --no-audit --no-fund
	@touch $@

PAGE_SOURCES := $(shell find serving/web/src serving/web/public serving/web/index.html serving/web/*.ts -type f 2>/dev/null)
serving/web/dist/index.html: serving/web/node_modules/.package-lock.json $(PAGE_SOURCES)
	@$(WEB) run --silent build
	@touch $@

protos: .venv/dev  ## generate kakeai/protos anew
	$(BIN)/python -m kakeai.protos.generate

# Universal locks (Linux and macOS, Python 3.11 to 3.13): names, versions and hashes, no host.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
MAGENTA := --override locks/overrides.txt
CPU := --override locks/overrides-cpu.txt locks/tensorflow-cpu.in
locks: .venv/dev  ## renew the hashed lock files
	$(LOCK) --extra magenta $(MAGENTA) $(CPU) pyproject.toml -o locks/cpu.txt
	$(LOCK) --extra magenta $(MAGENTA) --override locks/overrides-gpu.txt pyproject.toml -o locks/gpu.txt
	$(LOCK) --extra model-server $(MAGENTA) $(CPU) --constraint locks/cpu.txt pyproject.toml \
		-o locks/model-server.txt
	$(LOCK) --extra traces pyproject.toml -o locks/gateway.txt
	$(LOCK) --extra magenta --extra dev --extra traces $(MAGENTA) $(CPU) pyproject.toml -o locks/dev.txt
	$(LOCK) locks/node.in -o locks/node.txt
	$(LOCK) locks/images.in -o locks/images.txt

# An engine that answers: docker, or podman, which keeps HEALTHCHECK only in Docker's format.
ENGINE ?= $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)
IMAGES ?= gateway model-server pipeline
REGISTRY ?= kakeai
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
ACCELERATOR ?= cpu
images:  ## build the container images (ACCELERATOR=gpu: training with CUDA)
	@for image in $(IMAGES); do \
		BUILDAH_FORMAT=docker $(ENGINE) build --target $$image --tag $(REGISTRY)/$$image:$(VERSION) \
			--build-arg ACCELERATOR=$(ACCELERATOR) --build-arg VERSION=$(VERSION) \
			--build-arg REVISION=$$(git describe --always --dirty) $(BUILD_ARGS) . || exit; \
	done

test-images: .venv/dev images  ## run the images and play through them
	$(BIN)/python -m pytest -m images -s tests/k8s/images

test-cluster: .venv/dev  ## put overlays/local on kubectl's cluster, which has the images, and play through a roll-out
	$(BIN)/python -m pytest -m cluster -s tests/k8s/cluster

test-month: .venv/dev  ## thirty nights of retraining, with bad files, poison and crashes: some minutes
	$(BIN)/python -m pytest -m month -s tests/month

clean:  ## remove what was built, trained and installed
	rm -rf .venv work build dist serving/web/dist serving/web/node_modules benchmarks/lighthouse/node_modules
