/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Interfaces: a name, a table, and the userdata for its functions */

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "libbus1/dbus/object.h"

struct interface *interface_new(struct bus1_dbus *bus, const char *name, struct table *table,
                                void *userdata) {
        struct interface *interface;

        interface = calloc(1, sizeof(*interface));
        if (interface)
                interface->name = strdup(name);
        if (!interface || !interface->name) {
                table_unref(bus, table);
                free(interface);
                return NULL;
        }
        interface->table = table;
        interface->userdata = userdata;
        return interface;
}

void interface_free(struct bus1_dbus *bus, struct interface *interface) {
        table_unref(bus, interface->table);
        free(interface->name);
        free(interface);
}

bool interface_is_standard(const char *name) {
        static const char *const standard[] = {
                DBUS_INTERFACE_PROPERTIES,
                DBUS_INTERFACE_PEER,
                DBUS_INTERFACE_INTROSPECTABLE,
                OBJECT_MANAGER_INTERFACE,
        };

        for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
                if (strcmp(standard[i], name) == 0)
                        return true;
        return false;
}

struct interface *object_find_interface(const struct bus1_dbus_object *object, const char *name) {
        struct interface *interface;

        DL_FOREACH(object->interfaces, interface) {
                if (strcmp(interface->name, name) == 0)
                        return interface;
        }
        return NULL;
}
