# `make` alone lists the commands.
HOME_DIR := $(or $(LAKEHOUSE_HOME),.lakehouse)
RUN      := $(HOME_DIR)/venv/bin
LAKE     := $(RUN)/lakehouse
# A process that reads files from outside can write nothing, so it would compile again each time.
BYTECODE := $(RUN)/python -m compileall -q assets dagster_project lakehouse models
COMPILE  := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
            --no-emit-index-url --no-emit-find-links --no-annotate --no-header

# Upstream publishes no binaries any more; this is the last commit of its archived Go module.
MINIO    := github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c

# Prometheus 3.5.0, as its module is numbered, which is the version in compose/compose.yaml.
PROMETHEUS := github.com/prometheus/prometheus@v0.305.0

# Hundreds of processes of the tests load the same code; without its bytecode each would compile it again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status test suite check lint types bench simulate race kills cluster restarts lock docs minio prometheus restcatalog spark onnx clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what the demo needs under .lakehouse/
	@python3 dagster_project/bootstrap.py demo
	@$(BYTECODE)

demo: setup ## Set up, run the whole loop on real data, leave the servers up
	@$(LAKE) demo

up: setup ## Start the servers
	@$(LAKE) up

down: ## Stop the servers that `make demo` or `make up` started
	@if [ -x $(LAKE) ]; then $(LAKE) down; else echo "nothing is installed, so nothing runs"; fi

status: ## Say what runs where
	@if [ -x $(LAKE) ]; then $(LAKE) status; else python3 dagster_project/bootstrap.py status; fi || [ $$? -eq 1 ]  # it was told what is down

testsetup:
	@python3 dagster_project/bootstrap.py test
	@$(BYTECODE)
	@.ci/browser

test: testsetup lint ## Run every test and every check
	@$(MAKE) --no-print-directory -j2 types suite # one core has nothing to do while types are checked alone

suite: testsetup
	@.ci/scratch $(RUN)/python -m pytest -n $(or $(WORKERS),3) --dist loadgroup -q # on two cores: a test waits for a quarter of its time

check: lint types ## Lint, types, architecture, dependencies
	@$(RUN)/python -m pytest tests/golden -q

lint: testsetup
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/lint-imports
	@$(RUN)/deptry .

types: testsetup
	@$(RUN)/mypy

bench: testsetup ## Measure, side by side with the named peers
	@$(RUN)/python -m pytest tests/bench -m bench -q -s -p no:xdist

simulate: testsetup ## Play SEEDS seeded histories of faults (10,000)
	@$(RUN)/python -m tests.simulation $(or $(SEEDS),10000)

race: testsetup ## Race 32 writers of 100 appends each, beside maintenance, on CATALOG (sqlite or postgresql)
	@$(RUN)/python -m tests.race 4 8 100 $(or $(CATALOG),sqlite)

kills: testsetup ## Kill an ingest at each of its I/O points once, on SCENE (second; first: into an empty lake; named: it makes the key of pseudonyms)
	@$(RUN)/python -m tests.kills --scene $(or $(SCENE),second) --from $(or $(FROM),0) --every $(or $(EVERY),1)

cluster: testsetup ## Play the whole loop on compose.yaml's services, run as processes of this machine
	@$(RUN)/python -m pytest tests/flow/test_cluster.py --whole-loop -q -p no:xdist

restarts: testsetup ## Restart all services of the cluster RESTARTS times (50) by SEED while it works
	@$(RUN)/python -m tests.restarts $(or $(RESTARTS),50) $(SEED)

lock: ## Resolve the lock files again
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra spark -c requirements.lock -o requirements-spark.lock
	sed -n '/^onnx = \[/,/^\]/s/^ *"\(.*\)",$$/\1/p' pyproject.toml | $(COMPILE) -c requirements.lock -o requirements-onnx.lock -
	$(COMPILE) pyproject.toml --extra spark --extra onnx --extra dev -c requirements.lock -o requirements-dev.lock
	cd superset && $(COMPILE) pyproject.toml -o requirements.lock
	cd superset && $(COMPILE) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock

docs: ## Render the dictionary of tables, views and figures
	@$(LAKE) docs

minio: $(HOME_DIR)/tools/bin/minio.$(lastword $(subst -, ,$(MINIO))) ## Build the MinIO server from its Go module (tests use it)

$(HOME_DIR)/tools/bin/minio.%:
	@command -v go >/dev/null || { echo "MinIO is built with Go 1.24 or newer: https://go.dev/dl" >&2; exit 64; }
	@echo "Building MinIO (3 to 5 minutes the first time) ..."
	@mkdir -p $(@D)
	@GOBIN=$(abspath $(@D)) GOFLAGS= CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" $(MINIO)
	@touch $@

prometheus: $(HOME_DIR)/tools/bin/prometheus.$(lastword $(subst @, ,$(PROMETHEUS))) ## Build Prometheus from its Go module, without its pages (a test uses it)

$(HOME_DIR)/tools/bin/prometheus.%:
	@command -v go >/dev/null || { echo "Prometheus is built with Go 1.23 or newer: https://go.dev/dl" >&2; exit 64; }
	@echo "Building Prometheus (5 minutes of processor time the first time) ..."
	@mkdir -p $(@D)
	@go mod download $(PROMETHEUS) && folder=$$(go list -m -f '{{.Dir}}' $(PROMETHEUS)) && \
	  GOFLAGS= CGO_ENABLED=0 nice go build -C "$$folder" -trimpath -buildvcs=false -tags netgo -ldflags "-s -w" \
	    -o $(abspath $(@D))/ ./cmd/prometheus ./cmd/promtool
	@touch $@

restcatalog: ## Fetch Iceberg's REST catalog server from Maven (tests use it)
	@command -v mvn >/dev/null || { echo "Maven fetches it: https://maven.apache.org" >&2; exit 64; }
	@mvn -q -B -f compose/catalog/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
	  -DoutputDirectory=$(abspath $(HOME_DIR))/tools/rest-catalog

spark: ## Install Spark, and fetch the jars it needs, for LAKEHOUSE_ENGINE=spark
	@python3 dagster_project/bootstrap.py spark

onnx: setup ## Install what ONNX forms of models need
	@PATH="$$PATH:$(abspath $(HOME_DIR))/tools/bin" uv pip install --quiet --python $(RUN)/python \
	  --no-deps --require-hashes -r requirements-onnx.lock

clean: down ## Remove all data, environments and secrets of this checkout
	rm -rf $(HOME_DIR)
