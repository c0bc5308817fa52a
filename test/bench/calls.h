/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * System calls - counts how many system calls a bus makes for each message
 *
 * strace(1) counts them while a workload runs.
 */

#include "test/bench/workload.h"

/* Returns NAN if the system calls cannot be counted. */
double calls_per_message(const struct workload *w, struct bench_bus *bus, double seconds);
