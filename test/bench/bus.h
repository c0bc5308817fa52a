/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The buses that are measured
 *
 * A bus is a running daemon with an address, whose process time can be read; or the floor, which
 * is started anew for each measurement with as many sockets as that needs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_policy;

enum bus_kind {
        BUS_FLOOR,
        BUS_BRIDGE,
        BUS_BROKER,
        BUS_DAEMON,
        N_BUSES,
};

struct bench_bus {
        enum bus_kind kind;
        const char *name;
        bool available;
        const char *why_not; /* when it is not */
        char address[256];
        pid_t pid;        /* the process whose CPU time counts; 0 while a floor is not running */
        pid_t controller; /* dbus-broker's, else 0 */
        double spawned;   /* when its process was made, by bench_now() */
};

/* buses */

const char *bus_name(enum bus_kind kind);

/*
 * Start; a bus that cannot be started is not available, with the reason. directory is for sockets;
 * policy NULL: everything is allowed.
 */
void bus_start(struct bench_bus *bus, enum bus_kind kind, const char *binary, const char *directory,
               const struct bench_policy *policy);
void bus_stop(struct bench_bus *bus);
/* CPU time of all threads, in nanoseconds. */
uint64_t bus_cpu(const struct bench_bus *bus);
/* Everything that the bus does happens on this CPU; -1: anywhere. */
void bus_pin(const struct bench_bus *bus, int cpu);

/*
 * n connections, each with its unique name (":f" for the floor). rule: the match rule of all but
 * the first, or NULL. in_pairs is for the floor.
 */
void bus_connect(struct bench_bus *bus, size_t n, int *fds, char (*unique)[64], const char *rule,
                 bool in_pairs);
/* Closes what bus_connect() opened; ends the floor. */
void bus_disconnect(struct bench_bus *bus, size_t n, int *fds);

/* parts */

/* Never returns. in_pairs: neighbours talk to each other; else the first with all others. */
__attribute__((noreturn)) void floor_run(const int *fds, size_t n_fds, bool in_pairs);
/*
 * Runs dbus-broker on a listening socket, with a process of its own that is its controller. Sets
 * both pids, and when the broker's process was made; or returns a negative errno.
 */
int broker_start(struct bench_bus *bus, const char *binary, int listener,
                 const struct bench_policy *policy);
