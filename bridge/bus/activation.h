/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Activation - names that get their owner on demand
 *
 * A message to a name that nobody owns is held if there is a service file for the name, and the
 * service is started (D-Bus spec, "Message Bus Starting Services"):
 *
 *     message ------------.
 *     message ------------+--> start of a name --> owner appears: answers, then held messages
 *     StartServiceByName -'                    `-> start fails:   an error to all who wait
 *
 * A name has one start at a time; later messages and calls of StartServiceByName join it. A start
 * succeeds when any client gets the name. Then the bus answers calls of StartServiceByName, and
 * sends the held messages to the owner in the order in which they came.
 *
 * A start fails when the program fails, when systemd reports that the unit failed, or when
 * service_start_timeout passes (the bus then kills the program). Every waiting client gets the same
 * error, and the next message begins a new start.
 *
 * launch.h describes how a service is started. A held message is charged to its sender (quota.h).
 */

#include "bridge/bus/launch.h"

/*
 * Make what the bus needs to start services; while bus->activation is NULL, no service is started.
 * Fails with -ENOMEM or an error of the event loop.
 */
int activation_new(struct bus *bus, struct loop *loop, const struct rlimit *fd_limit,
                   struct activation **ret_activation);
/* Call this after the last client has gone. NULL is fine; returns NULL. */
struct activation *activation_free(struct activation *activation);
/* Replace the table of services by *table; *table gets the old one, which the caller frees. */
void activation_exchange_table(struct activation *activation, struct service_table **table);

enum {
        ACTIVATION_E_UNKNOWN = 1, /* there is no such service */
};

/*
 * Hold m of client until its destination, which nobody owns, has an owner. If the policy, a
 * security module or a quota forbids that, client gets an error. In both cases monitors see m, and
 * caller_cookie is taken over as in client_receive(). ACTIVATION_E_UNKNOWN: there is no such
 * service, and nothing was done. A negative errno is fatal.
 */
int activation_hold(struct client *client, struct message *m, uint64_t caller_cookie);
/*
 * Let m, a call of StartServiceByName, wait for the start of name. The end of the start answers m.
 */
int activation_start(struct client *client, struct message *m, uint64_t caller_cookie,
                     const char *name);
/* Let m, another call to the bus, wait until name has an owner; then m is dispatched again. */
int activation_call_later(struct client *client, struct message *m, uint64_t caller_cookie,
                          const char *name);
/* Is there a service of this name? It does not matter whether the name has an owner. */
bool activation_knows(struct activation *activation, const char *name);
/*
 * Send m, a signal or call of the bus, to systemd, or hold it until systemd owns its bus name. If
 * too many messages are held already, m is dropped. Returns 0 or a negative errno that is fatal.
 */
int activation_tell_systemd(struct bus *bus, struct message *m);
/*
 * Handle ActivationFailure of systemd; other signals to the bus are ignored. Returns 0 or a
 * negative errno that is fatal.
 */
int activation_receive_signal(struct client *client, struct message *m);

/*
 * End the start of a name that has an owner now, in three steps: activation_find() returns the
 * start, or NULL; activation_answer() answers calls of StartServiceByName; and, after the owner has
 * got NameAcquired, activation_deliver() delivers the held messages and frees the start. Both
 * accept NULL.
 */
struct start *activation_find(struct bus *bus, const char *name);
int activation_answer(struct start *start);
int activation_deliver(struct start *start, struct client *owner);

/* The start failed: send the error to all clients that wait. start is gone afterwards. */
int activation_fail(struct start *start, const char *error, const char *text);
/* The client leaves: drop everything that it waits for. */
void activation_forget(struct client *client);
