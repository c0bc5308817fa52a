/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Workloads
 *
 * A workload is one way to use a bus for a given time; the table of them is the benchmark.
 */

#include "test/bench/bus.h"
#include "test/bench/setting.h"

#define BENCH_NAME "com.example.Bench" /* of the callee, and the interface of all messages */

enum workload_kind {
        WORKLOAD_CALLS,   /* calls to an echo process, some outstanding */
        WORKLOAD_SIGNALS, /* signals to receivers in one other process */
        WORKLOAD_MIXED,   /* every client, in a process of its own, calls any other and is called */
        WORKLOAD_CONNECT, /* connect, Hello, close */
};

struct workload {
        const char *name;
        enum workload_kind kind;
        bool one_cpu;       /* everything on one CPU: latency without the cost of waking another */
        bool single_writes; /* one write for each message */
        size_t n_body;
        unsigned window;       /* calls outstanding, or blocks of signals under way */
        unsigned block;        /* signals in a block */
        unsigned receivers;    /* of signals; in a mixed workload the clients */
        bool broadcast;        /* signals */
        const char *signature; /* of signals; NULL is "ay" */
        bool to_name;          /* calls go to a well-known name */
        bool count_calls;      /* system calls, too */
        enum setting setting;
};

struct workload_result {
        double rate; /* round trips, signals delivered or connections, per second */
        double cpu;  /* of the bus, microseconds per message routed (per connection) */
        uint64_t messages;
};

extern const struct workload workloads[];
extern const size_t n_workloads;

/* What else is to happen right before and after the time that is measured. */
struct workload_probe {
        void (*begin)(struct workload_probe *probe, const struct bench_bus *bus);
        void (*end)(struct workload_probe *probe);
};

/*
 * Runs for about seconds. probe may be NULL. False when the bus cannot run it (the floor has no
 * connections).
 */
bool workload_run(const struct workload *w, struct bench_bus *bus, double seconds,
                  struct workload_probe *probe, struct workload_result *ret_result);

/* parts */

/*
 * n clients call each other, at random or each its neighbour, for the given time. Returns the
 * number of calls that were answered.
 */
uint64_t mixed_run(size_t n, const int *fds, char (*unique)[64], bool in_pairs, size_t n_body,
                   double seconds);

/* Seconds on a monotonic clock. */
double bench_now(void);
/* fork(); the child ends with its parent. */
pid_t peer_fork(void);
void peer_end(pid_t pid);
