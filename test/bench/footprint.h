/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Footprint
 *
 * How long a bus takes to be there, and what it holds in memory for its clients.
 */

#include "test/bench/bus.h"

struct footprint {
        double spawn_ms;       /* from fork to the first Hello's reply */
        double start_kib;      /* memory of the process with one client */
        double connection_kib; /* for each more */
        double rule_kib;       /* for each match rule */
};

/* Starts a bus of its own for it. False for those that cannot be started. */
bool footprint_measure(enum bus_kind kind, const char *binary, const char *directory,
                       struct footprint *ret_footprint);
