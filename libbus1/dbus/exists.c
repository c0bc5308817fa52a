/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/exists.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

DBusMessage *exists_question(void) {
        return dbus_message_new_method_call(NULL, "/", DBUS_INTERFACE_INTROSPECTABLE, "Introspect");
}

/* Is this value, which begins with a quotation mark, the name? */
static bool value_is(const char *value, const char *name) {
        size_t n = strlen(name);

        return strncmp(value + 1, name, n) == 0 && value[n + 1] == value[0];
}

/* Does the document name an interface that only objects have? */
static bool has_interface(const char *xml) {
        const char *at = xml, *value;

        while ((at = strstr(at, "<interface"))) {
                at += strlen("<interface");
                value = at + strcspn(at, "\"'>");
                if ((*value == '"' || *value == '\'') && !value_is(value, DBUS_INTERFACE_PEER) &&
                    !value_is(value, DBUS_INTERFACE_INTROSPECTABLE))
                        return true;
        }
        return false;
}

int exists_answer(DBusMessage *reply, DBusError *error) {
        const char *xml;

        if (!reply && (dbus_error_has_name(error, DBUS_ERROR_UNKNOWN_METHOD) ||
                       dbus_error_has_name(error, DBUS_ERROR_UNKNOWN_INTERFACE))) {
                dbus_error_free(error);
                return 0;
        }
        if (!reply)
                return dbus_error_has_name(error, DBUS_ERROR_UNKNOWN_OBJECT) ? -ENOENT : -EREMOTEIO;
        if (dbus_message_get_args(reply, NULL, DBUS_TYPE_STRING, &xml, DBUS_TYPE_INVALID) &&
            has_interface(xml))
                return 0;
        dbus_set_error(error, DBUS_ERROR_UNKNOWN_OBJECT,
                       "The owner of the name describes no object at this path");
        return -ENOENT;
}
