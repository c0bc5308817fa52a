/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Footprint - measures how long a bus takes to start, and how much memory it needs for its clients
 */

#include "test/bench/bus.h"

struct footprint {
        double spawn_ms;       /* from the fork to the reply to the first Hello */
        double start_kib;      /* memory of the bus with one client */
        double connection_kib; /* memory for each further connection */
        double rule_kib;       /* memory for each match rule */
};

/*
 * Start an instance of the bus, measure it and stop it. Returns false if it does not start, and
 * always for the forwarder.
 */
bool footprint_measure(enum bus_kind kind, const char *binary, const char *directory,
                       struct footprint *ret_footprint);
