/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * D-Bus addresses: from one address of a list to a connected socket
 *
 * The syntax, escapes included, is that of libdbus-1, which parses it. bus1 needs a Unix socket,
 * because the handshake passes a descriptor:
 *
 *        unix:path=, unix:abstract=     a socket
 *        unix:runtime=yes               $XDG_RUNTIME_DIR/bus
 *        unixexec:path=,argv0=,...      a program with a socket as its standard input and output
 *        tcp:, nonce-tcp:               refused: they cannot pass descriptors
 *        autolaunch:                    refused: the library starts no bus
 */

#include <dbus/dbus.h>
#include <stdint.h>

/*
 * Connect until the deadline; 0: without waiting, to a socket that does not block. Returns a
 * socket, or a negative errno and sets error: -ETIMEDOUT; -EPROTONOSUPPORT for an address over
 * which bus1 cannot be spoken; -EADDRNOTAVAIL for an address of another kind, or with wrong keys;
 * -ENAMETOOLONG; or an error of connect() or of the start of the program.
 */
int address_connect(DBusAddressEntry *entry, uint64_t deadline, DBusError *error);
