/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/channel-node.h"
#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/error.h"
#include "libbus1/dbus/message-limits.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/reply.h"
#include "libbus1/dbus/standing.h"
#include "libbus1/dbus/tree.h"

#define SESSION_INTERFACE "org.bus1.Session1"

/* Does the message come from the bus itself, not from a member? */
static bool session_message_is_from_bus(struct bus1_dbus_message *message) {
        struct node *node = node_find(message->bus, message->node);
        const char *sender = dbus_message_get_sender(message->message);

        return node && node->kind == NODE_HOME && sender && strcmp(sender, BUS_NAME) == 0;
}

/* What the bus adds to OpenChannel if it knows the flag of Hello (wire_hello()). */
static void read_origin(DBusMessage *m, struct node *node) {
        struct bus1_dbus_credentials *c = &node->origin;
        const char *text;
        dbus_uint64_t lookup;
        dbus_bool_t narrow;

        node->has_origin = dbus_message_get_args(
                m, NULL, DBUS_TYPE_STRING, &text, DBUS_TYPE_STRING, &text, DBUS_TYPE_BOOLEAN,
                &narrow, DBUS_TYPE_OBJECT_PATH, &text, DBUS_TYPE_UINT64, &lookup, DBUS_TYPE_UINT32,
                &c->uid, DBUS_TYPE_UINT32, &c->gid, DBUS_TYPE_UINT32, &c->pid, DBUS_TYPE_INVALID);
}

/*
 * OpenChannel(s member, s name, b narrow, o path, t lookup), with the control handle: make a node
 * for the calls of one member, and return its handle, which the bus passes on to that member. A
 * narrowed node serves only the object at path.
 */
static int session_open_channel(struct bus1_dbus_message *call) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        struct bus1_dbus_object *object = NULL;
        struct bus1_dbus *bus = call->bus;
        const char *member, *name, *path;
        dbus_uint64_t lookup;
        struct node *node;
        uint64_t handle;
        dbus_bool_t narrow;
        int r;

        if (!dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &member, DBUS_TYPE_STRING,
                                   &name, DBUS_TYPE_BOOLEAN, &narrow, DBUS_TYPE_OBJECT_PATH, &path,
                                   DBUS_TYPE_UINT64, &lookup, DBUS_TYPE_INVALID))
                return -EINVAL;
        if (narrow) {
                object = tree_find_object(bus, path);
                if (!object)
                        return -ENOENT;
        }
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        if (call->n_handles == 0 || call->handles[0] == BUS1_INVALID)
                return -EINVAL;
        r = channel_node_new(bus, object, member, name, lookup, call->handles[0], &handle, &node);
        if (r < 0)
                return r;
        read_origin(call->message, node);
        limits_learn(bus, call->message);
        call->handles[0] = BUS1_INVALID; /* the node has it now */
        r = bus1_dbus_reply(call, reply, &handle, 1);
        /* The program keeps no handle, so the node ends when nobody else has one any more. */
        handle_release(bus, handle);
        return r;
}

/* CloseChannel(t lookup): the look-up has ended, so the caller may not call any more. */
static void session_close_channel(struct bus1_dbus_message *call) {
        dbus_uint64_t lookup;

        if (dbus_message_get_args(call->message, NULL, DBUS_TYPE_UINT64, &lookup,
                                  DBUS_TYPE_INVALID))
                channel_node_close_lookup(call->bus, lookup);
}

bool session_is_call(struct bus1_dbus_message *message) {
        return dbus_message_get_type(message->message) == DBUS_MESSAGE_TYPE_METHOD_CALL &&
               dbus_message_has_interface(message->message, SESSION_INTERFACE) &&
               session_message_is_from_bus(message);
}

void session_dispatch(struct bus1_dbus_message *call) {
        int r = 0;

        if (dbus_message_is_method_call(call->message, SESSION_INTERFACE, "OpenChannel"))
                r = session_open_channel(call);
        else if (dbus_message_is_method_call(call->message, SESSION_INTERFACE, "CloseChannel"))
                session_close_channel(call);
        else if (dbus_message_is_method_call(call->message, SESSION_INTERFACE, "CloseChannels")) {
                channel_nodes_close(call->bus, NULL);
                channels_withdraw(call->bus);
                limits_learn(call->bus, call->message);
        } else
                bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_METHOD, "No such method");
        if (r < 0)
                reply_errno(call, r);
}

void session_handle_signal(struct bus1_dbus_message *signal) {
        const char *name;

        if (!session_message_is_from_bus(signal) ||
            !dbus_message_is_signal(signal->message, BUS_NAME, "NameLost") ||
            !dbus_message_get_args(signal->message, NULL, DBUS_TYPE_STRING, &name,
                                   DBUS_TYPE_INVALID))
                return;
        channel_nodes_close(signal->bus, name);
        if (!signal->bus->gone) /* a bus that ends takes all names */
                standing_name_lost(signal->bus, name);
}
