/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What went wrong, as D-Bus says it. */

#include <dbus/dbus.h>

/* The name of the D-Bus error that stands for a negative errno. */
const char *error_name_from_errno(int r);
/* Set error, unless it is NULL or set already, to "what: text of r". Returns r. */
int error_from_errno(DBusError *error, int r, const char *what);
