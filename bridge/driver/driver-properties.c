/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus.Properties, which reads the tables of all interfaces. */

#include <string.h>

#include "bridge/driver/methods.h"

/*
 * find_interface() reads the name of an interface, find_property() that of an interface and then
 * that of a property. Both return NULL if the call failed.
 */

static const struct driver_interface *find_interface(struct driver_call *call) {
        const char *name = reader_string(&call->reader).s;
        const struct driver_interface *interface = driver_find_interface(call->bus, name);

        if (!interface)
                driver_call_fail(call, DRIVER_ERROR("UnknownInterface"),
                                 "There is no interface '%s'", name);
        return interface;
}

static const struct driver_property *find_property(struct driver_call *call) {
        const struct driver_interface *interface = find_interface(call);
        const struct driver_property *property = interface ? interface->properties : NULL;
        const char *name = reader_string(&call->reader).s;

        for (; property && property->name; property++)
                if (strcmp(property->name, name) == 0)
                        return property;
        if (interface)
                driver_call_fail(call, DRIVER_ERROR("UnknownProperty"),
                                 "The interface %s has no property '%s'", interface->name, name);
        return NULL;
}

static int properties_get(struct driver_call *call) {
        const struct driver_property *property = find_property(call);

        if (!property)
                return DRIVER_CALL_FAILED;
        writer_variant(&call->writer, property->signature);
        property->get(call->bus, &call->writer);
        return 0;
}

static int properties_set(struct driver_call *call) {
        const struct driver_property *property = find_property(call);

        if (!property)
                return DRIVER_CALL_FAILED;
        return driver_call_fail(call, DRIVER_ERROR("PropertyReadOnly"),
                                "The property %s cannot be set", property->name);
}

static int properties_get_all(struct driver_call *call) {
        const struct driver_interface *interface = find_interface(call);
        const struct driver_property *property;
        struct writer *w = &call->writer;

        if (!interface)
                return DRIVER_CALL_FAILED;

        writer_array_begin(w, 8);
        for (property = interface->properties; property && property->name; property++) {
                driver_write_key(w, property->name, property->signature);
                property->get(call->bus, w);
        }
        writer_array_end(w);
        return 0;
}

static const struct driver_method methods[] = {
        {"Get", "ss", "v", properties_get},
        {"GetAll", "s", "a{sv}", properties_get_all},
        {"Set", "ssv", "", properties_set},
        {},
};

static const struct driver_signal signals[] = {
        {"PropertiesChanged", "sa{sv}as"},
        {},
};

const struct driver_interface driver_interface_properties = {
        .name = "org.freedesktop.DBus.Properties",
        .methods = methods,
        .signals = signals,
        .canonical_path_only = true,
};
