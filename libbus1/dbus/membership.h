/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A membership in a bus
 *
 * A member owns a bus1 peer. Everything that arrives there is addressed to a node, and each node
 * has an entry (node.h) that says what it is for:
 *
 *        handle held by          node of this peer       what arrives there
 *
 *        the bus         ----->  home                    what the bus delivers: calls, signals
 *        the bus         ----->  name, object            calls for a published name or object
 *        the bus         ----->  subscription            signals that a match rule selects
 *        the callee      ----->  reply, one-shot         the reply of one call
 *        another member  ----->  name, object            calls through a direct channel
 *
 *        session, a handle of this peer  ----->  the session node, which the bus keeps
 *
 * Receiving and dispatching are separate steps. A blocking call receives everything, picks out its
 * reply, and leaves the rest queued in order; dispatch handles the queue one message at a time.
 *
 * The files are floors, each of which uses only those before it: error, wire, connect < node <
 * message < reply, pending, object < wait, session < receive < call < driver < subscription,
 * introspect, properties, object-call < dispatch < bus.
 */

/* a library reports that memory ran out: then hh.tbl of the added element is NULL */
#define HASH_NONFATAL_OOM 1
/* the default one causes warnings; all keys are the program's own, so any hash is good enough */
#define HASH_FUNCTION(key, n, hash) HASH_OAT(key, n, hash)
#include <uthash.h>

#include "libbus1/dbus/check.h"

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define BRIDGE_INTERFACE "org.bus1.Bridge1"

struct bus1_dbus {
        struct bus1_client *client;
        int socket_fd; /* the anchor: the membership lives as long; -1 without a bus */
        int epoll_fd;
        int timer_fd;
        uint64_t timer_armed; /* the deadline it is set to; 0 for "at once" */
        uint64_t session;     /* handle of the session node; BUS1_INVALID without a bus */
        char *unique_name;
        uint32_t serial;
        bool gone;
        /* depth of nested dispatch calls; the outermost frees a bus that a handler freed */
        unsigned n_dispatching;
        bool freed;

        struct node *nodes;
        struct pending *pending;
        struct watch *watches;
        struct incoming *incoming;
        struct bus1_dbus_subscription *subscriptions;
        struct bus1_dbus_object *objects_by_path;
        struct bus1_dbus_object *objects;
        struct incoming_message *messages; /* those that somebody has a reference of */

        bus1_dbus_message_fn signal_fn;
        void *signal_userdata;
};
