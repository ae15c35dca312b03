# The commands that people type. ARGS holds the arguments of a command:
#     make bench ARGS='--executor wasm,v8 --function hello --quick'

ARGS ?=

# Engines that take long to build are left out. ISOLAB_FEATURES names features of harness/Cargo.toml:
#     make bench ISOLAB_FEATURES=all ARGS='--executor wasm,wasmer'
ISOLAB_FEATURES ?=
features = $(if $(ISOLAB_FEATURES),--features isolab/$(ISOLAB_FEATURES))

.DEFAULT_GOAL := help
.PHONY: help setup bench test microbench targets image deploy undeploy fmt lint

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the toolchain, the V8 library, a Docker Engine, a C compiler for Wasm
	@scripts/setup

bench: setup ## set up, then measure: cargo run -- bench $(ARGS)
	cargo run $(features) -- bench $(ARGS)

test: setup ## set up, then run every test
	@scripts/setup-chromium
	@scripts/setup-foreign
	@scripts/tests/setup-v8
	cargo test --workspace $(features) --no-fail-fast $(ARGS)

# The dev profile generates the code of a release build, so cargo builds nothing twice.
microbench: setup ## run the criterion benches: start, invoke, start + invoke
	cargo bench --profile dev --workspace $(features) --bench phases $(ARGS)

targets: setup ## compare the front door with a bare hyper server, wrk and docker run
	cargo bench --profile dev -p isolab $(features) --bench targets -- $(ARGS)

image: ## build the lab's own image (docker/README.md)
	@docker/lab/build

deploy: ## run the lab's services on a Docker Swarm
	@docker/lab/deploy up

undeploy: ## remove these services
	@docker/lab/deploy down

fmt: ## format the Rust code
	cargo fmt --all

lint: ## check formatting, Rust code, prose, shell scripts and licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(features) -- --deny warnings
	@scripts/lint-imports
	@scripts/lint-prose
	@scripts/lint-optional
