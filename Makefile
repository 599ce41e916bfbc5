PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint bench format proto readme lock offline-bundle clean

help: ## Show this list
	@sed -n 's/^\([a-z.-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(READY) ## Make the environment in .venv

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed; say which with PYTHON=…")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(READY) ## Go through the Python workshop on a store that is thrown away
	@$(BIN)/python -m tests.walkthrough

test: $(READY) ## Run the tests, but those that take long
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

test-slow: $(READY) ## Run the tests that take long
	$(BIN)/python -m pytest -n auto --dist worksteal -m slow

LINT_R := lints <- lintr::lint_dir("rstats"); print(lints); quit(status = min(1, length(lints)))

lint: $(READY) ## Check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/shellcheck .ci/* offline/install
	$(BIN)/hadolint $(sort $(wildcard */*/Dockerfile))
	@if Rscript -e 'loadNamespace("lintr")' >/dev/null 2>&1; then \
	  echo 'Rscript: lintr on rstats'; Rscript -e '$(LINT_R)'; \
	else \
	  echo 'rstats is not checked: R or its package lintr is not installed' >&2; test -z "$$CI"; \
	fi

bench: $(READY) ## Measure, as ratios; BENCH="small_files …" for some
	$(BIN)/python -m bench $(BENCH)

format: $(READY) ## Format the Python code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

PROTOS    := $(sort $(wildcard pachlocal/proto/*.proto))
PROTO_OUT := .
PROTOC     = $(BIN)/python -m grpc_tools.protoc -I. --plugin=$(BIN)/protoc-gen-mypy --plugin=$(BIN)/protoc-gen-mypy_grpc

proto: $(READY) ## Write the modules for pachlocal/proto/*.proto anew
	$(PROTOC) --python_out=$(PROTO_OUT) --mypy_out=quiet:$(PROTO_OUT) $(PROTOS)
	$(PROTOC) --grpc_python_out=$(PROTO_OUT) --mypy_grpc_out=quiet:$(PROTO_OUT) $(shell grep -l '^service ' $(PROTOS))

docs/compatibility.md: $(READY) pachlocal/api/*.py ## Write the table of what is served anew
	$(BIN)/python -m pachlocal.api.compatibility > $@

PAGES ?= README.md $(sort $(wildcard docs/exercises/*.md))
readme: $(READY) ## Run the commands of README.md and docs/exercises, rewrite what they print
	$(BIN)/python -m tests.docs.rerun $(PAGES)

lock: ## Pin all dependencies anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
	  --extra stages --extra docker --group dev pyproject.toml -o requirements/dev.txt
	for lock in tests/clients/*/*.in; do \
	  uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
	    --no-emit-index-url $$lock -o $${lock%.in}.txt || exit; \
	done

# Needs Graphviz and the fonts of Debian's fonts-liberation, as the picture was measured with them.
pipeline.png: docs/draw_pipeline.py compose.yaml $(wildcard *_train.json *_infer.json) | $(READY) ## Draw the workshop's pipelines
	$(BIN)/python $<

offline-bundle: $(READY) ## Pack what a room without internet needs; PYTHONS="3.11 3.12" for these
	$(BIN)/python -m offline.pack $(PYTHONS)

clean: ## Remove what make has made
	rm -rf $(VENV) .venvs build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stage images: STAGES="iris-infer-r …" for some of the nine,
# BUILD="--build-arg BASE_IMAGE=…" for another base image.
COMPOSE ?= docker compose
.PHONY: images push

images: ## Build the images of the nine stages
	$(COMPOSE) build --build-arg VERSION=$$(git describe --tags --always --dirty) \
	  --build-arg REVISION=$$(git rev-parse HEAD) $(BUILD) $(STAGES)

push: ## Build the images and push them: make push REGISTRY=registry.example.com/me
	$(if $(REGISTRY),,$(error Say where to: make push REGISTRY=registry.example.com/me))
	IMAGE_PREFIX=$(REGISTRY) $(MAKE) --no-print-directory images
	IMAGE_PREFIX=$(REGISTRY) $(COMPOSE) push $(STAGES)
