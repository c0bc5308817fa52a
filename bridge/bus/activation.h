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
/* Replace the table of services by *table; *table gets the old one, which the caller frees. */
void activation_exchange_table(struct activation *activation, struct service_table **table);
/*
 * The bus has read its files again: whoever has changed them may have installed the template unit
 * (unit-watch.h), so ask systemd. -ENOMEM: nothing has changed.
 */
int activation_look_for_template(struct activation *activation);

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
 * Is there a service file for this name, or is it the name of systemd on a bus with
 * --systemd-activation? It does not matter whether the name has an owner.
 */
bool activation_knows(struct activation *activation, const char *name);
/*
 * Send m, a signal or call of the bus, to systemd, or hold it until systemd owns its bus name. m is
 * dropped if too many messages of the bus are held already, or if service_start_timeout passes
 * first. Returns 0 or a negative errno that is fatal.
 */
int activation_tell_systemd(struct bus *bus, struct message *m);
/*
 * Handle ActivationFailure of systemd; other signals to the bus are ignored. Returns 0 or a
 * negative errno that is fatal.
 */
int activation_receive_signal(struct client *client, struct message *m);
/*
 * Answers and broadcasts of systemd, see unit-watch.h. Is m, a return or error to the bus, one that
 * the bus waits for? Handle such an answer. Handle a broadcast of bus->unit_manager. The last two
 * functions return 0 or a negative errno that is fatal.
 */
bool activation_expects_reply(const struct client *client, const struct message *m);
int activation_receive_reply(struct client *client, struct message *m);
int activation_receive_broadcast(struct client *client, struct message *m);

/*
 * A well-known name has another owner (NULL: none). Call activation_note_owner() before
 * activation_deliver(), and activation_resume() after it. Both do something only for the name of
 * systemd, and return 0 or a negative errno that is fatal.
 */
int activation_note_owner(struct bus *bus, const char *name, struct client *owner);
int activation_resume(struct bus *bus, const char *name);

/*
 * End the start of a name that has an owner now, in three steps. activation_find() returns the
 * start, or NULL. activation_answer() answers calls of StartServiceByName. After the owner has got
 * NameAcquired, activation_deliver() delivers the held messages, dispatches the other calls that
 * wait, and frees the start. The last two functions accept NULL.
 */
struct start *activation_find(struct bus *bus, const char *name);
int activation_answer(struct start *start);
int activation_deliver(struct start *start, struct client *owner);

/*
 * The start failed: send the error (tell_failure()) to all clients that wait. start is gone
 * afterwards.
 */
int activation_fail(struct start *start, const char *error, const char *text);
/* The client leaves or becomes a monitor: drop its messages and calls that wait for a start. */
void activation_forget(struct client *client);
