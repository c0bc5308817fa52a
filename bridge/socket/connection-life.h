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
/*
 * The steps of connection_new(), for a bus that takes over from another one: a connection about
 * which only its socket is known (NULL without memory; it does not own the socket), and, when its
 * credentials are those of the socket, the beginning of its handshake (a negative errno).
 */
struct connection *connection_alloc(struct server *server, int fd, const struct listener *listener);
int connection_begin(struct connection *connection);
/* Close the socket; the client leaves the bus. Returns NULL. */
struct connection *connection_free(struct connection *connection);
/*
 * Free all connections that are about to close, at once, however long it takes; no job may be
 * running. Returns 0 or a negative errno that is fatal.
 */
int connections_end_closing(struct server *server);
