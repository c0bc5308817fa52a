/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The buses that are measured
 *
 * A bus is a daemon with an address, or the forwarder (forwarder.c). bus_connect() starts the
 * forwarder for each measurement, with as many sockets as the measurement needs.
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
        const char *why_not; /* why the bus is not available; may be NULL */
        char address[256];
        pid_t pid;        /* the process whose CPU time is measured; 0 if it does not run */
        pid_t controller; /* for dbus-broker: its parent process (broker.c); else 0 */
        double spawned;   /* bench_now() right before the fork; 0 for the forwarder */
};

/* buses */

const char *bus_name(enum bus_kind kind);

/* The limits of dbus-broker, which are for each user. */
struct broker_limits {
        const char *bytes;
        const char *fds;
        const char *matches;
        const char *objects;
};

struct bench_config {
        const struct bench_policy *policy; /* NULL: everything is allowed */
        const char *type;                  /* "session" or "system" */
        const char *elements;              /* more elements for dbus-daemon and the bridge */
        const char *user;                  /* the user that the bus becomes; NULL: it stays */
        const char *log; /* a file for the log of dbus-daemon or the bridge; NULL: standard error */
        struct broker_limits broker;
};

/*
 * Start a bus. If binary is NULL or does not start, the result is a bus that is not available, with
 * the reason in why_not. Any other failure ends the program. directory is for sockets and
 * configuration files.
 */
void bus_start_with(struct bench_bus *bus, enum bus_kind kind, const char *binary,
                    const char *directory, const struct bench_config *config);
/*
 * The same with the configuration of most benchmarks: a session bus with this policy (NULL:
 * everything is allowed), whose limits no benchmark reaches.
 */
void bus_start(struct bench_bus *bus, enum bus_kind kind, const char *binary, const char *directory,
               const struct bench_policy *policy);
/* The same, without a log. */
void bus_start_silently(struct bench_bus *bus, enum bus_kind kind, const char *binary,
                        const char *directory, const struct bench_policy *policy);
void bus_stop(struct bench_bus *bus);
/* CPU time of all threads of the process bus->pid, in nanoseconds. */
uint64_t bus_cpu(const struct bench_bus *bus);
/* Let the caller and the main thread of the bus run only on this CPU; -1: on all CPUs. */
void bus_pin(const struct bench_bus *bus, int cpu);

/*
 * Open n connections, and store their unique names (for the forwarder: ":f.0", ":f.1", ...). rule
 * is the match rule of all connections but the first, or NULL; the forwarder ignores it. in_pairs
 * is only used by the forwarder.
 */
void bus_connect(struct bench_bus *bus, size_t n, int *fds, char (*unique)[64], const char *rule,
                 bool in_pairs);
/* Close the connections of bus_connect(). If the bus is the forwarder, end its process. */
void bus_disconnect(struct bench_bus *bus, size_t n, int *fds);

/* parts */

/*
 * With in_pairs, forward between the sockets 0 and 1, between 2 and 3, and so on. Without in_pairs,
 * forward between the first socket and all others.
 */
__attribute__((noreturn)) void forwarder_run(const int *fds, size_t n_fds, bool in_pairs);
/*
 * Run dbus-broker on a listening socket, and its controller in another process. Returns 0 and sets
 * pid, controller and spawned of the bus, or returns a negative errno.
 */
int broker_start(struct bench_bus *bus, const char *binary, int listener,
                 const struct bench_config *config);
