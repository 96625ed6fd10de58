# Go, git and make are enough for build, demo and test. Linters and other tools
# are modules of their own under tools/, built at their pinned versions into bin/.

GO       ?= go
BIN      := bin
# The race detector needs a C compiler; where there is none the tests run without it and say so.
RACE     ?= $(if $(shell command -v cc gcc clang 2>/dev/null),-race)
# Where goroutines meet: make test runs these under the race detector. Their tests
# depend on little, so that not every package is built twice; make race takes all.
MEETING  := ./internal/par ./pkg/fetch ./pkg/registry
# What make crash tries: all, or kill alone.
ENDINGS  ?= all
# One fuzz target runs this long under `make fuzz`.
FUZZTIME ?= 20s
SAMPLE   := testdata/sample
LINT     := $(BIN)/golangci-lint
VULN     := $(BIN)/govulncheck

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/kverify, which needs no C library
	CGO_ENABLED=0 $(GO) build -o $(BIN)/kverify ./cmd/kverify

# PLATFORMS=linux/amd64,windows/amd64 builds less than a release has.
.PHONY: dist
dist: ## build what a release consists of into dist/: the same commit and Go give the same bytes
	cd tools/dist && $(GO) run . $(if $(PLATFORMS),-platforms $(PLATFORMS))
	cd tools/image && $(GO) run . $(if $(PLATFORMS),-platforms $(PLATFORMS))
	cd tools/dist && $(GO) run . -sums

.PHONY: dist-check
dist-check: $(BIN)/validate-krew-manifest ## build two platforms (PLATFORMS=... others) twice, compare the bytes, install, load and run them
	cd tools/dist && KVERIFY_DIST_TESTS=1 PLATFORMS=$(PLATFORMS) $(GO) test -count=1 -timeout 60m -v .
	cd tools/image && KVERIFY_DIST_TESTS=1 $(GO) test -count=1 -timeout 30m -v .

# Some minutes the first time: it is large, and no module here needs it.
GORELEASER := github.com/goreleaser/goreleaser/v2@v2.16.0
.PHONY: goreleaser-check
goreleaser-check: ## check .goreleaser.yaml with GoReleaser itself
	$(GO) run $(GORELEASER) check

.PHONY: vet-cross
vet-cross: ## go vet for the systems that the tests do not run on, and a build for 32 bits
	for os in windows darwin; do GOOS=$$os CGO_ENABLED=0 $(GO) vet -trimpath ./... || exit 1; done # -trimpath: what make dist has compiled serves
	GOOS=linux GOARCH=arm GOARM=7 CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o /dev/null ./cmd/kverify

.PHONY: demo
demo: build ## verify every image of the sample release, with no network
	$(BIN)/kverify images v1.27.2 --mirror $(SAMPLE)/mirror --trusted-root $(SAMPLE)/trusted_root.json

.PHONY: test
test: ## run the tests; under the race detector where goroutines meet
	@$(if $(RACE),,echo "no C compiler: testing without the race detector")
	$(GO) test -timeout 25m $$($(GO) list ./... | grep -vE '/(internal/par|pkg/fetch|pkg/registry)$$')
	$(GO) test $(RACE) -timeout 25m $(MEETING)

.PHONY: test-all
test-all: race slow fuzz browser deploy interop ## run everything that takes longer too, but for make crash

# What is left out holds texts and exit codes of program runs, of which the scripts have the same under the detector.
.PHONY: race
race: ## run all tests under the race detector, but for those of texts alone
	@$(if $(RACE),,echo "no C compiler: testing without the race detector")
	$(GO) test $(RACE) -timeout 30m -skip '^(TestTranscripts|TestDocs|TestNoPathHolds)$$' ./...

.PHONY: slow
slow: ## end every writing command in many places, look for sockets, try every path as a process, change mirrors in every way, throttle a registry, measure memory
	KVERIFY_SLOW_TESTS=1 $(GO) test -p 1 -count=1 -run '^(TestKill|TestKillMirror|TestNoSocket|TestNoPathHolds|TestThrottled|TestCorruption|TestCrash|TestMemoryOfRegistries|TestMemoryOfFiles|TestMemoryOfReports|TestMemoryOfLists|TestMemoryOfServing)$$' -timeout 30m -v ./cmd/kverify ./pkg/verify ./pkg/mirror

# Hours: make slow takes a spread of the same.
.PHONY: crash
crash: ## end every writing command at every one of its system calls (ENDINGS=kill: at each rename, fsync and unlink)
	KVERIFY_SLOW_TESTS=$(ENDINGS) $(GO) test -count=1 -run '^TestCrash$$' -timeout 6h -v ./cmd/kverify

# One seed, one world: N worlds from SEED on, FOR=2h begins none after two hours, ONLY=0,2 keeps
# these controls of one seed alone, and HONEST=1 tries worlds that nobody attacks. Nightly, from a machine that is free: make simulate N=100000 SEED=$(date +%Y%m%d)00000
N    ?= 500
SEED ?= 1
.PHONY: simulate
simulate: ## try N (500) random worlds and attackers from SEED (1) on, and print what was met
	GOMEMLIMIT=1GiB $(GO) test -count=1 -timeout 24h -run '^TestSimulation$$' -v ./internal/simulate -args -worlds $(N) -seed $(SEED) $(if $(ONLY),-only $(ONLY)) $(if $(FOR),-budget $(FOR)) $(if $(HONEST),-honest)

# N mutants drawn from SEED; without N all of the package, which takes hours. TESTS=./internal/session,...
# tries what is left on others' tests too, FILES=strict takes those of some files, AGAIN=1 tries
# again what an earlier run left alive. What was tried is kept, and a run that was ended goes on.
PKG  ?= ./pkg/verify
.PHONY: mutants
mutants: ## change PKG (./pkg/verify) in N small ways drawn from SEED, and tell which no test notices
	$(GO) run ./tools/mutants $(if $(filter-out file,$(origin N)),-n $(N)) -seed $(SEED) $(if $(TESTS),-tests $(TESTS)) $(if $(FILES),-files '$(FILES)') $(if $(AGAIN),-again) $(PKG)

.PHONY: cover
cover: ## run all tests and write coverage.html
	$(GO) test -coverpkg=./pkg/...,./internal/... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -1
	$(GO) tool cover -html=coverage.out -o coverage.html

.PHONY: browser
browser: ## run the tests of the served page in a headless Chromium, a module of its own
	cd test/browser && $(GO) test -count=1 -timeout 15m ./...

# 860 s of processor time the first time, since the validator is made of the API server; 3 s from then on.
.PHONY: deploy
deploy: ## render deploy/kubernetes with kustomize, and hold it against the API's schemas, a module of its own
	cd test/deploy && $(GO) test -count=1 -timeout 15m ./...

.PHONY: interop
interop: ## run the tests against real registries and clients, modules of their own
	cd test/interop && $(GO) test -count=1 -timeout 40m -v ./...
	cd test/peers && $(GO) test -count=1 -timeout 10m -v ./...

# RECORD=DIR keeps what was answered, REPLAY=DIR asks such a recording in place of the
# network, ANSWERS=DIR gets answers.txt, and issue.md where one is other than in test/live/answers.txt.
.PHONY: live
live: build ## ask the real hosts what only they can answer; without network it skips by name (RECORD=DIR, REPLAY=DIR, ANSWERS=DIR)
	KVERIFY_LIVE=1 KVERIFY='$(abspath $(BIN)/kverify)' $(foreach v,RECORD REPLAY ANSWERS,$(if $($(v)),$(v)='$(abspath $($(v)))')) \
		$(GO) test -count=1 -timeout 60m -v -run '^TestLive$$' ./test/live

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s)
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" tools/fuzz/run.sh

.PHONY: bench
bench: ## run the benchmarks whose figures docs/performance.md keeps
	$(GO) test -run '^$$' -bench . -benchtime $(or $(BENCHTIME),3x) -timeout 30m $$(git grep -l '^func Benchmark' -- '*_test.go' ':!test' | xargs -n1 dirname | sort -u | sed 's,^,./,')

# Several minutes, and best alone on a machine: BENCH_RUNS=N, BENCH_RTT=0,50.
.PHONY: bench-check
bench-check: ## hold ratios of benchmarks to the baseline, some three minutes
	$(GO) run ./tools/benchcheck $(if $(ONLY),-only '$(ONLY)') $(if $(UPDATE),-update)

.PHONY: bench-peers
bench-peers: build ## measure kverify beside cosign, with round trips: the tables of docs/performance.md
	cd test/peers && $(GO) run . -bin ../../$(BIN) -runs $(or $(BENCH_RUNS),5) -rtt $(or $(BENCH_RTT),$(BENCH_RTTS))

BENCH_RTTS := 0,20,50,100

.PHONY: bench-scale
bench-scale: build ## verify up to 10,000 references at once, and draw docs/images/scale.svg
	cd test/peers && $(GO) run . -bin ../../$(BIN) -runs $(or $(BENCH_RUNS),3) -scale $(or $(BENCH_SCALE),$(BENCH_SCALES)) -picture ../../docs/images/scale.svg

BENCH_SCALES := 1000,2500,5000,10000

.PHONY: bench-serve
bench-serve: ## hold mirror serve against nginx and docker-registry, two minutes, and print the table of docs/performance.md
	cd test/interop && KVERIFY_BENCH=$(or $(ROUNDS),3) $(GO) test -count=1 -timeout 20m -run '^TestBenchServe$$' -v .

.PHONY: bench-verify
bench-verify: ## hold verify DIR against sha256sum and gzip -t of the same files (BENCH_BYTES), and print the table of docs/performance.md
	cd test/interop && KVERIFY_BENCH=$(or $(ROUNDS),3) $(GO) test -count=1 -timeout 60m -run '^TestBenchVerify$$' -v .

.PHONY: bench-mirror
bench-mirror: ## hold mirrors against skopeo, crane, oras and regctl, and print the table of docs/performance.md
	cd test/interop && KVERIFY_BENCH=$(or $(ROUNDS),3) $(GO) test -count=1 -timeout 60m -run '^TestBenchMirror$$' -v .

.PHONY: bench-fat
bench-fat: ## hold downloads over a long line against curl and aria2c: BENCH_RATE=MB/s, BENCH_RUNS=N
	BENCH_RATE=$(or $(BENCH_RATE),40) $(GO) test -run '^$$' -bench FatLine -benchtime $(or $(BENCH_RUNS),3)x -timeout 60m ./cmd/kverify

.PHONY: sample
sample: ## write testdata/sample anew, signed by a test CA
	$(GO) run ./internal/world/sample -o $(SAMPLE)

.PHONY: roots
roots: ## write the embedded trusted root anew and say where it is from; needs npm
	@tools/roots/update.sh

.PHONY: roots-check
roots-check: ## compare the embedded trusted root with where it is from; needs npm
	@tools/roots/update.sh --check

# The commit of kubernetes/k8s.io that the catalogue is read from; name one to write it anew.
COMMIT ?=
.PHONY: catalogue
catalogue: ## write the embedded catalogue of past releases anew, from kubernetes/k8s.io at COMMIT=...; needs the network
	$(GO) run ./tools/catalogue $(if $(FROM),--from $(FROM),--commit $(COMMIT))

.PHONY: kubeadm
kubeadm: ## write the table of kubeadm's images anew, from a table of them in JSON, FROM=FILE
	$(GO) run ./tools/kubeadm --from $(FROM)

.PHONY: fmt
fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

.PHONY: lint
lint: $(LINT) ## check formatting, go vet and golangci-lint
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(LINT) run ./...
	for m in dist image; do (cd tools/$$m && $(GO) vet ./...) || exit 1; done
	for m in browser deploy interop peers; do (cd test/$$m && $(GO) vet ./... && ../../$(LINT) run --config ../../.golangci.yml ./...) || exit 1; done

.PHONY: govulncheck
govulncheck: $(VULN) ## look for known vulnerabilities; skips when the database cannot be reached
	@tools/vuln/run.sh $(VULN)

$(LINT): tools/lint/go.mod
	cd tools/lint && $(GO) build -o ../../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/actionlint: tools/actionlint/go.mod
	cd tools/actionlint && $(GO) build -o ../../$@ github.com/rhysd/actionlint/cmd/actionlint

$(BIN)/validate-krew-manifest: tools/krew/go.mod
	cd tools/krew && $(GO) build -o ../../$@ sigs.k8s.io/krew/cmd/validate-krew-manifest

$(VULN): tools/vuln/go.mod
	cd tools/vuln && $(GO) build -o ../../$@ golang.org/x/vuln/cmd/govulncheck

.PHONY: clean
clean: ## remove what the targets made
	rm -rf $(BIN) dist coverage.out coverage.html
