/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The signal PropertiesChanged of org.freedesktop.DBus.Properties */

#include "libbus1/dbus/target.h"

/*
 * Emit one PropertiesChanged: see bus1_dbus_object_emit_properties_changed_strv() for the names and
 * the errors. There is no signal if there is nothing to tell.
 */
int changed_emit(const struct target *target, const char *interface, char *const *names);
