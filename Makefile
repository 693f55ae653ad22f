# The two commands that matter are `make run` and `make test`; both install what is missing first.

CARGO ?= cargo
SIDESTREAM := target/release/sidestream

.PHONY: run build test check chat bench clean

run: build ## build and run with the embedded defaults
	@exec $(SIDESTREAM)

build:
	@.ci/install build
	@$(CARGO) build --release --locked

test: ## pass every test; says what it skips where a tool is missing, and fails instead with CI=true
	@.ci/install test
	$(CARGO) build --locked
	$(CARGO) test --locked --all-targets
	@.ci/loom
	@tests/clients/run.sh target/debug/sidestream
	@tests/senders/run.sh target/debug/sidestream

check: ## format and lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

chat: build ## the example: a chat in the browser
	@SIDESTREAM=$(abspath $(SIDESTREAM)) examples/chat/run.sh

bench: build ## the figures of benches/README.md; about half an hour on an idle machine
	@cp $(SIDESTREAM) target/measured
	$(CARGO) bench --locked --bench load -- all --sidestream target/measured

clean:
	$(CARGO) clean
