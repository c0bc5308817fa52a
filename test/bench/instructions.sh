#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Counts the instructions in user space for each message:
#
#   instructions.sh BUILD-DIRECTORY [option of bus1-bench...]
#
# All buses and all clients run under callgrind, but only the counts of the buses are read. Other work
# of the machine changes the figures by a few percent at most.
#
# The rows with 20,000 rules need the option --system-policy=FILE (test/bench/system-policy makes the
# file), and --daemon=none, because dbus-daemon is very slow with so many rules.
set -eu

build=${1:?usage: test/bench/instructions.sh BUILD-DIRECTORY [--seconds=S] [--only=NAME]}
shift

exec valgrind -q --tool=callgrind --trace-children=yes --trace-children-skip='/bin/sh,*/vgdb' \
        --callgrind-out-file=/dev/null --error-limit=no \
        "$build/test/bench/bus1-bench" --bridge="$build/bridge/bus1-bridge" --instructions "$@"
