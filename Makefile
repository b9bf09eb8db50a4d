# The words of the house. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
NODE := node_modules/.bin/node
CONFIG ?= config/default.jsonc
FOR ?= 60s
SEED ?=
CALLS ?=
ONLY ?=
JOBS := $(shell nproc 2>/dev/null || echo 2)

export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help run build install deps native tls test check bench demo image fuzz sanitize sim sim-million soak nat-idle format clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

run: build ## install what is missing, build, and run with CONFIG= (default config/default.jsonc)
	@mkdir -p /run/sallyport 2>/dev/null || true
	@exec $(NODE) src/main.ts run --config $(CONFIG)

build: install native tls ## everything that `run` needs, without running

install: deps node_modules/.package-lock.json ## Debian packages and npm modules

deps:
	@.ci/install packages-build

# npm's own copy of the lock file tells what is installed. The pinned Node comes with it.
node_modules/.package-lock.json: package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

native: deps node_modules/.package-lock.json ## the C++ part
	@cmake -S native -B build/native -DCMAKE_BUILD_TYPE=Release --log-level=WARNING >/dev/null
	@cmake --build build/native -j $(JOBS) -- --no-print-directory -s

tls: deps
	@config/make-test-tls.sh

test: ## everything, with real clients in namespaces (root); ends with "N passed, N failed"
	@.ci/install packages-build packages-test
	@$(MAKE) --no-print-directory build
	@.ci/check types lint native rooms world

check: ## types, lint, architecture, unit: under a minute, no root, no network
	@.ci/check types lint quick

bench: ## one JSON object a line; ONLY=prefix picks
	@.ci/install packages-build packages-test >&2
	@$(MAKE) --no-print-directory build >&2
	@$(NODE) test/bench/run.ts "$(ONLY)"

demo: ## two softphones call each other through the box, and their tones are measured
	@.ci/install packages-build packages-test
	@$(MAKE) --no-print-directory build
	@$(NODE) test/demo/demo.ts

image: ## the bootable appliance
	@echo "make image: there is no appliance yet" >&2; exit 1

fuzz: install ## hostile bytes against the parsers, then against the kernel program, FOR=60s each
	@$(NODE) test/fuzz/run.ts "$(FOR)"
	@if [ -x build/native/io/flow_program_test ]; then build/native/io/flow_program_test --fuzz "$(FOR)"; fi
	@$(NODE) test/fuzz/native.ts "$(FOR)"

sanitize: install ## the C++ tests under AddressSanitizer and UBSan (root)
	@cmake -S native -B build/native-sanitize -DCMAKE_BUILD_TYPE=Debug -DSALLYPORT_SANITIZE=ON --log-level=WARNING
	@cmake --build build/native-sanitize -j $(JOBS) -- --no-print-directory -s
	@ctest --test-dir build/native-sanitize --output-on-failure --no-tests=error

sim: install ## the box in virtual time: SEED= replays one world, CALLS= plays so many calls
	@SEED="$(or $(SEED),1)" CALLS="$(CALLS)" $(NODE) test/simulation/replay.ts

sim-million: install ## a million simulated calls, at low priority (half an hour to two)
	@SEED="$(or $(SEED),1000000)" CALLS=1000000 nice -n 19 $(NODE) test/simulation/replay.ts

soak: ## 20 calls a second of many kinds through the box, FOR=30m; tells memory, pauses and what is left (root)
	@.ci/install packages-build packages-test
	@$(MAKE) --no-print-directory build
	@$(NODE) test/soak/soak.ts "$(if $(filter command,$(firstword $(origin FOR))),$(FOR),30m)"

nat-idle: ## phones behind a NAT idle for ten minutes and are called again and again; FOR=600 in seconds (root)
	@.ci/install packages-build packages-test
	@$(MAKE) --no-print-directory build
	@NAT_IDLE_SECONDS=$(if $(filter command,$(firstword $(origin FOR))),$(FOR),600) vitest run test/interop/nat.test.ts

format: ## let biome format and fix
	@biome check --write .

clean: ## what was built, not what was installed
	@rm -rf build coverage
