# ModelKiln. `make help` lists what there is; a target that is not listed is not supported.

PYTHON   ?= python3
BUNDLE   ?= examples/churn
REGISTRY ?=
FLAGS    ?=
VENV     := .venv
KILN     := $(VENV)/bin/kiln

.DEFAULT_GOAL := help
.PHONY: help check image build lock check-lock smoke push run test unit lint venv setup clean

require_bundle = @test -n '$(BUNDLE)' || { echo "make $@ needs a bundle, such as BUNDLE=examples/churn; make help lists the targets" >&2; exit 2; }

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  BUNDLE=$(BUNDLE)   REGISTRY=host[:port][/path]   FLAGS='further options of kiln'"

image: $(KILN) ## lock if needed, build, smoke-test the exact image, tag it
	$(require_bundle)
	@$(KILN) image '$(BUNDLE)' $(FLAGS)

check: $(KILN) ## find what would break the deployment, before anything is built
	$(require_bundle)
	@$(KILN) check '$(BUNDLE)' $(FLAGS)

build: $(KILN) ## build the image from its lock, without testing it
	$(require_bundle)
	@$(KILN) build '$(BUNDLE)' $(FLAGS)

smoke: $(KILN) ## smoke-test the image that was built
	$(require_bundle)
	@$(KILN) test '$(BUNDLE)' $(FLAGS)

lock: $(KILN) ## choose versions and write the locks; FLAGS=--upgrade for the newest
	$(require_bundle)
	@$(KILN) lock '$(BUNDLE)' $(FLAGS)

check-lock: $(KILN) ## say whether the locks still fit, and if not why
	$(require_bundle)
	@$(KILN) lock --check '$(BUNDLE)' $(FLAGS)

push: $(KILN) ## publish the tested image: REGISTRY=host[:port][/path]
	$(require_bundle)
	@test -n "$(REGISTRY)" || { echo "make push needs a registry, such as REGISTRY=127.0.0.1:5000/models" >&2; exit 2; }
	@$(KILN) push '$(BUNDLE)' $(REGISTRY) $(FLAGS)

run: $(KILN) ## run the image that was built, in the foreground
	$(require_bundle)
	@$(KILN) run '$(BUNDLE)' $(FLAGS)

test: setup ## set up everything and run the whole test suite
	@tools/test

unit: setup ## only the fast tests: no engine, registry or package index
	@$(VENV)/bin/pytest -q tests/unit tests/golden tests/architecture

lint: setup ## style and types
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

venv: $(KILN) ## make the Python environment with kiln in it

setup: $(VENV)/.developer ## the same with the developers' tools

clean: ## remove what was made here (not the store in ~/.cache/modelkiln)
	rm -rf $(VENV) .build examples/*/build .pytest_cache .mypy_cache .ruff_cache

$(KILN): pyproject.toml
	@PYTHON="$(PYTHON)" tools/setup

$(VENV)/.developer: pyproject.toml
	@PYTHON="$(PYTHON)" tools/setup --developer
