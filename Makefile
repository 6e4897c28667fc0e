# Everything starts here; `make help` lists it. Each command installs what is missing first.

IN_ENV := .ci/in-env
# Where `make run` keeps its data and listens.
DATA ?= kiln-data
LISTEN ?= 127.0.0.1:8080
# Where `make install` puts the command.
PREFIX ?= $(HOME)/.local
# Rounds of the long forms.
KILL_ROUNDS ?= 500
ONE_WINNER_ROUNDS ?= 2000
FLIPS ?= 1000
TAMPERINGS ?= 1000
CHAIN_ROUNDS ?= 200
IMPORT_BRICKS ?= 100000
# Size of the file whose upload and download is measured.
MEMORY_BYTES ?= 1073741824

.PHONY: help run install test verify check interop contracts console console-pictures bench-ledger deb

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## Build and start a node on loopback, data in ./kiln-data
	$(IN_ENV) cargo build --locked -p kiln
	$(IN_ENV) cargo run --locked --quiet -p kiln -- serve --data $(DATA) --listen $(LISTEN)

install: ## Put the kiln command into $(PREFIX)/bin
	$(IN_ENV) cargo install --locked --debug --path crates/kiln --root $(PREFIX) --no-track --force

# The programs are built with the tests, so that what both need is compiled once. That takes the whole
# workspace each time: what is selected decides the features of the dependencies.
test verify: export KILN_BIN_DIR = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug

test: ## Run every test (less than 12 minutes once built)
	$(IN_ENV) cargo build --locked --workspace --bins --tests
	$(IN_ENV) cargo test --locked --workspace

verify: ## Run the long forms of the fault tests; each prints its figure
	$(IN_ENV) cargo build --locked --workspace --bins --tests
	KILN_KILL_ROUNDS=$(KILL_ROUNDS) $(IN_ENV) cargo test --locked --workspace --test kill -- --nocapture
	KILN_ONE_WINNER_ROUNDS=$(ONE_WINNER_ROUNDS) $(IN_ENV) cargo test --locked --workspace --test one_winner -- --nocapture
	KILN_FLIPS=$(FLIPS) $(IN_ENV) cargo test --locked --workspace --test disk -- --nocapture
	KILN_TAMPERINGS=$(TAMPERINGS) $(IN_ENV) cargo test --locked --workspace --test log_check -- --nocapture
	KILN_CHAIN_ROUNDS=$(CHAIN_ROUNDS) $(IN_ENV) cargo test --locked --workspace --test chain_faults -- --nocapture
	KILN_IMPORT_BRICKS=$(IMPORT_BRICKS) $(IN_ENV) cargo test --locked --workspace --test import -- --nocapture
	KILN_MEMORY_BYTES=$(MEMORY_BYTES) $(IN_ENV) cargo test --locked --workspace --test client_memory -- --nocapture
	$(IN_ENV) deploy/debian/try "$$($(IN_ENV) deploy/debian/build)"

deb: ## Build the Debian package (deploy/debian/build)
	$(IN_ENV) deploy/debian/build

# With what only `make bench-ledger` compiles, too.
check: ## Check format, lints and documentation
	$(IN_ENV) cargo fmt --all --check
	$(IN_ENV) cargo clippy --locked --workspace --all-targets --features bench/without-log -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(IN_ENV) cargo doc --locked --workspace --no-deps --quiet

interop: ## Drive the unmodified OpenDSU SDK (OPENDSU_SDK names its checkout)
	$(IN_ENV) cargo test --locked -p conformance-tests --test interop --test interop_dsu -- --nocapture --test-threads=1

contracts: ## Compile the contracts again (anchor-service/contracts)
	node anchor-service/contracts/build.mjs "$$(.ci/tools)/node_modules" anchor-service/contracts/artifacts

console: ## Build the operator's page again (crates/console)
	node crates/console/build.mjs "$$(.ci/tools)/console/node_modules" crates/console/dist

console-pictures: ## Take the pictures of the operator's page again (docs/console; needs pngquant)
	KILN_SCREENSHOTS=$(CURDIR)/docs/console $(IN_ENV) cargo test --locked -p conformance-tests --test console looks
	pngquant --force --ext .png --strip --speed 1 64 docs/console/*.png

bench-ledger: ## Measure anchors: with and without the log, proofs, gas (docs/benchmarks-ledger.md)
	$(IN_ENV) cargo bench --locked --quiet --profile dev -p bench --bench ledger --features without-log
