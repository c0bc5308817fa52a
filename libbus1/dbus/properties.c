/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus.Properties: reads and writes the properties in the tables of an object */

#include <errno.h>
#include <string.h>

#include "libbus1/dbus/message.h"
#include "libbus1/dbus/object.h"

/* D-Bus spec, "org.freedesktop.DBus.Properties": an empty interface name means any interface. */
static const struct bus1_dbus_property *object_find_property(const struct bus1_dbus_object *object,
                                                             const char *interface,
                                                             const char *name) {
        for (const struct bus1_dbus_interface *i = object->interfaces; i && i->name; i++) {
                if (*interface && strcmp(i->name, interface) != 0)
                        continue;
                for (const struct bus1_dbus_property *p = i->properties; p && p->name; p++)
                        if (strcmp(p->name, name) == 0)
                                return p;
        }
        return NULL;
}

/* Close the container. If appending its content failed with r, abandon it and return r. */
static int end_container(DBusMessageIter *iter, DBusMessageIter *container, int r) {
        if (r >= 0)
                return dbus_message_iter_close_container(iter, container) ? 0 : -ENOMEM;
        dbus_message_iter_abandon_container(iter, container);
        return r;
}

static int append_value(struct bus1_dbus_object *object, const struct bus1_dbus_property *property,
                        DBusMessageIter *to) {
        DBusMessageIter variant;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_VARIANT, property->signature, &variant))
                return -ENOMEM;
        return end_container(to, &variant, property->get(object, &variant, object->userdata));
}

static int append_entry(struct bus1_dbus_object *object, const struct bus1_dbus_property *property,
                        DBusMessageIter *array) {
        DBusMessageIter entry;
        int r;

        if (!dbus_message_iter_open_container(array, DBUS_TYPE_DICT_ENTRY, NULL, &entry))
                return -ENOMEM;
        r = dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &property->name)
                    ? append_value(object, property, &entry)
                    : -ENOMEM;
        return end_container(array, &entry, r);
}

/*
 * Append an array with all properties of the interface (of all interfaces if its name is empty),
 * or, if "only" is not NULL, with just that property.
 */
static int append_properties(struct bus1_dbus_object *object, const char *interface,
                             const struct bus1_dbus_property *only, DBusMessageIter *to) {
        DBusMessageIter array;
        int r = 0;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, "{sv}", &array))
                return -ENOMEM;
        for (const struct bus1_dbus_interface *i = object->interfaces; i && i->name; i++) {
                if (*interface && strcmp(i->name, interface) != 0)
                        continue;
                for (const struct bus1_dbus_property *p = i->properties; p && p->name && r >= 0;
                     p++)
                        if (!only || p == only)
                                r = append_entry(object, p, &array);
        }
        return end_container(to, &array, r);
}

static int reply_unknown_property(struct bus1_dbus_object *object, struct bus1_dbus_message *call,
                                  const char *interface, const char *name) {
        if (*interface && !object_has_interface(object, interface))
                return object_reply_unknown_interface(object, call, interface);
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_PROPERTY, "No property %s at %s",
                                     name, bus1_dbus_object_get_path(object));
}

static int properties_get(struct bus1_dbus_message *call, void *userdata) {
        struct bus1_dbus_object *object = userdata;
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        const struct bus1_dbus_property *property;
        const char *interface, *name;
        DBusMessageIter iter;
        int r;

        dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &interface, DBUS_TYPE_STRING,
                              &name, DBUS_TYPE_INVALID);
        property = object_find_property(object, interface, name);
        if (!property)
                return reply_unknown_property(object, call, interface, name);
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        dbus_message_iter_init_append(reply, &iter);
        r = append_value(object, property, &iter);
        return r < 0 ? r : bus1_dbus_reply(call, reply, NULL, 0);
}

static int properties_get_all(struct bus1_dbus_message *call, void *userdata) {
        struct bus1_dbus_object *object = userdata;
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        DBusMessageIter iter;
        const char *name;
        int r;

        dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
        if (*name && !object_has_interface(object, name))
                return object_reply_unknown_interface(object, call, name);
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        dbus_message_iter_init_append(reply, &iter);
        r = append_properties(object, name, NULL, &iter);
        return r < 0 ? r : bus1_dbus_reply(call, reply, NULL, 0);
}

static int properties_set(struct bus1_dbus_message *call, void *userdata) {
        struct bus1_dbus_object *object = userdata;
        const struct bus1_dbus_property *property;
        const char *interface, *name;
        DBusMessageIter iter, value;
        char *signature;
        bool matches;
        int r;

        dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &interface, DBUS_TYPE_STRING,
                              &name, DBUS_TYPE_INVALID);
        property = object_find_property(object, interface, name);
        if (!property)
                return reply_unknown_property(object, call, interface, name);
        if (!property->set)
                return bus1_dbus_reply_error(call, DBUS_ERROR_PROPERTY_READ_ONLY,
                                             "Property %s is read-only", name);
        dbus_message_iter_init(call->message, &iter);
        dbus_message_iter_next(&iter);
        dbus_message_iter_next(&iter);
        dbus_message_iter_recurse(&iter, &value);
        signature = dbus_message_iter_get_signature(&value);
        if (!signature)
                return -ENOMEM;
        matches = strcmp(signature, property->signature) == 0;
        dbus_free(signature);
        if (!matches)
                return bus1_dbus_reply_error(call, DBUS_ERROR_INVALID_ARGS,
                                             "Property %s has the signature \"%s\"", name,
                                             property->signature);
        r = property->set(object, &value, object->userdata);
        return r < 0 ? r : bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
}

const struct bus1_dbus_method properties_methods[] = {
        {"Get", "ss", "v", properties_get, "interface_name property_name value"},
        {"Set", "ssv", "", properties_set, "interface_name property_name value"},
        {"GetAll", "s", "a{sv}", properties_get_all, "interface_name props"},
        {},
};

const struct bus1_dbus_signal properties_signals[] = {
        {"PropertiesChanged", "sa{sv}as",
         "interface_name changed_properties invalidated_properties"},
        {},
};

PUBLIC int bus1_dbus_object_emit_changed(struct bus1_dbus_object *object, const char *interface,
                                         const char *property) {
        CLEANUP(dbus_message_unrefp) DBusMessage *signal = NULL;
        const struct bus1_dbus_property *p;
        DBusMessageIter iter, array;
        int r;

        p = object && interface && *interface && property
                    ? object_find_property(object, interface, property)
                    : NULL;
        if (!p)
                return -EINVAL;
        signal = dbus_message_new_signal(bus1_dbus_object_get_path(object),
                                         DBUS_INTERFACE_PROPERTIES, "PropertiesChanged");
        if (!signal)
                return -ENOMEM;
        dbus_message_iter_init_append(signal, &iter);
        if (!dbus_message_iter_append_basic(&iter, DBUS_TYPE_STRING, &interface))
                return -ENOMEM;
        r = append_properties(object, interface, p, &iter);
        if (r < 0)
                return r;
        /* The signal has the new value, so it invalidates no property. */
        if (!dbus_message_iter_open_container(&iter, DBUS_TYPE_ARRAY, "s", &array) ||
            !dbus_message_iter_close_container(&iter, &array))
                return -ENOMEM;
        return object_send_signal(object, signal);
}
