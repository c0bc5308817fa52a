/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/channel-node.h"
#include "libbus1/dbus/node.h"
#include "libbus1/dbus/standing.h"

PUBLIC int bus1_dbus_object_new(struct bus1_dbus *bus, const char *path,
                                const struct bus1_dbus_interface *interfaces, void *userdata,
                                struct bus1_dbus_object **ret_object) {
        struct bus1_dbus_object *object;

        if (!bus || (path && !dbus_validate_path(path, NULL)))
                return -EINVAL;
        if (path) {
                HASH_FIND_STR(bus->objects_by_path, path, object);
                if (object)
                        return -EEXIST;
        }
        object = calloc(1, sizeof(*object));
        if (!object)
                return -ENOMEM;
        object->bus = bus;
        object->interfaces = interfaces;
        object->userdata = userdata;
        object->node = object->handle = object->published = BUS1_INVALID;
        if (path) {
                object->path = strdup(path);
                if (object->path)
                        HASH_ADD_KEYPTR(hh, bus->objects_by_path, object->path, strlen(path),
                                        object);
                if (!object->hh.tbl) {
                        free(object->path);
                        free(object);
                        return -ENOMEM;
                }
        }
        DL_APPEND(bus->objects, object);
        if (ret_object)
                *ret_object = object;
        return 0;
}

PUBLIC struct bus1_dbus_object *bus1_dbus_object_free(struct bus1_dbus_object *object) {
        struct bus1_dbus *bus;
        struct node *node, *next;

        if (!object)
                return NULL;
        bus = object->bus;
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
        if (object->handle != BUS1_INVALID)
                standing_export_remove(bus, object->handle);
        handle_release(bus, object->handle);
        if (bus->being_restored == object)
                bus->being_restored = NULL;
        if (object->path)
                HASH_DELETE(hh, bus->objects_by_path, object);
        DL_DELETE(bus->objects, object);
        free(object->path);
        free(object->exported);
        free(object);
        return NULL;
}

PUBLIC struct bus1_dbus *bus1_dbus_object_get_bus(const struct bus1_dbus_object *object) {
        return object->bus;
}

PUBLIC const char *bus1_dbus_object_get_path(const struct bus1_dbus_object *object) {
        return object->path ? object->path : "/";
}

int object_set_path(const struct bus1_dbus_object *object, DBusMessage *call) {
        if (!object->path || dbus_message_has_path(call, object->path))
                return 0;
        return dbus_message_set_path(call, object->path) ? 0 : -ENOMEM;
}

bool object_has_interface(const struct bus1_dbus_object *object, const char *name) {
        static const char *const standard[] = {
                DBUS_INTERFACE_PROPERTIES,
                DBUS_INTERFACE_PEER,
                DBUS_INTERFACE_INTROSPECTABLE,
        };

        for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
                if (strcmp(standard[i], name) == 0)
                        return true;
        for (const struct bus1_dbus_interface *i = object->interfaces; i && i->name; i++)
                if (strcmp(i->name, name) == 0)
                        return true;
        return false;
}

int object_reply_unknown_interface(const struct bus1_dbus_object *object,
                                   struct bus1_dbus_message *call, const char *interface) {
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_INTERFACE, "No interface %s at %s",
                                     interface, bus1_dbus_object_get_path(object));
}

/* handles */

PUBLIC int bus1_dbus_object_get_handle(struct bus1_dbus_object *object, uint64_t *ret_handle) {
        int r;

        if (!object || !ret_handle)
                return -EINVAL;
        if (object->handle == BUS1_INVALID) {
                if (object->node != BUS1_INVALID)
                        return -ESTALE;
                r = node_new(object->bus, NODE_OBJECT, object, false, &object->node,
                             &object->handle);
                if (r < 0)
                        return r;
        }
        *ret_handle = object->handle;
        return 0;
}

PUBLIC int bus1_dbus_object_set_unreferenced(struct bus1_dbus_object *object,
                                             bus1_dbus_object_fn fn) {
        if (!object)
                return -EINVAL;
        if (object->handle == BUS1_INVALID || object->node == BUS1_INVALID)
                return -ESTALE;
        object->unreferenced = fn;
        handle_release(object->bus, object->handle);
        object->handle = BUS1_INVALID;
        return 0;
}

void object_unreferenced(struct bus1_dbus_object *object, uint64_t node) {
        bus1_dbus_object_fn fn = object->unreferenced;

        if (node == object->published)
                object->published = BUS1_INVALID;
        if (node != object->node)
                return;
        object->node = BUS1_INVALID;
        object->unreferenced = NULL;
        if (fn)
                fn(object, object->userdata);
}
