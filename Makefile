# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A thin front for meson. Each target first installs what it needs (Debian 12).

BUILD ?= build
MESON_OPTIONS ?=

.PHONY: all build run test test-quick test-vm test-vm-all bench bench-vm kernel doc-pictures install clean

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

# bus1.ko, for the running kernel or the one in KDIR
kernel:
	@tools/install-deps kernel
	@tools/build-module $(BUILD)/kernel $(KDIR)

# bus1.ko in virtual machines: a part of `make test`, and all that there is for them
test-vm:
	@tools/install-deps vm
	@$(MAKE) --no-print-directory build
	@test/vm/run $(BUILD) stock debug

test-vm-all:
	@tools/install-deps vm
	@$(MAKE) --no-print-directory build
	@test/vm/run $(BUILD) stock debug kcsan

bench:
	@tools/install-deps bench
	@$(MAKE) --no-print-directory build
	@test/bench/run $(BUILD)

# bus1.ko against sockets, pipes and dbus-broker, in a virtual machine
bench-vm:
	@tools/install-deps vm
	@tools/install-deps bench
	@$(MAKE) --no-print-directory build
	@test/vm/run $(BUILD) bench

# the pictures of the documents, from their sources; both are kept in the tree
doc-pictures:
	@tools/install-deps doc
	@doc/pictures/make

install: build
	@meson install -C $(BUILD)

clean:
	rm -rf build build-asan build-tsan
