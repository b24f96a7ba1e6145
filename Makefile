# Everything below works on a fresh Debian machine that has python3-dev, python3-venv, gcc and make.
# Each target does its own set-up, and nothing twice: the stamp files in .venv say what is up to date.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/stamp
# Where pytest should look; `make test TESTS=tests/unit/core` runs a part. (Its 5 is "no tests here": those that run
# beside others and those that run alone are two runs.)
TESTS ?= tests
# Seconds for each fuzz target.
FUZZ_SECONDS ?= 600
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

CORE := $(shell find src -name '*.pyx' -o -name '*.pxd' -o -name '*.h') setup.py
TYPED := src tests benchmarks

# Commands that tests and benchmarks call, and the Debian packages that have them.
DEMO_PACKAGES := curl:curl pkill:procps
TEST_PACKAGES := $(DEMO_PACKAGES) nginx:nginx wrk:wrk h2load:nghttp2-client node:nodejs \
	chromium-headless-shell:chromium-headless-shell go:golang-go testssl:testssl.sh hexdump:bsdextrautils redis-server:redis-server
BENCH_PACKAGES := nginx:nginx haproxy:haproxy wrk:wrk h2load:nghttp2-client valgrind:valgrind

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo build test test-long lint format bench fuzz asan docs wheel clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP)/core $(STAMP)/demo-packages ## Set up, then start the demo: backends, the proxy, and a tour of commands to try
	@$(BIN)/headgate demo

build: $(STAMP)/strict ## Set up an editable install in .venv and compile what changed
	@$(BIN)/headgate version

test: $(STAMP)/strict $(STAMP)/test $(STAMP)/test-packages $(STAMP)/go-programs ## Run every test; installs what tests need (as root)
	$(BIN)/pytest -m "not long and not alone" --numprocesses $$(($(JOBS) + 1)) --dist loadfile $(TESTS) || [ $$? -eq 5 ]
	$(BIN)/pytest -m "not long and alone" $(TESTS) || [ $$? -eq 5 ]

test-long: $(STAMP)/strict $(STAMP)/test $(STAMP)/test-packages ## The campaigns of minutes, with their figures: soak, chaos, fuzz, full conformance
	$(BIN)/pytest -m long -s --timeout 3600 $(TESTS)

lint: $(STAMP)/strict $(STAMP)/test $(STAMP)/lint ## ruff, mypy --strict, and a core that compiles without a warning
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(wildcard $(TYPED))

format: $(STAMP)/lint ## Let ruff lay out and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)/core $(STAMP)/bench $(STAMP)/bench-packages ## Measure against nginx, HAProxy, Envoy, Traefik and Caddy
	$(BIN)/python -m benchmarks

fuzz: $(STAMP)/core $(STAMP)/test ## Fuzz every codec and the configuration, FUZZ_SECONDS each (600)
	PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS)

asan: $(STAMP)/core $(STAMP)/test ## Test the core, and the product with it, under AddressSanitizer
	PYTHONPATH=tests $(BIN)/python -m fuzz.sanitized -m pytest -m "not long" --capture=sys -p no:cacheprovider \
		--timeout 300 --ignore tests/conformance/test_backpressure.py tests/codec tests/fuzz tests/unit/core tests/conformance

docs: $(STAMP)/core $(STAMP)/docs ## Write the configuration reference and build the site into site/
	$(BIN)/headgate schema --format markdown > docs/configuration.md
	$(BIN)/zensical build --clean

wheel: $(STAMP)/core ## Build the wheel and the source package into dist/
	$(BIN)/pip install --quiet build
	$(BIN)/python -m build

clean: ## Remove everything that the targets above made
	rm -rf $(VENV) build dist site docs/configuration.md *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src -name '*.so' -delete
	find src -name '*.pyx' | sed 's/pyx$$/c/' | xargs -r rm -f
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An editable install without the core, which build_ext compiles in place, and only what changed of it.
INSTALL := HEADGATE_CORE=later $(BIN)/pip install --quiet --no-build-isolation --editable

# Set-up. The venv holds the build requirements, so that builds need no isolation and recompile only what changed.

$(STAMP)/venv:
	@echo "Setting up $(VENV)."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade pip
	@mkdir -p $(STAMP) && touch $@

$(STAMP)/install: pyproject.toml setup.py | $(STAMP)/venv
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(BIN)/pip install --quiet --requirement /dev/stdin
	@$(INSTALL) .
	@touch $@

$(STAMP)/core: $(STAMP)/install $(CORE)
	@echo "Compiling the core; a minute or two the first time."
	@$(BIN)/python setup.py --quiet build_ext --inplace --parallel $(JOBS)
	@rm -f $(STAMP)/strict
	@touch $@

# Warnings show only while compiling, so a core from an ordinary build is compiled again once.
$(STAMP)/strict: $(STAMP)/install $(CORE)
	@echo "Compiling the core, where a warning is an error; a minute or two the first time."
	@HEADGATE_WERROR=1 $(BIN)/python setup.py --quiet build_ext --inplace \
		--parallel $(JOBS) $(if $(wildcard $(STAMP)/strict),,--force)
	@touch $(STAMP)/core $@

$(STAMP)/test $(STAMP)/lint $(STAMP)/docs $(STAMP)/bench: $(STAMP)/%: $(STAMP)/install
	@echo "Installing what $* needs."
	@$(INSTALL) ".[$*]"
	@touch $@

# Programs in Go that nobody packages. Everything that compiling them leaves behind goes again.
GO_PROGRAMS := h2spec=github.com/summerwind/h2spec/cmd/h2spec \
	grpc-interop-client=google.golang.org/grpc/interop/client \
	grpc-interop-server=google.golang.org/grpc/interop/server

$(STAMP)/go-programs: GO := $(abspath $(VENV))/go
$(STAMP)/go-programs: $(wildcard tests/interop/programs/go.*) | $(STAMP)/test-packages
	@echo "Compiling programs in Go; a minute or two."
	@export HOME=$(GO) GOPATH=$(GO) GOCACHE=$(GO)/cache GOFLAGS=-modcacherw GOTOOLCHAIN=local CGO_ENABLED=0; \
	cd tests/interop/programs && for pair in $(GO_PROGRAMS); do \
		go build -o $(abspath $(BIN))/$${pair%%=*} $${pair#*=} || exit 1; \
	done
	@rm -rf $(GO)
	@touch $@

$(STAMP)/demo-packages: PACKAGES = $(DEMO_PACKAGES)
$(STAMP)/test-packages: PACKAGES = $(TEST_PACKAGES)
$(STAMP)/bench-packages: PACKAGES = $(BENCH_PACKAGES)
$(STAMP)/%-packages: Makefile | $(STAMP)/venv
	@$(call debian,$(PACKAGES))
	@touch $@

# Install the packages whose command is missing; without the right to, name them and fail.
# RUNLEVEL=1 keeps Debian from starting the services that it installs.
define debian
	missing=""; \
	for pair in $(1); do \
		PATH="$$PATH:/usr/sbin" command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair#*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then \
			echo "Missing Debian packages:$$missing" >&2; \
			echo "Install them:  sudo apt-get install$$missing" >&2; \
			exit 1; \
		fi; \
		export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing; \
	fi
endef
