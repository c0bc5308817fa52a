/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Capacity - how many connections may be incomplete, without Hello, at a time
 *
 * While there are max_incomplete_connections of them the server does not accept: programs that
 * connect wait in the backlog of the kernel.
 */

#include "bridge/socket/server.h"

bool server_has_room(const struct server *server);
void server_set_accepting(struct server *server, bool accepting);
/* A connection had its Hello, or ended before: there is room for another one. */
void server_connection_completed(struct server *server);
