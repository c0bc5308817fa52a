/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The life of a connection */

#include "bridge/socket/connection.h"

/*
 * Make a connection of an accepted socket, which it owns; on failure the socket is closed. -ENOMEM
 * and others; no failure is fatal to the bus.
 */
int connection_new(struct server *server, int fd, const struct listener *listener,
                   struct connection **ret_connection);
/* Close the socket; the client leaves the bus. Returns NULL. */
struct connection *connection_free(struct connection *connection);
