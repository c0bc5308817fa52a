/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dispatching: one received message, time-out or end at a time
 *
 * The node that a message arrived on says who handles it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/object-call.h"
#include "libbus1/dbus/object.h"
#include "libbus1/dbus/pending.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/session.h"
#include "libbus1/dbus/subscription.h"
#include "libbus1/dbus/wait.h"

static void handle_gone(struct bus1_dbus *bus, uint64_t handle) {
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

        r = object_dispatch(bus, object, m);
        /* a handler that took a reference answers later */
        if (r < 0 && message->reply_handle != BUS1_INVALID)
                bus1_dbus_reply_error(m, error_name_from_errno(r), "%s", strerror(-r));
}

/*
 * Is it a call to another client, which this member sees as a monitor? Such a call came without a
 * reply handle. When the call wants no reply anyway, it is a copy if this member has no objects.
 */
static bool message_is_copy(const struct bus1_dbus_message *m) {
        const struct incoming_message *message = (const struct incoming_message *)m;

        if (dbus_message_get_no_reply(m->message))
                return !m->bus->objects_by_path;
        return message->reply_handle == BUS1_INVALID && !message->had_reply_handle;
}

/* Takes the reference. */
static void dispatch_message(struct bus1_dbus *bus, struct node *node,
                             struct bus1_dbus_message *m) {
        struct bus1_dbus_subscription *s;
        int type;

        type = dbus_message_get_type(m->message);
        switch (node->kind) {
        case NODE_HOME:
                if (type == DBUS_MESSAGE_TYPE_METHOD_CALL && !message_is_copy(m)) {
                        dispatch_call(bus, NULL, m);
                } else {
                        session_handle_signal(m);
                        if (bus->signal_fn)
                                bus->signal_fn(m, bus->signal_userdata);
                }
                break;
        case NODE_NAME:
                if (type == DBUS_MESSAGE_TYPE_METHOD_CALL)
                        dispatch_call(bus, NULL, m);
                break;
        case NODE_OBJECT:
                if (type == DBUS_MESSAGE_TYPE_METHOD_CALL)
                        dispatch_call(bus, node->data, m);
                break;
        case NODE_SUBSCRIPTION:
                s = node->data;
                s->fn(m, s->userdata);
                break;
        case NODE_REPLY:
                break;
        }
        bus1_dbus_message_unref(m);
}

/* Takes the reference of a message that was made of it already. */
static void dispatch_received(struct bus1_dbus *bus, struct bus1_received *received,
                              struct bus1_dbus_message *m) {
        uint64_t id = received->metadata.metadata.id;
        struct node *node;

        if (received->type == BUS1_MESSAGE_TYPE_NODE_RELEASE) {
                handle_gone(bus, id);
                return;
        }
        node = node_find(bus, id);
        if (!node) {
                if (m)
                        bus1_dbus_message_unref(m);
                else
                        release_transfers(bus, received);
                return;
        }
        if (node->kind == NODE_REPLY) {
                receive_reply(bus, node->data, received);
                return;
        }
        if (received->type == BUS1_MESSAGE_TYPE_HANDLE_RELEASE) {
                struct bus1_dbus_object *object = node->kind == NODE_OBJECT ? node->data : NULL;
                struct bus1_dbus_subscription *s =
                        node->kind == NODE_SUBSCRIPTION ? node->data : NULL;

                node_remove(bus, id);
                if (s)
                        s->node = BUS1_INVALID;
                if (object)
                        object_unreferenced(object, id);
                return;
        }
        if (m || incoming_message_new(bus, received, node, &m) >= 0)
                dispatch_message(bus, node, m);
}

static int dispatch_one(struct bus1_dbus *bus) {
        struct incoming *incoming;
        int r = 0;

        if (!bus->incoming) {
                r = receive_all(bus);
                if (r == -ENOMEM)
                        return r;
        }
        if (bus->incoming) {
                incoming = bus->incoming;
                DL_DELETE(bus->incoming, incoming);
                dispatch_received(bus, incoming->received, incoming->message);
                bus1_received_free(incoming->received);
                free(incoming);
                r = 1;
        } else if (pending_expire(bus)) {
                r = 1;
        } else if (r < 0 && bus->pending) {
                pending_fail(bus, bus->pending, DBUS_ERROR_DISCONNECTED, "The bus has gone");
                r = 1;
        }
        return r;
}

PUBLIC int bus1_dbus_dispatch(struct bus1_dbus *bus) {
        int r;

        if (!bus)
                return -EINVAL;
        bus->n_dispatching++;
        r = dispatch_one(bus);
        bus->n_dispatching--;
        if (bus->freed) {
                if (bus->n_dispatching == 0)
                        free(bus);
                return -ESHUTDOWN;
        }
        wait_arm(bus);
        return r;
}
