/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Objects and their interfaces come and go */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/channel-node.h"
#include "libbus1/dbus/manager.h"
#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/standing.h"
#include "libbus1/dbus/tree.h"

static int object_add(struct bus1_dbus_object *object, const char *name, struct table *table,
                      void *userdata) {
        struct interface *interface;

        interface = interface_new(object->bus, name, table, userdata);
        if (!interface)
                return -ENOMEM;
        DL_APPEND(object->interfaces, interface);
        return 0;
}

static void object_remove(struct bus1_dbus_object *object, struct interface *interface) {
        DL_DELETE(object->interfaces, interface);
        interface_free(object->bus, interface);
}

static int object_add_rows(struct bus1_dbus_object *object,
                           const struct bus1_dbus_interface *rows) {
        struct table *table;
        int r = 0;

        for (const struct bus1_dbus_interface *row = rows; row && row->name && r >= 0; row++) {
                r = table_from_row(object->bus, row, &table);
                if (r >= 0)
                        r = object_add(object, row->name, table, object->userdata);
        }
        return r;
}

static void object_destroy(struct bus1_dbus_object *object) {
        while (object->interfaces)
                object_remove(object, object->interfaces);
        free(object->path);
        free(object->exported);
        free(object);
}

static int object_plant(struct bus1_dbus_object *object, const char *path) {
        struct branch *branch;

        object->path = strdup(path);
        branch = object->path ? tree_grow(object->bus, path) : NULL;
        if (!branch)
                return -ENOMEM;
        branch->object = object;
        return 0;
}

PUBLIC int bus1_dbus_object_new(struct bus1_dbus *bus, const char *path,
                                const struct bus1_dbus_interface *interfaces, void *userdata,
                                struct bus1_dbus_object **ret_object) {
        struct bus1_dbus_object *object;
        int r;

        if (!bus || (path && !dbus_validate_path(path, NULL)))
                return -EINVAL;
        if (path && tree_find_object(bus, path))
                return -EEXIST;
        object = calloc(1, sizeof(*object));
        if (!object)
                return -ENOMEM;
        object->bus = bus;
        object->userdata = userdata;
        object->node = object->handle = object->published = BUS1_INVALID;
        r = object_add_rows(object, interfaces);
        if (r >= 0 && path)
                r = object_plant(object, path);
        if (r < 0) {
                object_destroy(object);
                return r;
        }
        DL_APPEND(bus->objects, object);
        if (object->interfaces)
                manager_interfaces_added(object);
        if (ret_object)
                *ret_object = object;
        return 0;
}

static void object_end_nodes(struct bus1_dbus_object *object) {
        struct bus1_dbus *bus = object->bus;
        struct node *node, *next;

        HASH_ITER(hh, bus->nodes, node, next) {
                uint64_t id = node->id;

                if (node->kind != NODE_OBJECT || node->data != object)
                        continue;
                if (node_is_channel(node))
                        channel_node_close(bus, node);
                node_end(bus, id);
        }
        /* after the nodes: a subscriber first hears that the object has ended */
        subscribers_free(&object->subscribers);
        if (object->n_exports > 0)
                standing_export_remove(bus, object);
        handle_release(bus, object->handle);
}

static void object_uproot(struct bus1_dbus_object *object) {
        struct branch *branch = tree_find(object->bus, object->path);

        if (branch->is_manager)
                object->bus->n_managers--;
        branch->is_manager = false;
        branch->object = NULL;
        tree_prune(object->bus, branch);
}

PUBLIC struct bus1_dbus_object *bus1_dbus_object_free(struct bus1_dbus_object *object) {
        if (!object)
                return NULL;
        manager_interfaces_removed(object, NULL);
        object_end_nodes(object);
        incoming_messages_forget(object->bus, object);
        if (object->path)
                object_uproot(object);
        if (object->bus->being_restored == object)
                object->bus->being_restored = NULL;
        DL_DELETE(object->bus->objects, object);
        object_destroy(object);
        return NULL;
}

PUBLIC int bus1_dbus_object_add_interface(struct bus1_dbus_object *object, const char *interface,
                                          const struct bus1_dbus_vtable *vtable, void *userdata) {
        struct table *table;
        int r;

        if (!object || !interface || !dbus_validate_interface(interface, NULL) ||
            interface_is_standard(interface) || !vtable)
                return -EINVAL;
        if (object_find_interface(object, interface))
                return -EEXIST;
        r = table_from_vtable(object->bus, vtable, &table);
        if (r >= 0)
                r = object_add(object, interface, table, userdata);
        if (r >= 0)
                manager_interfaces_added(object);
        return r;
}

PUBLIC int bus1_dbus_object_remove_interface(struct bus1_dbus_object *object,
                                             const char *interface) {
        struct interface *i;

        if (!object || !interface)
                return -EINVAL;
        i = object_find_interface(object, interface);
        if (!i || !i->table->is_vtable)
                return -ENOENT;
        manager_interfaces_removed(object, i);
        object_remove(object, i);
        return 0;
}
