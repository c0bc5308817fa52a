/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/answer.h"

#include <string.h>

#include "libbus1/dbus/message.h"
#include "libbus1/dbus/tree.h"

static bool is_manager(const struct target *target) {
        const struct branch *branch;

        if (!target->object || !target->object->path)
                return false;
        branch = tree_find(target->bus, target->object->path);
        return branch && branch->is_manager;
}

int answer_has_interface(const struct target *target, const char *name, DBusError *error) {
        struct walk walk;

        if (interface_is_standard(name) &&
            (strcmp(name, OBJECT_MANAGER_INTERFACE) != 0 || is_manager(target)))
                return 1;
        walk_begin(&walk, target, name);
        return walk_next(&walk, MEMBER_METHOD, NULL, error);
}

int answer_unknown_interface(const struct target *target, struct bus1_dbus_message *call,
                             const char *name) {
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_INTERFACE, "No interface %s at %s",
                                     name, target->path);
}

int answer_unknown_method(const struct target *target, struct bus1_dbus_message *call,
                          DBusError *error) {
        const char *interface = message_get_interface(call);
        int r;

        r = interface ? answer_has_interface(target, interface, error) : 1;
        if (r < 0)
                return r;
        if (r == 0)
                return answer_unknown_interface(target, call, interface);
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_METHOD, "No method %s at %s",
                                     message_get_member(call), target->path);
}

int answer_unknown_object(struct bus1_dbus_message *call) {
        return bus1_dbus_reply_error(call, DBUS_ERROR_UNKNOWN_OBJECT, "No object at %s",
                                     message_get_path(call));
}

int answer_wrong_arguments(struct bus1_dbus_message *call, const char *expected) {
        return bus1_dbus_reply_error(
                call, DBUS_ERROR_INVALID_ARGS, "%s takes arguments of signature \"%s\", not \"%s\"",
                message_get_member(call), expected, message_get_signature(call));
}
