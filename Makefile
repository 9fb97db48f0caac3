# `make` alone lists the targets.
.DEFAULT_GOAL := help
GO ?= go
FUZZTIME ?= 30s
MUTANTS ?= all
# Fixed seeds: a run that CI has never made cannot turn it red. LABSEED=$$(date +%Y%m%d) makes runs that are new each day.
LABSEED ?= 1
LABRUNS ?= 200
LABPROCESSES ?= 10
export GORACE := suppressions=$(CURDIR)/.ci/race.suppressions

.PHONY: help demo build test lint example lab lab-bubbles lab-processes lab-power power mutants bench bench-agency bench-transfer soak figures fuzz fixtures clean drill

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## build, then show a backup taken under load and restored (under a minute)
	bin/stasis demo

build: ## bin/stasis
	$(GO) build -o bin/stasis ./cmd/stasis

# The packages that take longest, first: the last one does not run alone then, beside an idle processor. A third one runs
# beside two, since those with processes wait much of their time.
LONGEST := ./integration ./agency ./minicluster ./cmd/stasis ./coordinator ./dbserver/transfer/rclone ./lab/... ./dbserver/...
TESTP ?= 3
# How many cases a model test draws: each run draws others. soak draws many.
RAPID ?= 30
# PASSED=bin/test.json: make test has just found what passes without a mutant, so make mutants need not.
PASSED ?=

test: lint example ## everything that must hold: lint, the example, then all tests under the race detector
	@# lint has vetted: go test need not
	RAPID_CHECKS=$(RAPID) $(GO) tool gotestsum --format pkgname --format-hide-empty-pkg --jsonfile bin/test.json -- \
		-vet=off -race -tags failpoints -timeout 30m -p $(TESTP) $(LONGEST) ./...
	@want=$$($(GO) list ./... | wc -l); ended=$$(grep -v '"Test":' bin/test.json | grep -oE '"Action":"(pass|skip)","Package":"[^"]+"' | sort -u | wc -l); \
	[ "$$ended" -eq "$$want" ] || { echo "$$ended of $$want packages were tested to their end"; exit 1; } # go tool hides that what it runs was killed

lint: ## gofmt, vet, staticcheck, and the rules of CONTRIBUTING that code can be checked for
	@mkdir -p bin
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	$(GO) vet -tags failpoints ./...
	$(GO) tool staticcheck -tags failpoints ./...
	$(GO) run ./internal/rules ./...

example: ## vet and run the module that shows what another module can do with the public packages
	cd example && $(GO) vet ./... && $(GO) test ./...

lab: ## scenarios of faults with fixed seeds, in bubbles and with processes: nothing may be violated (LABSEED, LABRUNS, LABPROCESSES)
	$(MAKE) -j 3 lab-bubbles lab-processes lab-power # runs with processes wait most of the time: they take little from the others

lab-bubbles: build
	bin/stasis lab run all swarm --seed $(LABSEED) --total $(LABRUNS) --allow-some-vacuous --out bin/lab

lab-processes: build
	bin/stasis lab run all --world processes --seed $(LABSEED) --total $(LABPROCESSES) --parallel 3 --allow-vacuous --out bin/lab

lab-power: build
	bin/stasis lab run bank-without-locks --mode none --seed $(LABSEED) --runs 3 --out bin/lab
	bin/stasis lab run bank-without-locks --mode none --world processes --seed $(LABSEED) --out bin/lab || [ $$? -eq 3 ] # real time decides whether one run is torn

power: build ## the same without locks: as many runs have to show a violation as the scenarios say (LABSEED)
	bin/stasis lab run bank-without-locks colliding-backups transactions-in-backups --mode none --seed $(LABSEED) --runs 20 --out bin/lab

mutants: ## switch the safety lines off, one by one: a test must notice (MUTANTS=1/3 or a name: only those)
	$(GO) run ./internal/failpoint/mutants $(if $(PASSED),-passed $(PASSED)) $(MUTANTS)

bench: bench-agency ## ratios in one run: the agency beside etcd, the cut at growing data, the gate, the key tree
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./integration
	$(GO) test -run '^$$' -bench . ./fsm ./dbserver/gate ./dbserver/shard

bench-agency: build ## three agents beside three members of etcd 3.6, as processes on one disk
	cd bench && $(GO) build -o bin/ . ./etcd
	cd bench && bin/bench -stasis ../bin/stasis -etcd bin/etcd

bench-transfer: ## upload and download beside the rclone command, on the same files and servers
	$(GO) test -run '^$$' -bench BesideRclone -benchtime 1x -timeout 60m ./dbserver/transfer/rclone

soak: ## the large numbers: 200 backups under load, rounds of SIGKILL, a million keys, all safety lines, every backend of rclone
	$(GO) run ./internal/failpoint/mutants all
	RAPID_CHECKS=1000 $(GO) test -count 1 -timeout 60m $$(git grep -l 'rapid\.Check\|bubbles\.Rapid' -- '*_test.go' | xargs -n 1 dirname | sort -u | sed 's,^,./,')
	STASIS_SOAK=1 $(GO) test -count 1 -timeout 60m ./agency ./agency/api
	STASIS_SOAK=1 $(GO) test -count 1 -timeout 30m -v -run TestOnePercentChanged ./dbserver/transfer
	$(GO) vet -tags 'failpoints rclone_all' ./dbserver/transfer/rclone ./cmd/stasis
	$(GO) test -count 1 -tags 'failpoints rclone_all' -timeout 30m ./dbserver/transfer/rclone
	STASIS_SOAK=1 $(GO) test -race -count 1 -timeout 120m -v ./integration

figures: ## measure the code: lengths, fields and methods with embedding, order of files, comments
	@$(GO) run ./internal/figures ./...

fuzz: ## every fuzz target for FUZZTIME each
	@all=$$($(GO) list ./...) || exit 1; for p in $$all; do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
		echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

fixtures: ## what this version writes, for the tests of later ones, when a format has changed: FORMAT=format-2
	STASIS_FIXTURES=$(FORMAT) $(GO) test -count 1 -run TestWriteFixtures ./integration

drill: ## total loss: a cluster is lost with all its disks, a new one restores what was uploaded
	STASIS_SOAK=1 $(GO) test -race -count 1 -timeout 30m -v -run TestTotalLoss ./integration

clean: ## remove what the other targets made
	rm -rf bin
