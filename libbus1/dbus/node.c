/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/node.h"

#include <errno.h>
#include <stdlib.h>

#include "libbus1/dbus/ids.h"
#include "libbus1/dbus/use.h"

int node_add(struct bus1_dbus *bus, uint64_t id, enum node_kind kind, void *data, bool trusted) {
        struct node *node;

        node = calloc(1, sizeof(*node));
        if (!node)
                return -ENOMEM;
        node->id = id;
        node->kind = kind;
        node->data = data;
        node->trusted = trusted;
        node->control = BUS1_INVALID;
        HASH_ADD(hh, bus->nodes, id, sizeof(node->id), node);
        if (!node->hh.tbl) {
                free(node);
                return -ENOMEM;
        }
        return 0;
}

int node_new(struct bus1_dbus *bus, enum node_kind kind, void *data, bool trusted, uint64_t *ret_id,
             uint64_t *ret_handle) {
        uint64_t id, handle;
        int r;

        r = use_begin(bus);
        if (r < 0)
                return r;
        r = bus1_client_create_node(bus->client, 0, &id, &handle);
        use_end(bus);
        if (r < 0)
                return r;
        id = ids_from_peer(bus, id);
        handle = ids_from_peer(bus, handle);
        r = node_add(bus, id, kind, data, trusted);
        if (r < 0) {
                use_release(bus, handle);
                use_release(bus, id);
                return r;
        }
        *ret_id = id;
        *ret_handle = handle;
        return 0;
}

struct node *node_find(struct bus1_dbus *bus, uint64_t id) {
        struct node *node;

        HASH_FIND(hh, bus->nodes, &id, sizeof(id), node);
        return node;
}

void node_remove(struct bus1_dbus *bus, uint64_t id) {
        struct node *node = node_find(bus, id);

        if (!node)
                return;
        HASH_DELETE(hh, bus->nodes, node);
        handle_release(bus, node->control);
        free(node->sender);
        free(node->name);
        free(node);
}

int handle_copy(struct bus1_dbus *bus, uint64_t handle, uint64_t *ret_copy) {
        struct bus1_transfer src = {.id = ids_to_peer(bus, handle)}, dst;
        int r;

        r = use_begin(bus);
        if (r < 0)
                return r;
        r = bus1_client_transfer(bus->client, NULL, 1, &src, &dst);
        use_end(bus);
        if (r < 0)
                return r;
        *ret_copy = ids_from_peer(bus, dst.id);
        return 0;
}

void handle_release(struct bus1_dbus *bus, uint64_t handle) {
        if (handle == BUS1_INVALID)
                return;
        bus1_dbus_unwatch(bus, handle);
        use_release(bus, handle);
}

void node_end(struct bus1_dbus *bus, uint64_t id) {
        node_remove(bus, id);
        use_release(bus, id);
}

/* watches */

PUBLIC int bus1_dbus_watch(struct bus1_dbus *bus, uint64_t handle, bus1_dbus_release_fn fn,
                           void *userdata) {
        struct watch *watch;

        if (!bus || handle == BUS1_INVALID || !fn)
                return -EINVAL;
        HASH_FIND(hh, bus->watches, &handle, sizeof(handle), watch);
        if (!watch) {
                watch = calloc(1, sizeof(*watch));
                if (!watch)
                        return -ENOMEM;
                watch->handle = handle;
                HASH_ADD(hh, bus->watches, handle, sizeof(watch->handle), watch);
                if (!watch->hh.tbl) {
                        free(watch);
                        return -ENOMEM;
                }
        }
        watch->fn = fn;
        watch->userdata = userdata;
        return 0;
}

PUBLIC void bus1_dbus_unwatch(struct bus1_dbus *bus, uint64_t handle) {
        struct watch *watch = NULL;

        if (bus)
                HASH_FIND(hh, bus->watches, &handle, sizeof(handle), watch);
        if (watch) {
                HASH_DELETE(hh, bus->watches, watch);
                free(watch);
        }
}
