/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/channel-node.h"

#include <errno.h>
#include <string.h>

#include "libbus1/dbus/message.h"
#include "libbus1/dbus/send.h"
#include "libbus1/dbus/use.h"

/* A member that asks for channel after channel must not fill the memory of the owner. */
#define CHANNELS_MAX 4096
#define CHANNELS_OF_MEMBER_MAX 64

static bool has_room(struct bus1_dbus *bus, const char *member) {
        unsigned n = 0, n_of_member = 0;
        struct node *node, *next;

        HASH_ITER(hh, bus->nodes, node, next) {
                if (!node_is_channel(node))
                        continue;
                n++;
                n_of_member += strcmp(node->sender, member) == 0;
        }
        return n < CHANNELS_MAX && n_of_member < CHANNELS_OF_MEMBER_MAX;
}

int channel_node_new(struct bus1_dbus *bus, struct bus1_dbus_object *object, const char *member,
                     const char *name, uint64_t lookup, uint64_t control, uint64_t *ret_handle,
                     struct node **ret_node) {
        struct node *node;
        uint64_t id;
        int r;

        if (!has_room(bus, member))
                return -EDQUOT;
        r = node_new(bus, object ? NODE_OBJECT : NODE_NAME, object, false, &id, ret_handle);
        if (r < 0)
                return r;
        node = node_find(bus, id);
        node->sender = strdup(member);
        node->name = strdup(name);
        if (!node->sender || !node->name) {
                handle_release(bus, *ret_handle);
                node_end(bus, id);
                return -ENOMEM;
        }
        node->lookup = lookup;
        node->control = control;
        *ret_node = node;
        return 0;
}

static void tell_closed(struct bus1_dbus *bus, const struct node *node) {
        CLEANUP(dbus_message_unrefp) DBusMessage *m = NULL;
        dbus_uint64_t n = node->n_accepted;

        m = dbus_message_new_method_call(NULL, "/", CHANNEL_INTERFACE, "Closed");
        if (!m || !dbus_message_append_args(m, DBUS_TYPE_UINT64, &n, DBUS_TYPE_INVALID))
                return;
        dbus_message_set_no_reply(m, TRUE);
        /*
         * If the caller has no room left, it gets no answers either. It then only learns that the
         * node has ended, and that its calls have no reply.
         */
        (void)send_message(bus, node->control, m, NULL, 0, NULL, 0);
}

void channel_node_close(struct bus1_dbus *bus, struct node *node) {
        if (node->closed)
                return;
        tell_closed(bus, node);
        node->closed = true;
        use_release(bus, node->id);
        if (node->n_queued == 0)
                node_remove(bus, node->id);
}

void channel_nodes_close(struct bus1_dbus *bus, const char *name) {
        struct node *node, *next;

        HASH_ITER(hh, bus->nodes, node, next) {
                if (node_is_channel(node) && (!name || strcmp(node->name, name) == 0))
                        channel_node_close(bus, node);
        }
}

void channel_node_close_lookup(struct bus1_dbus *bus, uint64_t lookup) {
        struct node *node, *next;

        HASH_ITER(hh, bus->nodes, node, next) {
                if (node_is_channel(node) && node->lookup == lookup)
                        channel_node_close(bus, node);
        }
}

void channel_node_queued(struct node *node) {
        node->n_queued++;
}

void channel_node_served(struct bus1_dbus *bus, struct node *node) {
        if (--node->n_queued == 0 && node->closed)
                node_remove(bus, node->id);
}

bool channel_node_answers(struct bus1_dbus_message *message) {
        const struct lazy *lazy = message_lazy(message);

        if (lazy ? !lazy_is_call(lazy, CHANNEL_INTERFACE, "Confirm")
                 : !dbus_message_is_method_call(message->message, CHANNEL_INTERFACE, "Confirm"))
                return false;
        bus1_dbus_reply_args(message, DBUS_TYPE_INVALID);
        return true;
}
