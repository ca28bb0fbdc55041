# selfalign: `make help` lists the targets. Everything is installed into .venv and .cache.
PYTHON ?= python3
UV_VERSION := 0.13.9
VERSITYGW_VERSION := v1.8.0
MOTO_VERSION := 5.2.5
HELM_VERSION := v4.3.1
PROMETHEUS_VERSION := v0.316.0
# All but cuda: its packages print and load things that a machine without CUDA has no use for.
EXTRAS := --extra services --extra model-server --extra train --extra dev
VENV := .venv
BIN := $(VENV)/bin
MODEL := .cache/models/smollm2-135m
export TORCH_EXTENSIONS_DIR ?= $(CURDIR)/.cache/torch-extensions
export NUMBA_CACHE_DIR ?= $(CURDIR)/.cache/numba

.DEFAULT_GOAL := help

##@ Use
.PHONY: help demo test
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup model ## All seven stages with a small real model, on two CPU cores
	$(BIN)/selfalign run -f examples/demo.yaml
	$(BIN)/selfalign status --run demo
	$(BIN)/selfalign verify --run demo
	$(BIN)/selfalign chat --run demo --models base,final "How do I keep my notes in order?"

test: setup model s3-server helm prometheus lint proto-check ## Lint, types, the whole test suite, and how much of the code it reached
	$(BIN)/pytest --cov --cov-report= --durations=25

##@ Develop
.PHONY: lint format coverage proto proto-check docs chart-docs lock fault-test bench
lint: setup ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy services training-job tests benchmarks charts docs

format: setup ## Rewrites the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: setup ## The least covered files of the last `make test`, with their lines
	$(BIN)/coverage report --sort=cover --skip-covered --show-missing --fail-under=0

PROTOC = $(BIN)/python -m grpc_tools.protoc -Iproto proto/selfalign/v1/*.proto
proto: setup ## Regenerates the gRPC stubs
	$(PROTOC) --python_out=services --pyi_out=services --grpc_python_out=services

proto-check: setup ## Fails if the committed stubs are not what the protos give
	@rm -rf .cache/proto && mkdir -p .cache/proto
	@$(PROTOC) --python_out=.cache/proto --pyi_out=.cache/proto --grpc_python_out=.cache/proto
	@diff -r -x __init__.py -x __pycache__ .cache/proto/selfalign/v1 services/selfalign/v1 && echo "stubs are up to date"

docs: setup ## Regenerates docs/settings.md and the drawing of imports in docs/architecture.md
	$(BIN)/python -m docs.build

chart-docs: setup helm ## Regenerates the chart's schema and README, k8s/, and the golden renders
	$(BIN)/python charts/defaults.py
	$(BIN)/python charts/docs.py
	$(BIN)/python charts/dashboards.py
	$(BIN)/python charts/jobs.py --helm .cache/bin/helm
	GOLDEN=write $(BIN)/pytest -q tests/chart/test_golden.py

fault-test: setup model s3-server ## Engines, services and workers killed in every stage; minutes, and not part of `make test`
	$(BIN)/pytest -m long

lock: setup ## Resolves all extras into requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --no-header --no-annotate --generate-hashes pyproject.toml -o requirements.lock

bench: setup model ## dedup, engine, relay and (after `make demo`) training, a table each
	$(BIN)/python benchmarks/dedup.py
	$(BIN)/python benchmarks/engine.py --model $(MODEL)
	$(BIN)/python benchmarks/relay.py
	@test -f runs/demo/align/manifest.json || echo "training: skipped, run \`make demo\` first"
	@test ! -f runs/demo/align/manifest.json || $(BIN)/python benchmarks/training.py

##@ Kubernetes
.PHONY: images kind-up kind-images kind-test kind-down
images: ## The three container images (TORCH_VARIANT=cpu: without CUDA's libraries)
	images/build.sh

kind-up: ## A kind cluster with three nodes; NO_REGISTRY=1 makes every image from packages
	tests/kind/cluster/up.sh

kind-images: kind-up model ## What a trial needs, built and loaded into the cluster
	tests/kind/cluster/trial-images.sh
	tests/kind/cluster/load.sh

kind-test: setup model helm kind-images ## The chart on a real cluster, from helm install to helm uninstall (KEEP=1 keeps the cluster)
	tests/kind/cluster/test.sh

kind-down: ## Deletes the cluster, and stops what the closed recipe started
	tests/kind/cluster/down.sh --all

##@ Set up
.PHONY: setup model s3-server helm prometheus clean
setup: $(VENV)/.ready ## The environment, at the versions of requirements.lock

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -c requirements.lock -r pyproject.toml $(EXTRAS)
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

model: $(MODEL)/config.json ## The small real model of demo and tests (SmolLM2-135M)
$(MODEL)/config.json: | setup
	$(BIN)/python -m selfalign.model_server.prepare --output $(MODEL)

s3-server: | setup ## A real S3 server for the tests
	@test -x .cache/bin/versitygw || \
	  { command -v go >/dev/null && GOBIN=$(CURDIR)/.cache/bin go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION); } || \
	  { echo "no Go toolchain that builds versitygw: the S3 tests use moto's server instead"; \
	    test -x .cache/moto/bin/moto_server || { $(PYTHON) -m venv .cache/moto && .cache/moto/bin/pip install -q 'moto[server]==$(MOTO_VERSION)'; }; }

helm: ## Helm, for the chart and its tests
	@test -x .cache/bin/helm || GOBIN=$(CURDIR)/.cache/bin go install helm.sh/helm/v4/cmd/helm@$(HELM_VERSION) || \
	  echo "no Go toolchain that builds helm: the chart's tests are skipped"

prometheus: ## Prometheus and promtool: Debian's, or promtool alone built with Go
	@test -x .cache/bin/promtool || { mkdir -p .cache/bin .cache/prometheus && cd .cache/prometheus && \
	  apt-get download -q prometheus >/dev/null 2>&1 && dpkg-deb -x prometheus_*.deb . && cp usr/bin/prom* ../bin/; } || \
	  GOBIN=$(CURDIR)/.cache/bin go install github.com/prometheus/prometheus/cmd/promtool@$(PROMETHEUS_VERSION) || \
	  echo "no promtool: tests of alert rules and of a real scrape are skipped"

clean: ## Removes the environment, caches and runs
	rm -rf $(VENV) .cache build runs *.egg-info
