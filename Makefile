# Roomcast. `make` alone prints the targets below.

GO           ?= go
BIN          ?= bin
PACKAGES     ?= ./...
# No -parallel: packages whose tests wait say themselves how many of them run beside each other.
TEST_FLAGS   ?= -race -shuffle=on
# A program with the race detector sleeps for a second when it ends, and tests end thousands of them.
RACE_OPTIONS  = GORACE=atexit_sleep_ms=0
# What takes longest begins first.
LONGEST       = $(if $(filter ./...,$(PACKAGES)),./internal/e2e ./internal/matrix ./media/libav)
TEST_TIMEOUT ?= 25m
DEMO_SECONDS ?=
DEPS         ?= scripts/deps
VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GO_LDFLAGS   ?= -s -w -X github.com/roomcast/roomcast/internal/process.version=$(VERSION)

# Package and target: of media/libav one for each container, of media/host one for each side.
FUZZ_TARGETS = $(addprefix media/libav:,FuzzMP4 FuzzMatroska FuzzTS FuzzFLV FuzzAVI FuzzOgg FuzzSound FuzzASF FuzzHLS) \
	$(addprefix media/host:,FuzzFromHost FuzzToHost) media/mp4:FuzzRead

# nomsgpack: gin's codec for a format that the API does not speak is 6 MB.
PURE_BUILD = CGO_ENABLED=0 $(GO) build -trimpath -tags nomsgpack -ldflags '$(GO_LDFLAGS)'
LINT       = $(GO) tool -modfile=tools/go.mod golangci-lint
VULN       = $(GO) tool -modfile=tools/go.mod govulncheck
VULN_DB   ?= https://vuln.go.dev
# What npm has installed; it is stale when the lock file is newer.
NODE_MODULES = web/console/node_modules/.package-lock.json
# What a command that links FFmpeg starts with. scripts/ffmpeg builds the libraries the first time.
WITH_FFMPEG = vars=$$(scripts/env) && eval "$$vars" &&
BENCH       = $(WITH_FFMPEG) $(GO) build -o $(BIN)/bench ./internal/bench && $(BIN)/bench -bin $(BIN)

.PHONY: help deps ffmpeg env build test chaos bench bench-quick bench-go fleet check format generate tidy vet lint vuln demo doctor clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

deps: ## install the Debian packages that are missing, for building and for the tests
	@$(DEPS)

ffmpeg: ## build the pinned FFmpeg libraries into the cache, once
	@$(DEPS) build
	@scripts/ffmpeg

env: ## print what plain go build needs: eval "$(make -s env)"
	@$(DEPS) build
	@scripts/env

build: api roomcast worker ## build bin/api, bin/worker and bin/roomcast, which are targets too

.PHONY: api roomcast worker
api roomcast:
	$(PURE_BUILD) -o $(BIN)/$@ ./cmd/$@

worker:
	@$(DEPS) build
	$(WITH_FFMPEG) $(GO) build -trimpath -ldflags '$(GO_LDFLAGS)' -o $(BIN)/worker ./cmd/worker

test: $(NODE_MODULES) ## install what is missing, then run every Go test (PACKAGES=./media/... for some)
	@$(DEPS)
	$(WITH_FFMPEG) $(RACE_OPTIONS) $(GO) test $(TEST_FLAGS) -timeout $(TEST_TIMEOUT) $(LONGEST) $(PACKAGES)

chaos: ## faults, hostile sources, the corpus, leaks, a long soak and fuzzing at full size, in about 80 minutes; ends with their RESULT lines
	@$(DEPS)
	@dir=$$(mktemp -d) && { $(WITH_FFMPEG) CHAOS=full $(GO) test -count=1 -p 1 -timeout 3h -v -run '^TestChaos' \
		./internal/e2e ./internal/matrix ./internal/hostile ./tasks/queue ./media/libav; echo $$? >"$$dir/exit"; \
		for target in $(FUZZ_TARGETS); do GO='$(GO)' scripts/fuzz $$target || echo 1 >"$$dir/exit"; \
		done; } 2>&1 | tee "$$dir/log"; \
	echo; grep -E 'RESULT|^ *--- (FAIL|SKIP)|^(ok|FAIL)' "$$dir/log"; result=$$(cat "$$dir/exit"); rm -r "$$dir"; exit "$$result"

bench: build ## what a push costs against ffmpeg and a raw writer, starts, takeovers, the API: a table for BENCHMARKS.md, in half an hour
	@$(DEPS)
	$(BENCH) $(BENCH_FLAGS)

bench-quick: build ## the ratios that may not grow by more than a quarter over internal/bench/baseline.json (BENCH_FLAGS=-update writes them)
	@$(DEPS)
	$(BENCH) -quick $(BENCH_FLAGS)

bench-go: ## the Go benchmarks, those of the steps of a push and those of many pushes and listeners
	@$(DEPS)
	$(WITH_FFMPEG) $(GO) test -run '^$$' -bench . ./media/clock ./media/program ./media/rtmp ./tasks/store
	$(WITH_FFMPEG) $(GO) test -run '^$$' -bench '^Benchmark(Transcode|Preview|AHundredPushes)$$' -benchtime 3x -p 1 -timeout 1h \
		./media/libav ./internal/matrix
	$(GO) test -run '^$$' -bench '^Benchmark(TwoThousandListeners|FiftyPages)$$' -benchtime 1x ./cmd/api

fleet: ## what 10 000 pushes in 100 workers cost a redis-server of its own, in three minutes (FLEET_PUSHES, FLEET_WORKERS, FLEET_RESUME, FLEET_SECONDS); needs a quiet machine
	@$(DEPS)
	$(GO) test -run '^$$' -bench '^BenchmarkFleet$$' -benchtime 1x -v -timeout 15m ./internal/fleetload

check: format generate tidy vet lint vuln console-check ## everything but the tests: format, generated files, go.mod, vet, lint, known vulnerabilities, the page

format: ## fail if a Go file is not as gofmt has it
	@files=$$(git ls-files --cached --others --exclude-standard '*.go' | xargs -r ls 2>/dev/null | xargs -r gofmt -l) || exit; \
	test -z "$$files" || { echo "run gofmt -w on:"; echo "$$files"; exit 1; }

generate: ## fail if go generate changes a file
	@$(DEPS) build
	$(WITH_FFMPEG) GO='$(GO)' scripts/generated

tidy: ## fail if go mod tidy would change go.mod or go.sum
	$(GO) mod tidy -diff

vet: ## go vet
	@$(DEPS) build
	$(WITH_FFMPEG) $(GO) vet $(PACKAGES)

lint: ## golangci-lint, at the version tools/go.mod pins
	@$(DEPS) build
	$(WITH_FFMPEG) $(LINT) run $(PACKAGES)

vuln: ## fail if code that we call has a known vulnerability; where govulncheck's database cannot be reached, say so
	@$(DEPS) build
	@if curl --fail --silent --location --max-time 60 --output /dev/null '$(VULN_DB)/index/modules.json.gz'; then \
		$(WITH_FFMPEG) $(VULN) -db '$(VULN_DB)' $(PACKAGES); \
	else echo 'govulncheck: its database cannot be reached from here: not checked'; fi

# npm takes what the lock file names, and nothing that a package would run while it is installed.
$(NODE_MODULES): web/console/package-lock.json
	@$(DEPS) page
	cd web/console && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: console console-check images
console: $(NODE_MODULES) ## build the page into web/console/dist, which is committed; needs node
	@$(DEPS) console
	cd web/console && npm run --silent types && npm run --silent typecheck && npm run --silent build

console-check: $(NODE_MODULES) ## test the page, and fail if web/console/dist is not what its source makes, or too large
	@$(DEPS) console
	cd web/console && npm run --silent typecheck && npm test --silent && npm run --silent check

images: $(NODE_MODULES) ## make docs/images of the page anew, in six minutes; needs a Chinese font
	@$(DEPS)
	@fc-list :lang=zh | grep -q . || { echo 'no Chinese font: apt-get install fonts-noto-cjk'; exit 1; }
	$(WITH_FFMPEG) IMAGES=$(CURDIR)/docs/images $(GO) test -count=1 -v -timeout 15m -run '^TestThePageIsUsedInABrowser$$' ./internal/e2e

demo: build ## run the demo (DEMO_SECONDS=10 runs it without a terminal)
	@$(DEPS) test
	$(BIN)/roomcast demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

doctor: ## say what this machine lacks and the command that fixes it
	@scripts/doctor

.PHONY: env-file compose-test
env-file: ## write .env with random secrets for docker-compose.yml, once
	@scripts/env-file

compose-test: ## build the images, start docker-compose.yml with its demo, and kill, stop and restart parts of it
	@$(GO) test -count=1 -v -timeout 2h -tags compose ./deploy

clean: ## remove what build made; the FFmpeg cache stays
	rm -rf $(BIN)
