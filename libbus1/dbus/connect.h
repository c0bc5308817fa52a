/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Joining a bus: its D-Bus addresses, the SASL handshake, and the negotiation of bus1
 *
 * The connection is an ordinary D-Bus connection until NEGOTIATE_BUS1. The bus agrees in one of two
 * ways:
 *
 * - device: the program sends the descriptor of a peer that it opened on the device, and the bus
 *   transfers the handle of the session node into that peer;
 * - hosted: the bus answers with the socket of a peer on the core that it hosts.
 *
 * After BEGIN, the D-Bus socket carries nothing more. It stays open as the anchor of the session:
 * when either side closes the socket, the session ends.
 */

#include <bus1/bus1.h>
#include <dbus/dbus.h>

/* The results of joining. The caller owns client and socket_fd. */
struct joined {
        struct bus1_client *client;
        int socket_fd;
        uint64_t session; /* handle of the session node */
};

/*
 * Connect, authenticate and negotiate bus1. The address is a list, each element of which has 25
 * seconds. If none of them works, the result and the error are those of the first one.
 */
int membership_join(const char *address, struct joined *ret_joined, DBusError *error);
