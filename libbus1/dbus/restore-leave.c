/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus has gone, and perhaps the peer: what ends with them */

#include <utlist.h>

#include "libbus1/dbus/channel-node.h"
#include "libbus1/dbus/channel.h"
#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/object.h"
#include "libbus1/dbus/receive.h"
#include "libbus1/dbus/restore.h"
#include "libbus1/dbus/subscribe.h"

static void leave_node(struct bus1_dbus *bus, struct node *node) {
        struct bus1_dbus_subscription *subscription = node->data;
        struct bus1_dbus_object *object = node->data;

        switch (node->kind) {
        case NODE_HOME:
        case NODE_NAME:
                node_end(bus, node->id);
                break;
        case NODE_SUBSCRIPTION:
                if (subscription->is_direct)
                        break; /* the same is true of objects of other programs */
                subscription->node = BUS1_INVALID;
                node_end(bus, node->id);
                break;
        case NODE_OBJECT:
                /* What others hold of an object of this program needs no bus. */
                if (node->id == object->published)
                        object->published = BUS1_INVALID;
                else if (!node->trusted && !node_is_channel(node))
                        break;
                node_end(bus, node->id);
                break;
        case NODE_REPLY:
        case NODE_CONTROL:
                break; /* they end with their call or channel */
        }
}

void restore_leave(struct bus1_dbus *bus) {
        struct channel *channel, *next_channel;
        struct node *node, *next_node;

        HASH_ITER(hh, bus->channels, channel, next_channel) {
                if (channel->released)
                        channel_free(channel);
                else
                        channel_lose(channel);
        }
        HASH_ITER(hh, bus->nodes, node, next_node) {
                leave_node(bus, node);
        }
}

void restore_peer_lost(struct bus1_dbus *bus) {
        struct bus1_dbus_object *object;
        struct watch *watch, *next;

        if (bus->reconnect->peer_is_lost)
                return;
        bus->reconnect->peer_is_lost = true;
        /* Without memory a watch does not fire, as when the bus goes for good. */
        HASH_ITER(hh, bus->watches, watch, next) {
                if (!channel_find(bus, watch->handle))
                        (void)incoming_add_notification(bus, BUS1_MESSAGE_TYPE_NODE_RELEASE,
                                                        watch->handle);
        }
        DL_FOREACH(bus->objects, object) {
                if (object->node == BUS1_INVALID)
                        continue;
                if (object->handle == BUS1_INVALID) {
                        (void)incoming_add_notification(bus, BUS1_MESSAGE_TYPE_HANDLE_RELEASE,
                                                        object->node);
                } else {
                        node_remove(bus, object->node);
                        object->node = BUS1_INVALID;
                }
        }
}

void restore_peer_new(struct bus1_dbus *bus) {
        struct bus1_dbus_object *object;
        uint64_t handle;

        bus->reconnect->peer_is_lost = false;
        DL_FOREACH(bus->objects, object) {
                if (object->handle == BUS1_INVALID)
                        continue;
                if (node_new(bus, NODE_OBJECT, object, false, &object->node, &handle) < 0) {
                        object->node = object->handle = BUS1_INVALID;
                } else if (ids_set_alias(bus, object->handle, handle) < 0) {
                        handle_release(bus, handle);
                        node_end(bus, object->node);
                        object->node = object->handle = BUS1_INVALID;
                }
        }
}
