/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Error replies to calls of targets */

#include "libbus1/dbus/target.h"

/*
 * Is the interface one of the target, or a standard one, which every object has? Returns 1, 0, or a
 * negative errno of a find function, which also sets error.
 */
int answer_has_interface(const struct target *target, const char *name, DBusError *error);
int answer_unknown_interface(const struct target *target, struct bus1_dbus_message *call,
                             const char *name);
int answer_unknown_method(const struct target *target, struct bus1_dbus_message *call,
                          DBusError *error);
int answer_unknown_object(struct bus1_dbus_message *call);
int answer_wrong_arguments(struct bus1_dbus_message *call, const char *expected);
