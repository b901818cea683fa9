# The commands of the project. Nothing clever: the work is done by tools/ and by the presets of CMakePresets.json.
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)

.PHONY: help build wheel test check demo install clean

help: ## list these commands
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

build: ## the libraries and build/release/fathom
	@tools/setup build
	@tools/build release $(JOBS) fathom_command fathom_shared fathom_static libcuda_emulator

wheel: ## dist/*.whl: the Python packages
	@tools/setup wheel
	@tools/wheel $(JOBS)

test: ## set up, build, run every test that can run on this machine
	@tools/setup test
	@tools/build release $(JOBS)
	@test -e build/setup/no-pypi || tools/wheel $(JOBS)
	@tools/run_tests.py

check: ## the tests again under sanitizers, the fuzzers, clang-tidy
	@tools/setup check
	@tools/check $(JOBS)

demo: ## FP8 matrix products on the weights of a real model, against FP64
	@tools/setup demo
	@tools/build release $(JOBS) fathom_command
	@/usr/bin/python3 tools/demo/demo.py

install: ## install to $(DESTDIR)$(PREFIX)
	@tools/setup build
	@tools/build release $(JOBS) fathom_command fathom_shared fathom_static libcuda_emulator
	@DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

clean: ## remove what was built, the demo's downloads and .venv
	rm -rf build dist .venv
