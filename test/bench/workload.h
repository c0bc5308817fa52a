/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Workloads
 *
 * A workload is one way to use a bus for a given time; the table of them is the benchmark.
 */

#include "test/bench/bus.h"

enum workload_kind {
        WORKLOAD_CALLS,   /* calls to an echo process, some outstanding */
        WORKLOAD_SIGNALS, /* signals to receivers in one other process */
        WORKLOAD_CONNECT, /* connect, Hello, close */
};

struct workload {
        const char *name;
        enum workload_kind kind;
        bool one_cpu;       /* everything on one CPU: latency without the cost of waking another */
        bool single_writes; /* one write for each message */
        size_t n_body;
        unsigned window;    /* calls outstanding, or blocks of signals under way */
        unsigned block;     /* signals in a block */
        unsigned receivers; /* of signals; with more than one they are broadcasts */
};

struct workload_result {
        double rate; /* round trips, signals delivered or connections, per second */
        double cpu;  /* of the bus, microseconds per message routed (per connection) */
};

extern const struct workload workloads[];
extern const size_t n_workloads;

/* Runs for about seconds. False when the bus cannot run it (the floor has no connections). */
bool workload_run(const struct workload *w, struct bench_bus *bus, double seconds,
                  struct workload_result *ret_result);
