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

#include "bridge/activation/child.h"
#include "bridge/activation/service-table.h"
#include "bridge/base/loop.h"
#include "bridge/bus/client.h"

struct waiter;

/* A name that is to get an owner. */
struct start {
        struct activation *activation;
        struct waiter *waiters; /* in the order in which they came */
        struct child *child;    /* the program, while it is of interest; or NULL */
        uint32_t uid;           /* who asked first, about whom lines are logged */
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
};

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
 * A message of the bus itself for systemd, which is waited for. Takes a reference. When too many
 * wait already it is dropped.
 */
int activation_hold_for_systemd(struct activation *activation, struct message *m);

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
