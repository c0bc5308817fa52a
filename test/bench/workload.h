/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Workloads
 *
 * A workload is one way to use a bus for a given time. bus1-bench measures workloads[].
 */

#include "test/bench/bus.h"
#include "test/bench/setting.h"

/* the well-known name of a callee (see to_name), and the interface of calls and signals */
#define BENCH_NAME "com.example.Bench"

enum workload_kind {
        WORKLOAD_CALLS,   /* calls to a process that answers them; several may be outstanding */
        WORKLOAD_SIGNALS, /* signals to receivers, all in one other process */
        WORKLOAD_MIXED,   /* each client is a process; the clients call each other */
        WORKLOAD_CONNECT, /* connect, Hello, close */
};

struct workload {
        const char *name;
        enum workload_kind kind;
        bool one_cpu;       /* all on CPU 0: latency without the cost of waking another CPU */
        bool single_writes; /* clients use one send() for each message, not one for several */
        size_t n_body;
        unsigned window;       /* number of calls outstanding, or blocks of signals in flight */
        unsigned block;        /* signals in a block */
        unsigned receivers;    /* receivers of signals; in a mixed workload, clients */
        bool broadcast;        /* the signals are broadcasts */
        const char *signature; /* of the signals; NULL means "ay" */
        bool to_name;          /* calls go to a well-known name */
        bool all_named;        /* each client owns a well-known name or waits for it */
        bool count_calls; /* also count system calls; --instructions runs only these workloads */
        enum setting setting;
};

struct workload_result {
        double rate;       /* round trips, signals delivered or connections, per second */
        double cpu;        /* CPU time of the bus in microseconds, divided by messages */
        uint64_t messages; /* number of delivered messages, or of connections */
};

extern const struct workload workloads[];
extern const size_t n_workloads;

/* Functions that are called right before and right after the measured time. */
struct workload_probe {
        void (*begin)(struct workload_probe *probe, const struct bench_bus *bus);
        void (*end)(struct workload_probe *probe);
};

/*
 * Run a workload for about that many seconds. probe may be NULL. Returns false only for
 * WORKLOAD_CONNECT on the forwarder, which does not answer Hello.
 */
bool workload_run(const struct workload *w, struct bench_bus *bus, double seconds,
                  struct workload_probe *probe, struct workload_result *ret_result);

/* parts */

/*
 * Let n clients call each other for the given time. Each client always has one call outstanding: to
 * a random client (also to itself), or with in_pairs to its neighbour. Returns the number of
 * answered calls.
 */
uint64_t mixed_run(size_t n, const int *fds, char (*unique)[64], bool in_pairs, size_t n_body,
                   double seconds);

/* The time of a monotonic clock, in seconds. */
double bench_now(void);
/* Like fork(), but the child is killed when its parent ends. A failure ends the program. */
pid_t peer_fork(void);
void peer_end(pid_t pid);
