/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Launching - what is done to get a name an owner
 *
 * In this order: systemd is asked for the unit of a service, if the bus was told to
 * (--systemd-activation); the helper that may change users is executed with the name, if there is a
 * <servicehelper>; the command line of the service is executed. A service without any of them is
 * waited for.
 *
 * The protocol with systemd is a signal each way: the bus says ActivationRequest(unit) to
 * org.freedesktop.systemd1, and it says ActivationFailure(unit, error, text) to the bus. Until it
 * is there, what the bus has for it waits.
 */

#include "bridge/activation/child.h"
#include "bridge/activation/service-table.h"
#include "bridge/bus/bus.h"

#define LAUNCH_SYSTEMD_NAME "org.freedesktop.systemd1"
#define LAUNCH_SYSTEMD_INTERFACE "org.freedesktop.systemd1.Activator"

/* StartServiceByName's results, by the spec's numbers. */
enum {
        LAUNCH_STARTED = 1,
        LAUNCH_RUNS_ALREADY = 2,
};

struct launch_failure {
        const char *name; /* of an error; static */
        char text[1024];
};

struct waiter;

/* A name that is to get an owner. */
struct start {
        struct activation *activation;
        struct waiter *waiters; /* in the order in which they came */
        struct child *child;    /* the program, while it is of interest; or NULL */
        uint32_t uid;           /* user of the client that asked first, for log lines */
        bool by_helper;         /* it is the helper that starts others */
        char *unit;             /* systemd's, when that starts it; or NULL */
        struct loop_timer timer;
        UT_hash_handle hh;
        char name[];
};

struct activation {
        struct bus *bus;
        struct loop *loop;
        struct children children;
        struct service_table *table;
        struct start *starts; /* hash by name */
        uint32_t n_own;       /* messages of the bus itself that wait */
        /* The program of a start failed: activation_fail(), which is on a floor above. */
        int (*failed)(struct start *start, const char *error, const char *text);
};

/*
 * Begin to start the service that client wants. When systemd is to start it, start->unit is set and
 * the caller sends launch_request_unit(). 0, 1 with *ret_failure, or a negative errno that is
 * fatal.
 */
int launch(struct start *start, const struct service *service, const struct client *client,
           struct launch_failure *ret_failure);
/* Make the ActivationRequest for start->unit. -ENOMEM. */
int launch_request_unit(struct start *start, struct message **ret_message);
/* The client that is systemd now, or NULL. */
struct client *launch_find_systemd(struct bus *bus);
