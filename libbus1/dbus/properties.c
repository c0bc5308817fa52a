/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus.Properties, from the tables of an object. */

#include "libbus1/dbus/properties.h"

#include <errno.h>
#include <string.h>

#include "libbus1/dbus/message.h"
#include "libbus1/dbus/object.h"

static const struct bus1_dbus_interface *find_interface(const struct bus1_dbus_object *object,
                                                        const char *name) {
        for (const struct bus1_dbus_interface *i = object->interfaces; i && i->name; i++)
                if (strcmp(i->name, name) == 0)
                        return i;
        return NULL;
}

/* An empty interface name means whichever has it. */
static const struct bus1_dbus_property *find_property(const struct bus1_dbus_object *object,
                                                      const char *interface, const char *name) {
        for (const struct bus1_dbus_interface *i = object->interfaces; i && i->name; i++) {
                if (*interface && strcmp(i->name, interface) != 0)
                        continue;
                for (const struct bus1_dbus_property *p = i->properties; p && p->name; p++)
                        if (strcmp(p->name, name) == 0)
                                return p;
        }
        return NULL;
}

static int append_value(struct bus1_dbus_object *object, const struct bus1_dbus_property *property,
                        DBusMessageIter *to) {
        DBusMessageIter variant;
        int r;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_VARIANT, property->signature, &variant))
                return -ENOMEM;
        r = property->get(object, &variant, object->userdata);
        if (r < 0) {
                dbus_message_iter_abandon_container(to, &variant);
                return r;
        }
        return dbus_message_iter_close_container(to, &variant) ? 0 : -ENOMEM;
}

static int append_entry(struct bus1_dbus_object *object, const struct bus1_dbus_property *property,
                        DBusMessageIter *array) {
        DBusMessageIter entry;
        int r;

        if (!dbus_message_iter_open_container(array, DBUS_TYPE_DICT_ENTRY, NULL, &entry))
                return -ENOMEM;
        r = dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &property->name) ? 0 : -ENOMEM;
        if (r >= 0)
                r = append_value(object, property, &entry);
        if (r < 0) {
                dbus_message_iter_abandon_container(array, &entry);
                return r;
        }
        return dbus_message_iter_close_container(array, &entry) ? 0 : -ENOMEM;
}

/* only: the one property wanted, or NULL for all. */
static int append_properties(struct bus1_dbus_object *object,
                             const struct bus1_dbus_interface *interface,
                             const struct bus1_dbus_property *only, DBusMessageIter *to) {
        DBusMessageIter array;
        int r = 0;

        if (!dbus_message_iter_open_container(to, DBUS_TYPE_ARRAY, "{sv}", &array))
                return -ENOMEM;
        for (const struct bus1_dbus_property *p = interface->properties; p && p->name && r >= 0;
             p++)
                if (!only || p == only)
                        r = append_entry(object, p, &array);
        if (r < 0) {
                dbus_message_iter_abandon_container(to, &array);
                return r;
        }
        return dbus_message_iter_close_container(to, &array) ? 0 : -ENOMEM;
}

static int reply_unknown(struct bus1_dbus_object *object, struct bus1_dbus_message *call,
                         const char *interface, const char *name) {
        if (*interface && !find_interface(object, interface))
                return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_INTERFACE,
                                             "No interface %s at %s", interface,
                                             bus1_dbus_object_get_path(object));
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_PROPERTY, "No property %s at %s",
                                     name, bus1_dbus_object_get_path(object));
}

static int properties_get(struct bus1_dbus_object *object, struct bus1_dbus_message *call) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        const struct bus1_dbus_property *property;
        const char *interface, *name;
        DBusMessageIter iter;
        int r;

        if (!dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &interface,
                                   DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID))
                return -EINVAL;
        property = find_property(object, interface, name);
        if (!property)
                return reply_unknown(object, call, interface, name);
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        dbus_message_iter_init_append(reply, &iter);
        r = append_value(object, property, &iter);
        return r < 0 ? r : bus1_dbus_reply(call, reply, NULL, 0);
}

static int properties_get_all(struct bus1_dbus_object *object, struct bus1_dbus_message *call) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        /* interfaces that every object has are no error, but have no properties */
        const struct bus1_dbus_interface *interface, empty = {};
        DBusMessageIter iter;
        const char *name;
        int r;

        if (!dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID))
                return -EINVAL;
        interface = find_interface(object, name);
        if (!interface) {
                if (strncmp(name, "org.freedesktop.DBus.", 21) != 0)
                        return reply_unknown(object, call, name, "");
                interface = &empty;
        }
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        dbus_message_iter_init_append(reply, &iter);
        r = append_properties(object, interface, NULL, &iter);
        return r < 0 ? r : bus1_dbus_reply(call, reply, NULL, 0);
}

static int properties_set(struct bus1_dbus_object *object, struct bus1_dbus_message *call) {
        const struct bus1_dbus_property *property;
        const char *interface, *name;
        DBusMessageIter iter, value;
        char *signature;
        bool matches;
        int r;

        dbus_message_iter_init(call->message, &iter);
        dbus_message_iter_get_basic(&iter, &interface);
        dbus_message_iter_next(&iter);
        dbus_message_iter_get_basic(&iter, &name);
        dbus_message_iter_next(&iter);
        property = find_property(object, interface, name);
        if (!property)
                return reply_unknown(object, call, interface, name);
        if (!property->set)
                return bus1_dbus_reply_error(call, DBUS_ERROR_PROPERTY_READ_ONLY,
                                             "Property %s is read-only", name);
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

int properties_dispatch(struct bus1_dbus_object *object, struct bus1_dbus_message *call) {
        static const struct {
                const char *name;
                const char *in;
                int (*run)(struct bus1_dbus_object *object, struct bus1_dbus_message *call);
        } methods[] = {
                {"Get", "ss", properties_get},
                {"GetAll", "s", properties_get_all},
                {"Set", "ssv", properties_set},
        };
        const char *member = dbus_message_get_member(call->message);

        for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
                if (strcmp(methods[i].name, member) != 0)
                        continue;
                if (!dbus_message_has_signature(call->message, methods[i].in))
                        return bus1_dbus_reply_error(call, DBUS_ERROR_INVALID_ARGS,
                                                     "%s takes arguments of signature \"%s\"",
                                                     member, methods[i].in);
                return methods[i].run(object, call);
        }
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_METHOD, "No method %s", member);
}

PUBLIC int bus1_dbus_object_emit_changed(struct bus1_dbus_object *object, const char *interface,
                                         const char *property) {
        CLEANUP(dbus_message_unrefp) DBusMessage *signal = NULL;
        const struct bus1_dbus_interface *i;
        const struct bus1_dbus_property *p;
        DBusMessageIter iter, array;
        int r;

        i = object && interface ? find_interface(object, interface) : NULL;
        p = i && property ? find_property(object, interface, property) : NULL;
        if (!p)
                return -EINVAL;
        signal = dbus_message_new_signal(bus1_dbus_object_get_path(object),
                                         DBUS_INTERFACE_PROPERTIES, "PropertiesChanged");
        if (!signal)
                return -ENOMEM;
        dbus_message_iter_init_append(signal, &iter);
        if (!dbus_message_iter_append_basic(&iter, DBUS_TYPE_STRING, &interface))
                return -ENOMEM;
        r = append_properties(object, i, p, &iter);
        if (r < 0)
                return r;
        /* nothing is invalidated: the value is there */
        if (!dbus_message_iter_open_container(&iter, DBUS_TYPE_ARRAY, "s", &array) ||
            !dbus_message_iter_close_container(&iter, &array))
                return -ENOMEM;
        return bus1_dbus_emit(object->bus, signal);
}
