/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Capacity - the limit on incomplete connections
 *
 * A connection is incomplete until its client has called Hello. While there are
 * max_incomplete_connections of these, the server accepts no others: programs that connect wait in
 * the kernel's queue of the listening socket.
 */

#include "bridge/socket/server.h"

bool server_has_room(const struct server *server);
void server_set_accepting(struct server *server, bool accepting);
/* A connection has called Hello, or ended before that: there is room for another one. */
void server_connection_completed(struct server *server);
