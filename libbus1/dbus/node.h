/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Nodes of a member, and handles that it watches
 *
 * Each node has an entry that says which messages arrive there (see membership.h). Each watched
 * handle has an entry with the function that is called when the handle's node has ended. IDs are
 * never reused, so an entry cannot be mistaken for that of an earlier node or handle.
 */

#include "libbus1/dbus/membership.h"

enum node_kind {
        NODE_HOME,         /* data: unused */
        NODE_NAME,         /* data: unused; calls for any path */
        NODE_REPLY,        /* data: struct pending */
        NODE_OBJECT,       /* data: struct bus1_dbus_object */
        NODE_SUBSCRIPTION, /* data: struct bus1_dbus_subscription */
        NODE_CONTROL,      /* data: struct channel */
};

struct node {
        uint64_t id;
        enum node_kind kind;
        void *data;
        /*
         * Only the bus holds the handle of a trusted node, so the SENDER of messages to this node
         * is true. In messages to any other node, the library replaces SENDER by the field sender:
         * on a direct channel, the member that looked up the name; else NULL, which means none.
         */
        bool trusted;
        char *sender;
        /* only nodes of direct channels (channel-node.h): */
        char *name;          /* the name that the member looked up; NULL on other nodes */
        uint64_t lookup;     /* the number by which the bus knows the look-up */
        uint64_t control;    /* a handle to the library of that member; or BUS1_INVALID */
        uint64_t n_accepted; /* messages that have arrived */
        unsigned n_queued;   /* those of them that wait for dispatch */
        bool closed;         /* bus1 has released the node; the entry is for those that wait */
        UT_hash_handle hh;
};

struct watch {
        uint64_t handle;
        bus1_dbus_release_fn fn;
        void *userdata;
        UT_hash_handle hh;
};

/* Add an entry for a node that exists. Returns 0 or -ENOMEM. */
int node_add(struct bus1_dbus *bus, uint64_t id, enum node_kind kind, void *data, bool trusted);
/* Make a node and its entry. The caller owns *ret_handle, the only handle to the node. */
int node_new(struct bus1_dbus *bus, enum node_kind kind, void *data, bool trusted, uint64_t *ret_id,
             uint64_t *ret_handle);
/* Make another handle to the node of a handle. The caller owns *ret_copy. */
int handle_copy(struct bus1_dbus *bus, uint64_t handle, uint64_t *ret_copy);
/* Release a handle of this peer. BUS1_INVALID is fine. */
void handle_release(struct bus1_dbus *bus, uint64_t handle);
/* Remove the entry, without releasing the node. */
void node_remove(struct bus1_dbus *bus, uint64_t id);
/* Remove the entry and release the node. */
void node_end(struct bus1_dbus *bus, uint64_t id);
struct node *node_find(struct bus1_dbus *bus, uint64_t id);
