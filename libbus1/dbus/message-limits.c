/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "libbus1/dbus/message-limits.h"

void limits_learn(struct bus1_dbus *bus, DBusMessage *message) {
        dbus_int64_t values[2];
        DBusMessageIter iter;
        size_t n = 0;
        int type;

        dbus_message_iter_init(message, &iter);
        while ((type = dbus_message_iter_get_arg_type(&iter)) != DBUS_TYPE_INVALID && n < 2) {
                if (type == DBUS_TYPE_INT64)
                        dbus_message_iter_get_basic(&iter, &values[n++]);
                dbus_message_iter_next(&iter);
        }
        if (n < 2)
                return;
        bus->max_message_size = values[0];
        bus->max_message_unix_fds = values[1];
}

const char *limits_check(const struct bus1_dbus *bus, const struct wire *wire) {
        if ((int64_t)wire->n_fds > bus->max_message_unix_fds)
                return "The message exceeds max_message_unix_fds";
        if (wire->n_data > bus->max_message_size)
                return "The message exceeds max_message_size";
        return NULL;
}
