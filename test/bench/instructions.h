/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Instructions
 *
 * How many a bus runs in user space for each message, counted by callgrind while a workload runs.
 * The bus has to run under it: see test/bench/instructions.
 */

#include "test/bench/workload.h"

/* NAN where it cannot be counted. */
double instructions_per_message(const struct workload *w, struct bench_bus *bus, double seconds);
