/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a program joins a bus. */

#include <bus1/bus1.h>
#include <dbus/dbus.h>

/* The results of joining. The caller owns client and socket_fd. */
struct joined {
        struct bus1_client *client;
        int socket_fd;
        uint64_t session; /* handle of the session node */
};

/* Connect, authenticate and negotiate bus1; blocks for at most 25 seconds. */
int membership_join(const char *address, struct joined *ret_joined, DBusError *error);
