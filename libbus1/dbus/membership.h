/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A membership in a bus, and what all files of libbus1-dbus use
 *
 * A member owns a bus1 peer. Each message that the peer receives is addressed to one of its nodes.
 * Each node has an entry (node.h) that says which messages arrive there:
 *
 *        holder of the handle    node of this peer       messages that arrive there
 *
 *        the bus         ----->  home                    what the bus delivers to no other node
 *        the bus         ----->  name, object            calls of a published name or object
 *        the bus         ----->  subscription            messages that match its rule
 *        owner of object ----->  subscription            signals of the object
 *        callee or bus   ----->  reply, one-shot         the reply to one call
 *        another member  ----->  name, object            calls through a direct channel
 *        any program     ----->  object                  calls through a handle that was passed on
 *
 *        session, a handle of this peer  ----->  the session node, which the bus keeps
 *
 *        callee's library -----> control                 the end of a direct channel
 *
 * Receiving and dispatching are separate steps. A blocking call receives messages until its reply
 * arrives, and leaves the others queued in order (except those for the library itself, see
 * receive.h). Dispatch then handles the queue, one message at a time.
 *
 * The files are on floors. A file uses only files on its own floor or on lower floors. From the
 * lowest to the highest: error, exists, wire, plain, address, join, ids, use, slot, message-limits,
 * tree, table, values-walk < ended, lazy, node, spent < message < channel-node, outgoing,
 * subscriber, values-append, values-read < pending, object, standing, object-signal, interface <
 * wait, target < quiet < channel < session < receive < call < request, driver < driver-async,
 * subscribe < subscribe-handle, watch-name, values-call < access, answer, property < changed,
 * manager, introspect < properties, serve, fallback < object-call < restore < reconnect < dispatch
 * < bus. event.c and glib.c are libraries of their own.
 */

/* Report an allocation failure instead of exiting: then hh.tbl of the added element is NULL. */
#define HASH_NONFATAL_OOM 1
/* The default hash causes warnings. No other client chooses the keys, so any hash will do. */
#define HASH_FUNCTION(key, n, hash) HASH_OAT(key, n, hash)
#include <bus1/dbus-lazy.h>
#include <bus1/dbus-vtable.h>
#include <bus1/dbus.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define PUBLIC __attribute__((visibility("default")))

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define BRIDGE_INTERFACE "org.bus1.Bridge1"
#define EXPORT_PATH "/org/bus1/exported/" /* the paths that the bus makes for exports are below */

#define SPENT_MAX 64

struct bus1_dbus {
        struct bus1_client *client;
        /*
         * The core has BUS1_CMD_CALL, so one system call waits for a message and receives it.
         * This wait also ends when the bus ends: the end of the session node is a notification. A
         * hosted core lacks the command. Then the library polls the peer and the socket.
         */
        bool can_wait;
        int socket_fd; /* the anchor: when it is closed, the session ends; -1 without a bus */
        int epoll_fd;
        int timer_fd;
        uint64_t timer_armed; /* the deadline the timer is set to; 0: at once; UINT64_MAX: none */
        uint64_t session;     /* handle of the session node; BUS1_INVALID without a bus */
        uint64_t ids_base;    /* what the number of a handle has in addition to its ID, see ids.h */
        struct alias *aliases;
        struct alias *aliases_of_peer;
        char *unique_name;
        uint32_t serial;
        bool gone;
        bool lazy;  /* DBusMessages are made when they are needed, see lazy.h */
        bool ended; /* dispatch has reported that the bus has gone */
        /* depth of nested dispatch calls; if a handler frees the bus, the outermost frees *bus */
        unsigned n_dispatching;
        bool freed;
        unsigned generation; /* of the process that joined, see use.h */
#ifndef NDEBUG
        void *user; /* the thread whose operation runs; atomic */
        unsigned n_uses;
#endif

        struct node *nodes;
        struct pending *pending;
        struct watch *watches;
        struct channel *channels;        /* of looked-up handles */
        struct channel *channels_direct; /* those that have the handle of a direct channel */
        struct ended *ended_lookups;     /* whose owner has gone, see ended.h */
        int64_t max_message_size;        /* on direct channels, see message-limits.h */
        int64_t max_message_unix_fds;
        uint64_t spent[SPENT_MAX]; /* see spent.h */
        unsigned n_spent;
        bool releases_spent;
        uint64_t received_at; /* when the library last looked for messages */
        struct incoming *incoming;
        struct bus1_dbus_subscription *subscriptions;
        struct bus1_dbus_slot *slots;
        unsigned n_subscribers; /* to the signals of objects, see subscriber.h */
        struct subscriber *subscribers;
        struct bus1_dbus_object *objects;
        struct branch *tree;  /* by path */
        struct table *tables; /* by their source */
        unsigned n_enumerators;
        unsigned n_managers;
        struct bus1_dbus_object *unannounced; /* with new interfaces */
        /* announce them, before the program sends anything else; NULL: there are none */
        void (*announce)(struct bus1_dbus *bus);
        uint64_t announce_at;    /* the time by which to do so; UINT64_MAX: none */
        uint64_t announce_pause; /* after a failure; 0: there was none */
        unsigned announce_round;
        bool is_announcing;
        bool is_receiving;                 /* a message is handled at its reception */
        bool leaving;                      /* bus1_dbus_free() frees the objects */
        struct incoming_message *messages; /* all that are still referenced */
        struct bus1_dbus_message *current; /* whose handler runs; NULL: none */

        bool trusted; /* no call is checked, see access.h */
        bus1_dbus_check_fn check_fn;
        void *check_userdata;

        struct standing *standing; /* what else the program has asked for */

        /* joining again, see reconnect.h */
        char *address;               /* NULL without a bus */
        struct reconnect *reconnect; /* NULL: the program has not asked for it */
        unsigned n_joins;            /* how often the program has joined before */
        bool restoring;              /* has joined, and waits for what it had before */
        const void *being_restored;  /* which a call under way is about; NULL: it was freed */
        uint64_t due;                /* when reconnecting goes on; UINT64_MAX: not by time */

        bus1_dbus_end_fn end_fn;
        void *end_userdata;
        bus1_dbus_message_fn signal_fn;
        void *signal_userdata;
};

static inline void dbus_message_unrefp(DBusMessage **m) {
        if (*m)
                dbus_message_unref(*m);
}

/* Public functions check arguments with these: libdbus-1 may abort the process on invalid ones. */

static inline bool text_is_valid(const char *text) {
        return text && dbus_validate_utf8(text, NULL);
}

static inline bool message_is(DBusMessage *message, int type) {
        return message && dbus_message_get_type(message) == type;
}

/*
 * Announce what is not announced yet. This runs get functions of the program, which may call and so
 * receive: channels, nodes and subscribers can be gone afterwards. So a function that sends for the
 * program calls this first, before it looks anything up, and what the library sends for itself is
 * not preceded by this. While the library handles a message at its reception, this does nothing.
 */
static inline void bus_announce(struct bus1_dbus *bus) {
        if (bus->announce && !bus->is_receiving)
                bus->announce(bus);
}

/* Nanoseconds until a deadline; UINT64_MAX: there is none. */
static inline uint64_t time_left(uint64_t deadline) {
        uint64_t now;

        if (deadline == UINT64_MAX)
                return UINT64_MAX;
        now = now_ns();
        return deadline > now ? deadline - now : 0;
}
