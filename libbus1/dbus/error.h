/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Maps a negative errno to a D-Bus error
 *
 * The library reports failures as negative errno. Functions with a parameter of type DBusError also
 * set this parameter. A remote caller gets an error reply.
 */

#include <dbus/dbus.h>

#define OWNER_GONE_TEXT "The handle has ended: its owner has left the bus, or has lost the name"
#define BUS_GONE_TEXT "The bus has gone, or has ended the session"

#define ERROR_NAME_MAX 64

/*
 * The name of the D-Bus error for a negative errno. A number that no error of D-Bus stands for has
 * a name like System.Error.EBUSY, as with sd-bus. The name is a constant, or is in buffer.
 */
const char *error_name_from_errno(int r, char buffer[static ERROR_NAME_MAX]);
const char *error_text_from_errno(int r);
/* Set error, unless it is NULL or set already, to "what: text of r". Returns r. */
int error_from_errno(DBusError *error, int r, const char *what);
