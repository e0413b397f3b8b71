# The targets that people and CI use; `make help` lists them. Each does its own set-up: what the machine lacks is
# installed (Debian) or named, and everything else goes into the user's cache folder.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cdcsync-test
export PATH := $(PATH):$(CACHE)/go/bin
export CGO_ENABLED := 0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LINT := $(CACHE)/bin/golangci-lint-2.15.0
TESTFLAGS ?=

MYSQLS ?= 5.7 8.0.15 8.0 9.7
MARIADBS ?= 10.5 10.11 11.4 11.8
# A module of its own, so that the program does not depend on the parsers that it compares ours with.
ORACLE := binlog/ddl/oracle
# The packages whose tests talk to a server.
SERVER_TESTS := ./source/... ./binlog/... ./e2e/...

.PHONY: help build demo demo-clickhouse demo-kafka test test-matrix bench check lint fuzz soak clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the static program, as bin/cdcsync
	@bash e2e/setup.sh build
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/cdcsync ./cmd/cdcsync

demo: build ## copy a live MariaDB shop database into Iceberg and compare, in a minute
	@bash e2e/setup.sh demo
	@bash e2e/demo.sh

demo-clickhouse: build ## the same into ClickHouse
	@bash e2e/setup.sh demo-clickhouse
	@bash e2e/demo.sh clickhouse

demo-kafka: build ## the same into Kafka
	@bash e2e/setup.sh demo-kafka
	@bash e2e/demo.sh kafka

test: ## all tests, real servers included, in under 20 minutes on 2 cores
	@bash e2e/setup.sh test
	go test -tags fault ./e2e/fault
	go test -count=1 -p 2 -timeout 19m $(TESTFLAGS) ./...
	cd $(ORACLE) && go test $(TESTFLAGS) ./...

test-matrix: ## the server tests on every version of MySQL and MariaDB; MYSQLS= MARIADBS=11.8 makes it one
	@bash e2e/setup.sh test
	@status=0; \
	for version in $(MYSQLS); do echo "== MySQL $$version"; \
	  CDCSYNC_MYSQL=$$version CDCSYNC_MARIADB=none go test -count=1 -p 2 -timeout 30m $(TESTFLAGS) $(SERVER_TESTS) || status=1; done; \
	for version in $(MARIADBS); do echo "== MariaDB $$version"; \
	  CDCSYNC_MARIADB=$$version CDCSYNC_MYSQL=none go test -count=1 -p 2 -timeout 30m $(TESTFLAGS) $(SERVER_TESTS) || status=1; done; \
	exit $$status

bench: ## rows per second, CPU and memory, beside the servers' own clients
	@for sink in demo demo-clickhouse demo-kafka; do bash e2e/setup.sh $$sink || exit 1; done
	go test -run '^$$' -bench . -benchtime 1x -timeout 60m ./e2e/bench

check: lint ## what must hold before a commit: formatting, vet, linters, the rule of dependencies
	@bash e2e/setup.sh build
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "gofmt these: $$unformatted"; exit 1; fi
	go vet ./...
	go vet -tags fault ./...
	go test -short -run Depend ./cmd/...
	go mod verify

lint: $(LINT) ## golangci-lint and shellcheck
	$(LINT) run ./...
	cd $(ORACLE) && $(LINT) run ./...
	@if command -v shellcheck >/dev/null; then shellcheck -x $$(git ls-files '*.sh') .ci/run; \
	  else echo 'shellcheck is not installed: the scripts were not linted'; fi

$(LINT):
	@bash e2e/setup.sh build
	@echo "installing $@"
	@GOBIN=$(CACHE)/bin/lint.part go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	@mv $(CACHE)/bin/lint.part/golangci-lint $@ && rmdir $(CACHE)/bin/lint.part

FUZZTIME ?= 30s
fuzz: ## every fuzz test for FUZZTIME (30s)
	@bash e2e/setup.sh build
	@for module in . $(ORACLE); do (cd $$module && \
	    go list -f '{{range .TestGoFiles}}{{$$.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$$.Dir}}/{{.}}{{"\n"}}{{end}}' ./...); done | \
	  xargs grep -H '^func Fuzz' | sed 's|\(.*\)/[^/]*:func \(Fuzz[A-Za-z0-9_]*\).*|\1 \2|' | sort -u | \
	  while read -r dir name; do echo "== $$name in $$dir"; \
	    (cd "$$dir" && go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x .) || exit 1; done

SOAK_KILLS ?= 300
SOAK_CRASHES ?= 50
SOAK_CHAOS ?= 30m
soak: ## the kill and network scenarios for long (SOAK_KILLS=300, SOAK_CRASHES=50 of the sink's server), then chaos (SOAK_CHAOS=30m) on each server
	@bash e2e/setup.sh test
	CDCSYNC_KILLS=$(SOAK_KILLS) CDCSYNC_CUTS=$(SOAK_KILLS) CDCSYNC_CRASHES=$(SOAK_CRASHES) CDCSYNC_POINTS=1 \
	  go test -count=1 -p 1 -v -timeout 6h -run 'Kill9|Network|Crash|Disk|Terminated' ./e2e ./e2e/warehouse ./e2e/queue
	@status=0; \
	for version in $(MYSQLS); do echo "== chaos on MySQL $$version"; \
	  CDCSYNC_MYSQL=$$version CDCSYNC_CHAOS=$(SOAK_CHAOS) go test -count=1 -v -timeout 6h -run TestChaos/mysql ./e2e/chaos || status=1; done; \
	for version in $(MARIADBS); do echo "== chaos on MariaDB $$version"; \
	  CDCSYNC_MARIADB=$$version CDCSYNC_CHAOS=$(SOAK_CHAOS) go test -count=1 -v -timeout 6h -run TestChaos/mariadb ./e2e/chaos || status=1; done; \
	exit $$status

clean: ## remove what builds and the demo left in this folder; the cache stays
	rm -rf bin demo
