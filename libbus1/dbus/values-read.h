/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reading values by a type string
 *
 * The message is compared with all of the type string before the first value is taken. Then
 * descriptors and handles are collected, because this can fail. Only then are arguments set. So
 * values are read whole or not at all.
 */

#include <stdarg.h>

#include "libbus1/dbus/membership.h"

/* As bus1_dbus_readv(). H takes a handle of the message; if message is NULL, H is no type. */
int values_read(DBusMessageIter *iter, struct bus1_dbus_message *message, const char *types,
                va_list args);
