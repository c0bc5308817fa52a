/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus.Properties, over the tables of all interfaces. */

#include <string.h>

#include "bridge/driver/methods.h"

static int find_interface(struct driver_call *call, const struct driver_interface **ret_interface) {
        struct wire_string name = reader_string(&call->reader);

        *ret_interface = driver_find_interface(call->bus, name.s);
        if (!*ret_interface)
                return driver_call_fail(call, DRIVER_ERROR("UnknownInterface"),
                                        "There is no interface '%s'", name.s);
        return 0;
}

static int find_property(struct driver_call *call, const struct driver_property **ret_property) {
        const struct driver_interface *interface;
        const struct driver_property *property;
        struct wire_string name;
        int r;

        r = find_interface(call, &interface);
        if (r != 0)
                return r;

        name = reader_string(&call->reader);
        for (property = interface->properties; property && property->name; property++)
                if (!strcmp(property->name, name.s)) {
                        *ret_property = property;
                        return 0;
                }
        return driver_call_fail(call, DRIVER_ERROR("UnknownProperty"),
                                "The interface %s has no property '%s'", interface->name, name.s);
}

static int properties_get(struct driver_call *call) {
        const struct driver_property *property;
        int r;

        r = find_property(call, &property);
        if (r != 0)
                return r;
        writer_variant(&call->writer, property->signature);
        property->get(call->bus, &call->writer);
        return 0;
}

static int properties_set(struct driver_call *call) {
        const struct driver_property *property;
        int r;

        r = find_property(call, &property);
        if (r != 0)
                return r;
        return driver_call_fail(call, DRIVER_ERROR("PropertyReadOnly"),
                                "The property %s cannot be set", property->name);
}

static int properties_get_all(struct driver_call *call) {
        const struct driver_interface *interface;
        const struct driver_property *property;
        struct writer *w = &call->writer;
        int r;

        r = find_interface(call, &interface);
        if (r != 0)
                return r;

        writer_array_begin(w, 8);
        for (property = interface->properties; property && property->name; property++) {
                writer_struct(w);
                writer_string(w, property->name);
                writer_variant(w, property->signature);
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
