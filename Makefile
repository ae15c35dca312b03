# What a person types. Everything that takes arguments is given them in ARGS:
#     make bench ARGS='--executor wasm,v8 --function hello --quick'

ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup bench test microbench targets fmt lint

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## the toolchain, the V8 library, a Docker Engine, a C compiler for Wasm
	@scripts/setup

bench: setup ## set up, then measure: cargo run -- bench $(ARGS)
	cargo run -- bench $(ARGS)

test: setup ## set up, then run every test
	@scripts/setup-chromium
	@scripts/tests/setup-v8
	cargo test --workspace --no-fail-fast $(ARGS)

# The dev profile generates the code of a release: nothing is built twice.
microbench: setup ## the criterion benches: start, invoke, start + invoke
	cargo bench --profile dev --workspace --bench phases --bench floor $(ARGS)

targets: setup ## the front door beside its peers: a bare hyper server, wrk, docker run
	cargo bench --profile dev -p isolab --bench targets $(ARGS)

fmt: ## format the Rust code
	cargo fmt --all

lint: ## formatting, clippy, shellcheck, and licences where cargo-deny is installed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	@scripts/lint-imports
	@scripts/lint-optional
