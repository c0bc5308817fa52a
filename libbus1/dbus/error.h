/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Maps a negative errno to a D-Bus error
 *
 * The library reports failures as negative errno. Functions with a parameter of type DBusError also
 * set this parameter. A remote caller gets an error reply.
 */

#include <dbus/dbus.h>

const char *error_name_from_errno(int r);
/* Set error, unless it is NULL or set already, to "what: text of r". Returns r. */
int error_from_errno(DBusError *error, int r, const char *what);
