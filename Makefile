# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Short names for common tasks with meson. Each target first installs the Debian 12 packages that it
# needs.
#
#   make [build]       build everything in $(BUILD)
#   make run           show the bus at work (tools/demo)
#   make test          run all tests, in all builds and in virtual machines, and lint
#   make test-quick    run the unit, interop and integration tests of the plain build
#   make lint          check all files: layout, static analysis, spelling
#   make coverage      show which lines the tests run: $(BUILD)-coverage/coverage/index.html
#   make kernel        build bus1.ko, for the running kernel or the one in KDIR
#   make test-vm       run the tests of bus1.ko in virtual machines
#   make test-vm-all   the same, also on a kernel that looks for data races; and test-machine for
#                      Debian 12, 13 and testing, with all scenarios
#   make build-cross   build bus1.ko for 32 bits, arm64 and PREEMPT_RT
#   make test-vm-other run the tests of bus1.ko on arm64 and on PREEMPT_RT
#   make test-intree   boot a kernel with bus1 in its source, and run KUnit tests and kselftests
#   make test-machine  compare whole machines with dbus-daemon and with the bridge, from packages
#   make kernel-lint   check the kernel's code with the kernel's own tools
#   make bench         compare with dbus-daemon and dbus-broker
#   make bench-vm      the same for bus1.ko, in a virtual machine
#   make doc-pictures  make the pictures of the documents from their sources
#   make install       build and install
#   make packages      build Debian packages, in $(BUILD)/packages
#   make clean         remove all build directories
#
# BUILD is the build directory (default: build). MESON_OPTIONS are for the first `meson setup`.
# PACKAGES_SUITE names releases of Debian (default: bookworm).

BUILD ?= build
MESON_OPTIONS ?=
PACKAGES_SUITE ?= bookworm

.PHONY: all build run test test-quick lint kernel-lint coverage test-vm test-vm-all test-vm-other test-machine test-intree build-cross bench bench-vm kernel doc-pictures install packages clean

all: build

build:
	@tools/install-deps build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) $(MESON_OPTIONS)
	@ninja -C $(BUILD)

run:
	@tools/install-deps run
	@$(MAKE) --no-print-directory build
	@tools/demo $(BUILD)

test:
	@tools/install-deps vm
	@tools/run-tests full

test-quick:
	@tools/install-deps test
	@tools/run-tests quick

lint:
	@tools/install-deps lint
	@$(MAKE) --no-print-directory build
	@tools/lint $(BUILD)

kernel-lint:
	@tools/install-deps kernel-lint
	@tools/kernel-lint

coverage:
	@tools/install-deps coverage
	@tools/coverage $(BUILD)-coverage

kernel:
	@tools/install-deps kernel
	@tools/build-module $(BUILD)/kernel $(KDIR)

# `make test` includes test-vm and, for bookworm, test-machine
test-vm:
	@tools/install-deps vm
	@$(MAKE) --no-print-directory build
	@test/vm/run $(BUILD) stock debug

test-vm-all:
	@tools/install-deps vm
	@$(MAKE) --no-print-directory build
	@test/vm/run $(BUILD) stock debug kcsan
	@$(MAKE) --no-print-directory test-machine PACKAGES_SUITE="bookworm trixie testing" \
		MACHINE_FLAGS=--all

build-cross:
	@tools/install-deps cross
	@test/vm/build-cross

test-vm-other:
	@tools/install-deps vm
	@tools/install-deps cross
	@$(MAKE) --no-print-directory build
	@test/vm/run $(BUILD) rt arm64

# builds a kernel, unless the cache has one (test/vm/build-kernel)
test-intree:
	@tools/install-deps vm
	@test/vm/run $(BUILD) intree

test-machine:
	@tools/install-deps vm
	@$(MAKE) --no-print-directory packages
	@for suite in $(PACKAGES_SUITE); do \
		test/vm/machine/run $(MACHINE_FLAGS) --suite=$$suite $(BUILD)/packages/$$suite || exit 1; \
	done

bench:
	@tools/install-deps bench
	@$(MAKE) --no-print-directory build
	@test/bench/run $(BUILD)

bench-vm:
	@tools/install-deps vm
	@tools/install-deps bench
	@$(MAKE) --no-print-directory build
	@test/vm/run $(BUILD) bench

# sources and pictures are both kept in the tree
doc-pictures:
	@tools/install-deps doc
	@doc/pictures/make

install: build
	@meson install -C $(BUILD)

packages:
	@tools/install-deps packages
	@tools/packages $(BUILD)/packages $(PACKAGES_SUITE)

clean:
	rm -rf build build-asan build-tsan build-coverage
