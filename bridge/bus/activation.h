/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Activation - names that get their owner on demand
 *
 * What is sent to a name that nobody owns, but that a service file is about, is held, and the
 * service is started (D-Bus spec, "Message Bus Starting Services"). There is one start of a name at
 * a time, and whoever sends to the name meanwhile, or calls StartServiceByName, waits for it, too.
 * It ends
 *
 *  - when anybody gets the name: the calls of StartServiceByName are answered, and what is held
 *    goes to the owner, in the order in which it came;
 *  - when the program fails, systemd says that the unit did, or service_start_timeout is over, and
 *    the program with it: all who wait are told the same error, and the next message starts anew.
 *
 * How a service is started is launch.h's; what is held is charged to who sent it (quota.h).
 */

#include "bridge/bus/launch.h"

/* bus->activation is NULL without one: nothing is activatable then. -ENOMEM and others. */
int activation_new(struct bus *bus, struct loop *loop, const struct rlimit *fd_limit,
                   struct activation **ret_activation);
/* After the last client. NULL is fine; returns NULL. */
struct activation *activation_free(struct activation *activation);
/* Go on with *table, and leave the old one there. */
void activation_exchange_table(struct activation *activation, struct service_table **table);

enum {
        ACTIVATION_E_UNKNOWN = 1, /* there is no such service */
};

/*
 * Hold m, which client sent to the name m->destination that nobody owns, until the name has an
 * owner. Monitors are shown it, and caller_cookie is taken, as by client_receive(); not with
 * ACTIVATION_E_UNKNOWN. Who may not send, or not more, is told so.
 */
int activation_hold(struct client *client, struct message *m, uint64_t caller_cookie);
/* Likewise m is a call of StartServiceByName, which is to be answered. */
int activation_start(struct client *client, struct message *m, uint64_t caller_cookie,
                     const char *name);
/* Likewise m is a call to the bus that wants the owner of the name: it is run when there is one. */
int activation_call_later(struct client *client, struct message *m, uint64_t caller_cookie,
                          const char *name);
/* Is it the name of a service, owned or not? */
bool activation_knows(struct activation *activation, const char *name);
/*
 * Send m, a signal or call of the bus, to systemd, or hold it until systemd has its name. When too
 * many messages are held already it is dropped. 0 or a negative errno that is fatal.
 */
int activation_tell_systemd(struct bus *bus, struct message *m);
/* A signal to the bus: handle ActivationFailure of systemd. 0 or a negative errno that is fatal. */
int activation_receive_signal(struct client *client, struct message *m);

/*
 * The name has an owner now. Its start, or NULL, is ended in two steps: the calls of
 * StartServiceByName are answered before the owner is told of its name, what is held comes after
 * that. Both are fine with NULL; start is gone after the second.
 */
struct start *activation_find(struct bus *bus, const char *name);
int activation_answer(struct start *start);
int activation_deliver(struct start *start, struct client *owner);

/* It is not going to have an owner: tell everybody who waits. start is gone afterwards. */
int activation_fail(struct start *start, const char *error, const char *text);
/* The same for all that wait for this unit of systemd's. */
int activation_fail_unit(struct activation *activation, const char *unit, const char *error,
                         const char *text);
/* The client waits for nothing any more. */
void activation_forget(struct client *client);
