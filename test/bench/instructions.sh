#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Instructions in user space for each message: instructions.sh BUILD-DIRECTORY [option of bus1-bench...]
#
# All buses and all clients run under callgrind; of the buses it is asked. Quiet or not, the figures
# are the same within a few percent.
set -eu

build=${1:?usage: test/bench/instructions.sh BUILD-DIRECTORY [--seconds=S] [--only=NAME]}
shift

exec valgrind -q --tool=callgrind --trace-children=yes --trace-children-skip='/bin/sh,*/vgdb' \
        --callgrind-out-file=/dev/null --error-limit=no \
        "$build/test/bench/bus1-bench" --bridge="$build/bridge/bus1-bridge" --instructions "$@"
