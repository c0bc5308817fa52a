/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Appending values by a type string
 *
 * All arguments are checked before the first one is appended: libdbus-1 ends the process when it
 * gets an invalid value, and a message cannot be put back into the state that it had before. So
 * only a lack of memory or descriptors leaves a message that has a part of the values.
 */

#include <stdarg.h>

#include "libbus1/dbus/membership.h"
#include "libbus1/dbus/send.h"

/* The handles of a message that is made. */
struct values_handles {
        uint64_t ids[HANDLES_MAX];
        size_t n;
};

/* As bus1_dbus_appendv(). Adds handles to *handles; if it is NULL, H is no type. */
int values_append(DBusMessageIter *iter, struct values_handles *handles, const char *types,
                  va_list args);
