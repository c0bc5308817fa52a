/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Instructions - counts how many instructions a bus runs in user space for each message
 *
 * callgrind counts them while a workload runs. The bus must run under callgrind: see
 * test/bench/instructions.sh.
 */

#include "test/bench/workload.h"

/* Returns NAN if the instructions cannot be counted. */
double instructions_per_message(const struct workload *w, struct bench_bus *bus, double seconds);
