/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a D-Bus address to a connected socket */

#include <dbus/dbus.h>
#include <stdbool.h>

/*
 * Connect to one address of a list. Returns a socket, or a negative errno: -EAFNOSUPPORT for a kind
 * of address that is not here. If at_once, do not wait for a bus that has no room for another
 * connection now, but return -EAGAIN.
 */
int connect_entry(DBusAddressEntry *entry, bool at_once);
