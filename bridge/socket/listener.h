/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listening sockets: made from an address, or inherited from systemd. */

#include "bridge/socket/server.h"
#include "bridge/wire/address.h"

struct listener {
        struct server *server;
        struct loop_source source;
        struct listener *prev, *next;
        char guid[33];
        char *unlink_path; /* our socket file, to be removed at the end, or NULL */
};

/*
 * Make the socket(s) of one address, appended to server->listeners. *ret_printed as for
 * server_listen(). -EINVAL and others with *ret_error.
 */
int listener_open(struct server *server, const struct address_entry *address, char **ret_printed,
                  char **ret_error);
struct listener *listener_free(struct listener *listener);
