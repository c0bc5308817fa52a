/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Inside libbus1-dbus
 *
 * Everything that arrives is addressed to a node, and each node has an entry that says what it is
 * for: the home node (where the bus delivers), a pending reply, an object, a name, a subscription.
 * Receiving and handling are apart: a blocking call receives everything, picks its reply and leaves
 * the rest queued, in order, for dispatch.
 */

#include <bus1/dbus.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

/* a library reports that memory ran out: then hh.tbl of what was added is NULL */
#define HASH_NONFATAL_OOM 1
/* the default one is not free of warnings; what is hashed here is our own */
#define HASH_FUNCTION(key, n, hash) HASH_OAT(key, n, hash)
#include <uthash.h>

#define PUBLIC __attribute__((visibility("default")))

#define DRIVER_NAME "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"
#define BRIDGE_INTERFACE "org.bus1.Bridge1"

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
         * Only the bus holds the handle, so the SENDER of messages is true. On any other node it is
         * replaced by the one below: the member for which the node was made, or NULL for nobody
         * known.
         */
        bool trusted;
        char *sender;
        char *name; /* what that member looked up */
        UT_hash_handle hh;
};

struct pending {
        uint64_t node;
        uint32_t serial;
        uint64_t deadline; /* CLOCK_MONOTONIC, nanoseconds; UINT64_MAX: none */
        bool blocking;     /* completes while receiving, not in dispatch */
        bus1_dbus_message_fn fn;
        void *userdata;
        struct pending *prev, *next; /* by deadline */
};

struct watch {
        uint64_t handle;
        bus1_dbus_release_fn fn;
        void *userdata;
        UT_hash_handle hh;
};

struct incoming {
        struct bus1_received *received;
        struct bus1_dbus_message *message; /* not NULL: made of it already */
        struct incoming *prev, *next;
};

struct bus1_dbus_subscription {
        struct bus1_dbus *bus;
        uint64_t node;
        bus1_dbus_message_fn fn;
        void *userdata;
        struct bus1_dbus_subscription *prev, *next;
};

struct bus1_dbus_object {
        struct bus1_dbus *bus;
        char *path; /* NULL: only by handle */
        const struct bus1_dbus_interface *interfaces;
        void *userdata;
        /* BUS1_INVALID before the first bus1_dbus_object_get_handle() */
        uint64_t node;
        uint64_t handle;
        uint64_t published; /* the node that only the bus has a handle to, or BUS1_INVALID */
        bus1_dbus_object_fn unreferenced;
        UT_hash_handle hh; /* in bus->objects, by path */
        struct bus1_dbus_object *prev, *next;
};

struct bus1_dbus {
        struct bus1_client *client;
        int socket_fd; /* the lifetime of the membership; -1 without a bus */
        int epoll_fd;
        int timer_fd;
        uint64_t timer_armed; /* the deadline it is set to; 0 for "at once" */
        uint64_t session;     /* handle of the session node; BUS1_INVALID without a bus */
        char *unique_name;
        uint32_t serial;
        bool gone;
        /* how often dispatch is running, within itself; the outermost frees what a handler freed */
        unsigned n_dispatching;
        bool freed;

        struct node *nodes;
        struct pending *pending;
        struct watch *watches;
        struct incoming *incoming;
        struct bus1_dbus_subscription *subscriptions;
        struct bus1_dbus_object *objects_by_path;
        struct bus1_dbus_object *objects;
        struct message *messages; /* those that somebody has a reference of */

        bus1_dbus_message_fn signal_fn;
        void *signal_userdata;
};

struct message {
        struct bus1_dbus_message public; /* first */
        unsigned n_refs;
        uint64_t reply_handle; /* BUS1_INVALID when no reply is wanted, possible, or it was given */
        bool had_reply_handle; /* there was one, though maybe of a caller that has gone */
        bool replied;
        struct message *prev, *next;
};

static inline void dbus_message_unrefp(DBusMessage **m) {
        if (*m)
                dbus_message_unref(*m);
}

/* Public functions check their arguments, before libdbus-1 ends the process over them. */
static inline bool text_is_valid(const char *text) {
        return text && dbus_validate_utf8(text, NULL);
}
static inline bool path_is_valid(const char *path) {
        return path && dbus_validate_path(path, NULL);
}
static inline bool message_is(DBusMessage *message, int type) {
        return message && dbus_message_get_type(message) == type;
}

uint64_t now_ns(void);

/* connect.c */

/* What joining came to. */
struct joined {
        struct bus1_client *client;
        int socket_fd;
        uint64_t session;
};
int bus_join(const char *address, struct joined *ret_joined, DBusError *error);

/* wire.c */

/* A message as it goes out. data is freed with dbus_free(), fds are owned. */
struct wire {
        char *data;
        int n_data;
        int *fds;
        size_t n_fds;
};
int wire_from_message(DBusMessage *message, struct wire *ret_wire);
void wire_deinit(struct wire *wire);
/* Consumes no descriptor. -EBADMSG when it is no valid message. */
int wire_to_message(struct bus1_received *received, DBusMessage **ret_message);

/* bus.c */

int node_add(struct bus1_dbus *bus, uint64_t id, enum node_kind kind, void *data,
             struct node **ret_node);
/* Make a node, with one handle to it that is ours, and its entry. */
int node_new(struct bus1_dbus *bus, enum node_kind kind, void *data, bool trusted, uint64_t *ret_id,
             uint64_t *ret_handle);
void node_remove(struct bus1_dbus *bus, uint64_t id); /* the entry; does not release the node */
/* The entry, and the node. */
void node_end(struct bus1_dbus *bus, uint64_t id);
struct node *node_find(struct bus1_dbus *bus, uint64_t id);
/* Wait for something to receive; unlike bus1_dbus_wait(), not for what is queued already. */
int bus_wait(struct bus1_dbus *bus, int timeout_ms);
/* Make get_fd() readable for what is queued and for the next time-out. */
void bus_arm(struct bus1_dbus *bus);
int error_from_errno(DBusError *error, int r, const char *what); /* returns r */
const char *error_name_from_errno(int r);

/* dispatch.c */

/*
 * Receive what waits into the queue; blocking replies complete at once, and so do the questions of
 * the bus. 0, or -ECONNRESET.
 */
int bus_receive(struct bus1_dbus *bus);
void incoming_free(struct bus1_dbus *bus, struct incoming *incoming);

/* message.c */

/* Its bus has gone, and with it the handles. */
void message_orphan(struct message *message);
/* Takes the handles of received in any case, not received itself. */
int message_new(struct bus1_dbus *bus, struct bus1_received *received, const struct node *node,
                struct bus1_dbus_message **ret_message);
/* An error that the library makes up. */
int message_new_error(struct bus1_dbus *bus, uint32_t serial, const char *name, const char *text,
                      struct bus1_dbus_message **ret_message);
/*
 * Send with n_created new nodes in front of the handles; created gets their IDs. The serial is set
 * when the message has none.
 */
int message_send(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
                 struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
                 size_t n_handles);

/* call.c */

/* As bus1_dbus_call(), and with n_created new nodes in front of the handles. */
int call_with(struct bus1_dbus *bus, uint64_t to, DBusMessage *message,
              struct bus1_transfer *created, size_t n_created, const uint64_t *handles,
              size_t n_handles, int timeout_ms, struct bus1_dbus_message **ret_reply,
              DBusError *error);
/* The end of a call: remove it, and hand over the reply. Takes the reference. */
void pending_complete(struct bus1_dbus *bus, struct pending *p, struct bus1_dbus_message *reply);
void pending_fail(struct bus1_dbus *bus, struct pending *p, const char *name, const char *text);
bool pending_expire(struct bus1_dbus *bus);
struct pending *pending_free(struct bus1_dbus *bus, struct pending *p);

/* driver.c */

int driver_hello(struct bus1_dbus *bus, DBusError *error);
/* Call a method of the driver; arguments as for dbus_message_append_args(). */
int driver_call(struct bus1_dbus *bus, const char *interface, const char *member,
                const uint64_t *handles, size_t n_handles, struct bus1_dbus_message **ret_reply,
                DBusError *error, int first_arg_type, ...);
/* Does the message come from the bus itself and not from a member? */
bool driver_is_sender(struct bus1_dbus_message *message);
/* org.bus1.Session1: what the bus asks of a member. */
bool driver_is_session_call(struct bus1_dbus_message *message);
void driver_session_dispatch(struct bus1_dbus_message *call);
/* A signal on the home node: a name that was lost ends the nodes opened for it. */
void driver_signal(struct bus1_dbus_message *signal);

/* object.c */

int object_dispatch(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                    struct bus1_dbus_message *call);
/* The last handle of one of the object's nodes has gone, and the node with it. */
void object_unreferenced(struct bus1_dbus_object *object, uint64_t node);

/* introspect.c */

char *introspect(struct bus1_dbus *bus, struct bus1_dbus_object *object, const char *path);
/* An object is at or below the path. */
bool path_has_objects(struct bus1_dbus *bus, const char *path);

/* properties.c */

int properties_dispatch(struct bus1_dbus_object *object, struct bus1_dbus_message *call);
