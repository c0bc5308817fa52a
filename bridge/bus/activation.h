/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Activation - names that get their owner on demand
 *
 * If nobody owns the destination of a message, but there is a service file for this name, the bus
 * starts the service and holds the message (D-Bus spec, "Message Bus Starting Services"). It does
 * not if the message has the flag NO_AUTO_START, or if the policy or a limit forbids it.
 *
 *     message ------------.
 *     message ------------+--> start of a name --> owner appears: answers, then held messages
 *     StartServiceByName -'                    `-> start fails:   errors
 *
 * A name has one start at a time; later messages and calls of StartServiceByName join it. A start
 * succeeds when any client gets the name. Then the bus answers the calls of StartServiceByName.
 * After that it processes the rest in the order of arrival: it sends the held messages to the
 * owner, and runs other calls to the bus that wait for the name.
 *
 * A start fails when the program fails, when systemd reports that the unit failed or cannot take
 * the name any more (unit-watch.h), or when service_start_timeout passes (if the bus has started a
 * program that still runs, it then kills the program). Each waiting message of a client is answered
 * with the same error, except a call with NO_REPLY_EXPECTED. The next message begins a new start.
 *
 * launch.h describes how a service is started, and held.h what a client is charged with for its
 * messages that wait for a start.
 */

#include "bridge/bus/launch.h"

/*
 * Make the part of the bus that starts services. While bus->activation is NULL, no service is
 * started. Returns 0 or a negative errno.
 */
int activation_new(struct bus *bus, struct loop *loop, const struct rlimit *fd_limit,
                   struct activation **ret_activation);
/* Call this after the last client has gone. NULL is fine; returns NULL. */
struct activation *activation_free(struct activation *activation);
enum {
        ACTIVATION_E_UNKNOWN = 1, /* there is no such service */
};

/*
 * Hold m of client until its destination, which nobody owns, has an owner. If the policy, a
 * security module or a limit forbids that, or the start fails at once, client gets an error
 * (tell_failure()), or m waits in a docket. In all these cases the result is 0, monitors see m, and
 * caller_cookie is taken over as in client_receive(). ACTIVATION_E_UNKNOWN: there is no such
 * service, and m is not held. A negative errno is fatal.
 */
int activation_hold(struct client *client, struct message *m, uint64_t caller_cookie);
/*
 * Let m, a call of StartServiceByName, wait for the start of name. If m wants a reply, the bus
 * sends it when the start succeeds or fails.
 */
int activation_start(struct client *client, struct message *m, uint64_t caller_cookie,
                     const char *name);
/*
 * Let m, another call to the bus, wait until name has an owner; then m is dispatched again. If the
 * start fails, client gets an error (tell_failure()).
 */
int activation_call_later(struct client *client, struct message *m, uint64_t caller_cookie,
                          const char *name);
/*
 * End the start of a name that has an owner now, in three steps. activation_find() returns the
 * start, or NULL. activation_answer() answers calls of StartServiceByName. After the owner has got
 * NameAcquired, activation_deliver() delivers the held messages, dispatches the other calls that
 * wait, and frees the start. The last two functions accept NULL.
 */
struct start *activation_find(struct bus *bus, const char *name);
int activation_answer(struct start *start);
int activation_deliver(struct start *start, struct client *owner);

/* The client leaves or becomes a monitor: drop its messages and calls that wait for a start. */
void activation_forget(struct client *client);
