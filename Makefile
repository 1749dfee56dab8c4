# The commands a person needs; each says what it lacks.
GO ?= go
RACE_FLAG := $(if $(RACE),-race,)
VERSION ?= 1.0.0

.PHONY: run test lint bench microbench build deps assets

run: ## the server with the embedded store and the simulated upstream
	$(GO) run ./cmd/devops-insights

assets: ## the JavaScript client for /socket.io/socket.io.js, from npm
	./scripts/assets.sh

build: assets ## a static binary in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/devops-insights ./cmd/devops-insights

deps: ## what the tests need beside Go: Node clients, Chromium
	./scripts/test-deps.sh

test: ## every suite, with a summary; RACE=1 with the race detector
	@status=0; \
	./scripts/test-deps.sh || status=1; \
	$(GO) run ./scripts/testrun $(RACE_FLAG) || status=1; \
	[ $$status = 0 ] || echo "make test: FAILED, see above" >&2; \
	exit $$status

lint: ## formatting, vet, static analysis, known vulnerabilities
	./scripts/lint.sh

bench: deps ## our server beside Node's socket.io and others; BENCH="-quick" for a first look
	$(GO) -C scripts/bench run . $(or $(BENCH),-out ../../docs/bench)

microbench: ## micro-benchmarks, ready for benchstat
	$(GO) test -run '^$$' -bench . -benchmem ./...
