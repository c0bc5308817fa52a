/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Subscriptions: signals for a function of the program
 *
 * A subscription has a node, to which signals are sent by one of these, and by nobody else:
 *
 *        the bus                   those that match a rule
 *        the owner of an object    those of the object (direct). The library of the owner keeps the
 *                                  handle to the node, see subscriber.h
 *
 * A subscription by the handle of an object (subscribe-handle.c) also has a copy of the handle, and
 * ends with it. All others go on until the program ends them.
 */

#include "libbus1/dbus/request.h"

#include <bus1/dbus-async.h>

struct bus1_dbus_subscription {
        struct request request; /* must be first; its call asks the bus or the object */
        uint64_t node;   /* BUS1_INVALID: none, for example because the bus has dropped the rule */
        char *rule;      /* to ask the bus for it again; NULL: it is direct, or has ended */
        unsigned joined; /* bus->n_joins when the bus was last asked */
        bus1_dbus_message_fn fn;
        bus1_dbus_done_fn installed; /* of a subscription that does not wait; can be NULL */
        void *userdata;
        /* only subscriptions by handle: */
        uint64_t handle; /* the copy; BUS1_INVALID: none */
        uint64_t lookup; /* the handle of the program, if it is from a look-up; else BUS1_INVALID */
        bool is_direct;
        char *interface, *member;                   /* NULL: all */
        struct bus1_dbus_subscription *prev, *next; /* in bus->subscriptions */
};

/* Make a subscription that is not installed yet. Returns NULL when memory runs out. */
struct bus1_dbus_subscription *subscription_new(struct bus1_dbus *bus, bool is_floating,
                                                bus1_dbus_message_fn fn, void *userdata);
/* Ask the bus for the signals that match a rule, and wait for its answer. */
int subscription_install(struct bus1_dbus_subscription *s, const char *rule, DBusError *error);
/* The same without waiting: the function installed of the subscription is called. */
int subscription_install_async(struct bus1_dbus_subscription *s, const char *rule);
/* The subscription could not be installed: this ends it, and calls installed. */
void subscription_fail(struct bus1_dbus_subscription *s, const DBusError *error);
/* The subscription ends by itself: fn gets an error, or installed, if it was not called yet. */
void subscription_end(struct bus1_dbus_subscription *s, const char *name, const char *text);
/* Release the node and the copy of the handle. */
void subscription_clear(struct bus1_dbus_subscription *s);
/*
 * A match rule for signals with this sender, path, interface and member. NULL matches all. Returns
 * 0, -EINVAL for a malformed one, or -ENOMEM. The caller frees *ret_rule.
 */
int subscription_rule(const char *sender, const char *path, const char *interface,
                      const char *member, char **ret_rule);

/*
 * The program has joined again, and the handle of a look-up was found, or is lost. A copy of it has
 * ended with the former bus. Subscriptions by a handle that is lost end in dispatch.
 */
void subscriptions_found(struct bus1_dbus *bus, uint64_t handle);
void subscriptions_lost(struct bus1_dbus *bus, uint64_t handle);

/* A message has arrived at the node. */
void subscription_dispatch(struct bus1_dbus_subscription *s, struct bus1_dbus_message *m);
/* The handle to the node has been released. */
void subscription_dropped(struct bus1_dbus_subscription *s);
