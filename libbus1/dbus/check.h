/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What all files of libbus1-dbus use: export, cleanup, and checks of arguments
 *
 * Public functions check their arguments first, because libdbus-1 ends the process over bad ones.
 */

#include <bus1/dbus.h>

#include "base/cleanup.h"

#define PUBLIC __attribute__((visibility("default")))

static inline void dbus_message_unrefp(DBusMessage **m) {
        if (*m)
                dbus_message_unref(*m);
}

static inline bool text_is_valid(const char *text) {
        return text && dbus_validate_utf8(text, NULL);
}

static inline bool path_is_valid(const char *path) {
        return path && dbus_validate_path(path, NULL);
}

static inline bool message_is(DBusMessage *message, int type) {
        return message && dbus_message_get_type(message) == type;
}
