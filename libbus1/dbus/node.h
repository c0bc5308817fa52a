/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Nodes of a member, and handles that it watches
 *
 * Each node has an entry that says what it is for (see membership.h). A watch is a program's wish
 * to be told when the node behind a handle has gone.
 */

#include "libbus1/dbus/membership.h"

enum node_kind {
        NODE_HOME,         /* data: unused */
        NODE_NAME,         /* data: unused; calls for any path */
        NODE_REPLY,        /* data: struct pending */
        NODE_OBJECT,       /* data: struct bus1_dbus_object */
        NODE_SUBSCRIPTION, /* data: struct bus1_dbus_subscription */
};

struct node {
        uint64_t id;
        enum node_kind kind;
        void *data;
        /*
         * Only the bus holds the handle of a trusted node, so the SENDER of its messages is true.
         * Messages to any other node get the sender below instead: the member for which the node
         * was made, or none (NULL).
         */
        bool trusted;
        char *sender;
        char *name; /* the name that the member looked up; only nodes of direct channels have one */
        UT_hash_handle hh;
};

struct watch {
        uint64_t handle;
        bus1_dbus_release_fn fn;
        void *userdata;
        UT_hash_handle hh;
};

/* Add an entry for a node that exists. -ENOMEM. */
int node_add(struct bus1_dbus *bus, uint64_t id, enum node_kind kind, void *data,
             struct node **ret_node);
/* Make a node and its entry. The caller owns *ret_handle, the only handle to the node. */
int node_new(struct bus1_dbus *bus, enum node_kind kind, void *data, bool trusted, uint64_t *ret_id,
             uint64_t *ret_handle);
/* Remove the entry, without releasing the node. */
void node_remove(struct bus1_dbus *bus, uint64_t id);
/* Remove the entry and release the node. */
void node_end(struct bus1_dbus *bus, uint64_t id);
struct node *node_find(struct bus1_dbus *bus, uint64_t id);
