/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * System calls
 *
 * How many a bus makes for each message, counted by strace(1) while a workload runs.
 */

#include "test/bench/workload.h"

/* NAN where it cannot be counted. */
double calls_per_message(const struct workload *w, struct bench_bus *bus, double seconds);
