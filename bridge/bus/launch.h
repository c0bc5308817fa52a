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

#include "bridge/bus/activation.h"

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

/*
 * Begin to start the service, which client wants. 0, 1 with *ret_failure, or a negative errno that
 * is fatal.
 */
int launch(struct start *start, const struct service *service, const struct client *client,
           struct launch_failure *ret_failure);

/* m, signal or call of the bus, is for systemd: now, or as soon as it has its name. */
int launch_tell_systemd(struct bus *bus, struct message *m);
/* A signal to the bus: is it ActivationFailure, and by whom? 0 or a fatal errno. */
int launch_receive_signal(struct client *client, struct message *m);
