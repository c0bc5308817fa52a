/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Capacity: stop and resume accepting connections. */

#include "bridge/socket/capacity.h"

#include "bridge/socket/listener.h"

bool server_has_room(const struct server *server) {
        return (int64_t)server->bus->n_incomplete < server->bus->limits.max_incomplete_connections;
}

void server_set_accepting(struct server *server, bool accepting) {
        struct listener *listener;

        if (server->accepting == accepting)
                return;
        server->accepting = accepting;
        DL_FOREACH(server->listeners, listener) {
                loop_set_events(server->loop, &listener->source, accepting ? EPOLLIN : 0);
        }
}

void server_connection_completed(struct server *server) {
        server->bus->n_incomplete--;
        if (!server->accepting && server->retry.index == 0 && server_has_room(server))
                server_set_accepting(server, true);
}
