/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dispatch: each call handles one received message or time-out, or the end of the bus
 *
 * The node that a message arrived on selects the handler.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/channel-node.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/object-call.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/reconnect.h"
#include "libbus1/dbus/reply.h"
#include "libbus1/dbus/subscribe.h"
#include "libbus1/dbus/tree.h"
#include "libbus1/dbus/use.h"
#include "libbus1/dbus/wait.h"

static void dispatch_node_release(struct bus1_dbus *bus, uint64_t handle) {
        struct watch *watch, copy;

        if (handle == bus->session) {
                bus->gone = true;
                return;
        }
        HASH_FIND(hh, bus->watches, &handle, sizeof(handle), watch);
        if (!watch)
                return;
        copy = *watch;
        bus1_dbus_unwatch(bus, handle);
        copy.fn(bus, handle, copy.userdata);
}

static void dispatch_call(struct bus1_dbus *bus, struct bus1_dbus_object *object,
                          struct bus1_dbus_message *m) {
        struct incoming_message *message = (struct incoming_message *)m;
        int r;

        if (!object && object_is_subscribe(m))
                object = tree_find_object(bus, message_get_path(m));
        if (object && object_is_subscribe(m))
                r = object_subscribe(object, m);
        else
                r = object_dispatch(bus, object, m);
        /* The handler may have answered the call before it failed. */
        if (r < 0 && message->reply_handle != BUS1_INVALID)
                reply_errno(m, r);
}

/*
 * Is this call, at the home node, a copy of a call to another client? A monitor gets such copies. A
 * copy has no reply handle. A call that wants no reply has none either: it counts as a copy when
 * this member has no objects with a path.
 */
static bool message_is_copy(const struct bus1_dbus_message *m) {
        const struct incoming_message *message = (const struct incoming_message *)m;

        if (dbus_message_get_no_reply(m->message))
                return !m->bus->tree;
        return message->reply_handle == BUS1_INVALID && !message->had_reply_handle;
}

static void dispatch_message(struct bus1_dbus *bus, enum node_kind kind, void *data,
                             struct bus1_dbus_message *m) {
        struct bus1_dbus_message *outer = bus->current;

        bus->current = m;
        if (kind == NODE_SUBSCRIPTION) {
                subscription_dispatch(data, m);
        } else if (message_is_call(m) && (kind != NODE_HOME || !message_is_copy(m))) {
                dispatch_call(bus, kind == NODE_OBJECT ? data : NULL, m);
        } else if (kind == NODE_HOME) {
                if (bus->signal_fn)
                        bus->signal_fn(m, bus->signal_userdata);
        }
        bus->current = outer;
}

/* The last handle of the node has been released, which ended the node. */
static void dispatch_handle_release(struct bus1_dbus *bus, struct node *node) {
        enum node_kind kind = node->kind;
        uint64_t id = node->id;
        void *data = node->data;

        node_remove(bus, id);
        if (kind == NODE_SUBSCRIPTION)
                subscription_dropped(data);
        else if (kind == NODE_OBJECT)
                object_unreferenced(data, id);
}

/* A message has arrived at a node that is for no reply. */
static void dispatch_to_node(struct bus1_dbus *bus, struct node *node, struct incoming *incoming) {
        enum node_kind kind = node->kind;
        void *data = node->data;
        int r = 0;

        if (!incoming->message)
                r = kind == NODE_NAME || kind == NODE_OBJECT
                            ? incoming_message_new_lazy(bus, incoming->received, node,
                                                        MESSAGE_TYPE_METHOD_CALL,
                                                        &incoming->message)
                            : incoming_message_new(bus, incoming->received, node,
                                                   &incoming->message);
        if (node_is_channel(node)) {
                /* like the bus, for calls that come through it */
                if (r >= 0 && kind == NODE_OBJECT)
                        r = object_set_path(data, incoming->message);
                channel_node_served(bus, node); /* this may remove the entry */
        }
        if (r >= 0)
                dispatch_message(bus, kind, data, incoming->message);
}

static void dispatch_incoming(struct bus1_dbus *bus, struct incoming *incoming) {
        struct bus1_received *received = incoming->received;
        uint64_t id = received->metadata.metadata.id;
        struct node *node;

        if (received->type == BUS1_MESSAGE_TYPE_NODE_RELEASE) {
                dispatch_node_release(bus, id);
                return;
        }
        node = node_find(bus, id);
        if (!node)
                release_transfers(bus, received);
        else if (node->kind == NODE_REPLY)
                receive_reply(bus, node->data, received);
        else if (received->type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE)
                dispatch_handle_release(bus, node);
        else
                dispatch_to_node(bus, node, incoming);
}

/* All that the bus has sent is handled, and no call is pending. */
static void dispatch_end(struct bus1_dbus *bus) {
        if (bus->ended)
                return;
        bus->ended = true;
        wait_end(bus);
        if (bus->end_fn)
                bus->end_fn(bus, bus->end_userdata);
}

static int dispatch_first(struct bus1_dbus *bus) {
        struct incoming *incoming = bus->incoming;

        DL_DELETE(bus->incoming, incoming);
        dispatch_incoming(bus, incoming);
        incoming_free(incoming);
        return 1;
}

/* The program is in no bus, but on the way to one. */
static int dispatch_away(struct bus1_dbus *bus) {
        int r;

        if (bus->incoming)
                return dispatch_first(bus);
        r = reconnect_run(bus);
        if (r < 0)
                dispatch_end(bus);
        return r;
}

/* The bus has gone: end a call. Returns 0 if there is no memory for the errors of the rest. */
static int dispatch_lost_call(struct bus1_dbus *bus) {
        struct pending *p;

        DL_FOREACH(bus->pending, p)
                if (!p->failure)
                        break;
        if (p) {
                pending_fail(bus, p, DBUS_ERROR_DISCONNECTED, BUS_GONE_TEXT);
                return 1;
        }
        wait_without_peer(bus);
        return 0;
}

static int dispatch_one(struct bus1_dbus *bus) {
        int r = 0;

        if (reconnect_is_away(bus))
                return dispatch_away(bus);
        if (bus->due != UINT64_MAX && !bus->gone) {
                /* before the queue, which may never be empty */
                r = reconnect_run(bus);
                if (r > 0)
                        return r;
        }
        if (!bus->incoming || bus->restoring) {
                r = receive_all(bus);
                if (r == -ENOMEM)
                        return r;
        }
        if (bus->incoming && (!bus->restoring || r < 0))
                return dispatch_first(bus);
        if (pending_expire(bus))
                return 1;
        if (r < 0 && bus->pending)
                return dispatch_lost_call(bus);
        if (r < 0 && reconnect_begin(bus))
                return 1;
        if (r < 0)
                dispatch_end(bus);
        else if (bus->due != UINT64_MAX)
                r = reconnect_run(bus);
        return r;
}

PUBLIC struct bus1_dbus_message *bus1_dbus_get_current_message(struct bus1_dbus *bus) {
        return bus ? bus->current : NULL;
}

PUBLIC int bus1_dbus_dispatch(struct bus1_dbus *bus) {
        int r;

        if (!bus)
                return -EINVAL;
        r = use_begin(bus);
        if (r < 0)
                return r;
        bus->n_dispatching++;
        r = dispatch_one(bus);
        if (!bus->freed)
                bus_announce(bus);
        bus->n_dispatching--;
        use_end(bus);
        if (bus->freed) {
                if (bus->n_dispatching == 0)
                        free(bus);
                return -ESHUTDOWN;
        }
        wait_arm(bus);
        return r;
}
