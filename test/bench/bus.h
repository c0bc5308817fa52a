/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The buses that are measured
 *
 * A bus is a running daemon with an address, whose CPU time can be read. Or it is the forwarder,
 * which bus_connect() starts for each measurement with as many sockets as the measurement needs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_policy;

enum bus_kind {
        BUS_FORWARDER,
        BUS_BRIDGE,
        BUS_BROKER,
        BUS_DAEMON,
        N_BUSES,
};

struct bench_bus {
        enum bus_kind kind;
        const char *name;
        bool available;
        const char *why_not; /* the reason, if the bus is not available */
        char address[256];
        pid_t pid; /* the process whose CPU time is measured; 0 while the forwarder does not run */
        pid_t controller; /* of dbus-broker; 0 for other buses */
        double spawned;   /* bench_now() at the time of the fork */
};

/* buses */

const char *bus_name(enum bus_kind kind);

/*
 * Start a bus. If it cannot be started, the result is a bus that is not available, with the reason.
 * directory is for sockets. If policy is NULL, everything is allowed.
 */
void bus_start(struct bench_bus *bus, enum bus_kind kind, const char *binary, const char *directory,
               const struct bench_policy *policy);
void bus_stop(struct bench_bus *bus);
/* CPU time of all threads of the bus, in nanoseconds. */
uint64_t bus_cpu(const struct bench_bus *bus);
/* Let the bus run on this CPU only; -1: on all. */
void bus_pin(const struct bench_bus *bus, int cpu);

/*
 * Open n connections, and store their unique names (":f" for the forwarder). rule is the match rule
 * of all connections but the first, or NULL. in_pairs is only used by the forwarder.
 */
void bus_connect(struct bench_bus *bus, size_t n, int *fds, char (*unique)[64], const char *rule,
                 bool in_pairs);
/* Close the connections of bus_connect(), and end the forwarder if the bus is one. */
void bus_disconnect(struct bench_bus *bus, size_t n, int *fds);

/* parts */

/* Forward between sockets: 0 and 1, 2 and 3, ... with in_pairs; else the first and all others. */
__attribute__((noreturn)) void forwarder_run(const int *fds, size_t n_fds, bool in_pairs);
/*
 * Run dbus-broker on a listening socket, and its controller in another process. Sets both pids and
 * the time of the fork of dbus-broker, or returns a negative errno.
 */
int broker_start(struct bench_bus *bus, const char *binary, int listener,
                 const struct bench_policy *policy);
