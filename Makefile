# Shorthands for the day; `make help` lists them. The build itself is CMake's.

.DEFAULT_GOAL := help
.PHONY: help build test check full format docs symbols asan tsan bench clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build/build.ninja:
	cmake --preset release

build: build/build.ninja ## the library, the program, tests and benchmarks in build/
	ninja -C build

test: build ## the fast tests
	ctest --test-dir build -L fast -j 2 --output-on-failure

check: ## everything CI does
	./check.sh

full: ## check, slow tests and sanitizers
	./check.sh --full

format: ## lay out all sources
	scripts/format.sh

docs: build ## docs/options.md, the golden help texts and docs/python.md, from table and docstrings
	scripts/options_doc.sh
	/usr/bin/python3 scripts/python_doc.py

symbols: build ## tests/symbols.txt, the symbols the shared library exports
	scripts/symbols.sh

asan: ## build-asan/: address and undefined-behaviour sanitizers
	cmake --preset asan && ninja -C build-asan

tsan: ## build-tsan/: thread sanitizer
	cmake --preset tsan && ninja -C build-tsan

bench: build ## what each benchmark says, as JSON lines
	@for program in build/bench/bench_*; do $$program; done

clean: ## remove the build folders
	rm -rf build build-*
