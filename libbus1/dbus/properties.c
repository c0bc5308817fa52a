/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.DBus.Properties, the methods: reads and writes the properties of a target */

#include "libbus1/dbus/properties.h"

#include <errno.h>
#include <string.h>

#include "libbus1/dbus/access.h"
#include "libbus1/dbus/answer.h"
#include "libbus1/dbus/changed.h"
#include "libbus1/dbus/property.h"

/* D-Bus spec, "org.freedesktop.DBus.Properties": an empty interface name means any interface. */
static const char *name_or_any(const char *name) {
        return *name ? name : NULL;
}

static int find_property(const struct target *target, struct bus1_dbus_message *call,
                         struct walk *ret_walk, const struct member **ret_member,
                         DBusError *error) {
        const char *interface, *name;
        int r;

        dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &interface, DBUS_TYPE_STRING,
                              &name, DBUS_TYPE_INVALID);
        r = target_find_member(target, name_or_any(interface), MEMBER_PROPERTY, name, ret_walk,
                               ret_member, error);
        if (r != 0)
                return r;
        r = *interface ? answer_has_interface(target, interface, error) : 1;
        if (r < 0)
                return r;
        if (r == 0)
                return answer_unknown_interface(target, call, interface);
        r = bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_PROPERTY, "No property %s at %s", name,
                                  target->path);
        return r < 0 ? r : 0;
}

int properties_get(const struct target *target, struct bus1_dbus_message *call, DBusError *error) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        const struct member *member;
        DBusMessageIter iter;
        struct walk walk;
        int r;

        r = find_property(target, call, &walk, &member, error);
        if (r <= 0)
                return r;
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        dbus_message_iter_init_append(reply, &iter);
        r = property_append(&walk, member, &iter, error);
        return r < 0 ? r : bus1_dbus_reply(call, reply, NULL, 0);
}

int properties_get_all(const struct target *target, struct bus1_dbus_message *call,
                       DBusError *error) {
        CLEANUP(dbus_message_unrefp) DBusMessage *reply = NULL;
        DBusMessageIter iter;
        const char *name;
        int r;

        dbus_message_get_args(call->message, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID);
        r = *name ? answer_has_interface(target, name, error) : 1;
        if (r < 0)
                return r;
        if (r == 0)
                return answer_unknown_interface(target, call, name);
        reply = dbus_message_new_method_return(call->message);
        if (!reply)
                return -ENOMEM;
        dbus_message_iter_init_append(reply, &iter);
        r = properties_append(target, name_or_any(name), PROPERTIES_ALL, &iter, error);
        return r < 0 ? r : bus1_dbus_reply(call, reply, NULL, 0);
}

/* The library has stored the value itself, so it also announces it. */
static void announce_change(const struct walk *walk, const struct member *member) {
        char *names[] = {(char *)member->name, NULL};

        /* Get and Set have worked, so what fails here concerns the receivers of the signal only. */
        if (member->flags & (BUS1_DBUS_VTABLE_PROPERTY_EMITS_CHANGE |
                             BUS1_DBUS_VTABLE_PROPERTY_EMITS_INVALIDATION) &&
            !member_is_hidden(walk->interface->table, member))
                (void)changed_emit(walk->target, walk->interface->name, names);
}

static int set_value(const struct walk *walk, const struct member *member,
                     struct bus1_dbus_message *call, DBusMessageIter *value, DBusError *error) {
        bool changed;
        int r;

        r = property_set(walk, member, value, &changed, error);
        if (r < 0)
                return r;
        if (changed)
                announce_change(walk, member);
        return bus1_dbus_reply_args(call, DBUS_TYPE_INVALID);
}

int properties_set(const struct target *target, struct bus1_dbus_message *call, DBusError *error) {
        const struct member *member;
        DBusMessageIter iter, value;
        struct walk walk;
        char *signature;
        bool matches;
        int r;

        r = find_property(target, call, &walk, &member, error);
        if (r <= 0)
                return r;
        if (!member->writable)
                return bus1_dbus_reply_error(call, DBUS_ERROR_PROPERTY_READ_ONLY,
                                             "Property %s is read-only", member->name);
        dbus_message_iter_init(call->message, &iter);
        dbus_message_iter_next(&iter);
        dbus_message_iter_next(&iter);
        dbus_message_iter_recurse(&iter, &value);
        signature = dbus_message_iter_get_signature(&value);
        if (!signature)
                return -ENOMEM;
        matches = strcmp(signature, member->signature) == 0;
        dbus_free(signature);
        if (!matches)
                return bus1_dbus_reply_error(call, DBUS_ERROR_INVALID_ARGS,
                                             "Property %s has the signature \"%s\"", member->name,
                                             member->signature);
        r = access_check(&walk, member, call);
        return r == 1 ? set_value(&walk, member, call, &value, error) : r;
}
