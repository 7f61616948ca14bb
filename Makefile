# rosknock: what can be done here. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := bash

GO ?= go
LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
PLATFORMS := linux/amd64 linux/arm64 linux/arm darwin/arm64 windows/amd64
FUZZTIME ?= 20s
export GOARM := 6

.PHONY: help build demo test race fuzz lab matrix bench vet fmt lint cross dist cover ci clean

help: ## list what can be done
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 12

build: ## build bin/rosknock
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/rosknock ./cmd/rosknock

demo: ## show the whole story on a simulated router
	@$(GO) run ./cmd/rosknock demo

# The tests allocate much and keep little: collected less often, they take half of the CPU time for
# some hundred MiB more memory.
TESTGC ?= 500
test: ## run the tests
	GOGC=$(TESTGC) $(GO) test ./...

# The packages that share memory or wait for somebody; the others have nothing to race for, nor have
# the tests that hold texts against each other. A program that ends waits 10 ms for races of others,
# not a second: the scripts start a thousand.
race: ## run their tests with the race detector, on a share of the large tables (needs a C compiler)
	CGO_ENABLED=1 GOGC=$(TESTGC) GORACE=atexit_sleep_ms=10 $(GO) test -race -short -timeout 20m -skip '^TestDocs$$|^TestSameBytes$$|^TestGenuineAudits$$|^TestChecklist$$|^TestHostile$$|^TestScripts$$/^(knock-ahead|render|sequence|import|plans)$$' $$($(GO) list -f '{{.ImportPath}} {{join .Imports " "}}' ./... | grep -E ' (sync|sync/atomic|context|net)( |$$)' | cut -d' ' -f1)

fuzz: ## run every fuzz target for FUZZTIME (default 20s)
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit 1; \
	  done; \
	done

lab: ## hold the packet evaluator, doors and the knock against the Linux kernel (needs root)
	ROSKNOCK_LAB=1 $(GO) test -count=1 -v -run '^TestKernel$$|^TestDoorLab$$|^TestKnockLab$$' ./routeros/firewall/lab ./cmd/rosknock | grep -v '^=== '; exit $${PIPESTATUS[0]}

# Of each kind of case every MATRIXth is tried.
MATRIX ?= 1
matrix: ## let an apply fail at every sentence in every way, and kill it 200 times (MATRIX=4: a quarter of the cases)
	@date -u '+began %T'
	ROSKNOCK_MATRIX=$(MATRIX) GOGC=1600 $(GO) test -count=1 -timeout 90m -v -run '^TestMatrix$$|^TestTwoFaults$$|^TestAdoptionMatrix$$|^TestRoundTrip$$' ./plans/apply | grep --line-buffered -v '^=== \|^ *--- PASS'; exit $${PIPESTATUS[0]}
	$(GO) test ./plans/apply -count=1 -timeout 90m -run '^TestSent$$' -rapid.checks=$$((4000 / $(MATRIX)))
	ROSKNOCK_MATRIX=$(MATRIX) $(GO) test -count=1 -v -run '^TestKilled$$' ./cmd/rosknock | grep --line-buffered -v '^=== \|^ *--- PASS'; exit $${PIPESTATUS[0]}
	@date -u '+ended %T'

bench: ## run the benchmarks and print the numbers of the design (about five minutes; on a machine that does nothing else)
	$(GO) test -run '^$$' -bench . -benchtime 200ms -benchmem $$($(GO) list ./... | grep -v /cmd/rosknock$$)
	$(GO) test -run '^$$' -bench '^BenchmarkRouter$$' -benchmem ./cmd/rosknock
	$(GO) test -run '^$$' -bench '^BenchmarkNumbers$$' -benchtime 1x -timeout 30m ./cmd/rosknock

vet: ## run go vet
	$(GO) vet ./...

fmt: ## say which files are not formatted
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not formatted, run gofmt -w:"; echo "$$files"; exit 1; fi

lint: ## run golangci-lint, pinned
	$(GO) run $(LINT) run ./...

cross: ## build for every platform
	@for p in $(PLATFORMS); do echo "$$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -trimpath -o /dev/null ./cmd/rosknock || exit 1; done

dist: ## make archives and packages for every platform, in dist/
	@GO="$(GO)" .package/build $(PLATFORMS)

cover: ## say how much of each package the tests run
	$(GO) test -cover ./...

ci: ## run what the CI runs
	.ci/run

clean: ## remove what was built
	rm -rf bin dist
