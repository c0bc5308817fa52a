/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The methods of org.freedesktop.DBus.Properties
 *
 * The arguments of the call have the right signature. The functions return like the handler of a
 * method, or ACCESS_AGAIN (access.h). A negative errno is for an error reply: error itself, if it
 * is set.
 */

#include "libbus1/dbus/target.h"

int properties_get(const struct target *target, struct bus1_dbus_message *call, DBusError *error);
int properties_get_all(const struct target *target, struct bus1_dbus_message *call,
                       DBusError *error);
int properties_set(const struct target *target, struct bus1_dbus_message *call, DBusError *error);
