/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libbus1/dbus/message.h"
#include "libbus1/dbus/node.h"

PUBLIC struct bus1_dbus *bus1_dbus_object_get_bus(const struct bus1_dbus_object *object) {
        return object->bus;
}

PUBLIC const char *bus1_dbus_object_get_path(const struct bus1_dbus_object *object) {
        return object->path ? object->path : "/";
}

static int set_lazy_path(const struct bus1_dbus_object *object, struct lazy *lazy) {
        if (strcmp(lazy->wire.path.s, object->path) == 0)
                return 0;
        free(lazy->path);
        lazy->path = strdup(object->path);
        return lazy->path ? 0 : -ENOMEM;
}

int object_set_path(const struct bus1_dbus_object *object, struct bus1_dbus_message *call) {
        if (!object->path)
                return 0;
        if (!call->message)
                return set_lazy_path(object, message_lazy(call));
        if (dbus_message_has_path(call->message, object->path))
                return 0;
        return dbus_message_set_path(call->message, object->path) ? 0 : -ENOMEM;
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
        if (object->n_exports > 0)
                return; /* everybody can call it */
        object->unreferenced = NULL;
        if (fn)
                fn(object, object->userdata);
}
