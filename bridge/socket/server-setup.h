/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Setting up the server - addresses to listen on, and accepting connections */

#include "bridge/socket/server.h"

int server_init(struct server *server, struct bus *bus, struct loop *loop);
/* Close all sockets, and unlink those that this process made. */
void server_deinit(struct server *server);

/*
 * Listen on the first address of the list that works. *ret_printed is the address with its guid, as
 * clients use it. On failure returns a negative errno and sets *ret_error to a text that the caller
 * frees, or to NULL.
 */
int server_listen(struct server *server, const char *addresses, char **ret_printed,
                  char **ret_error);
/* Set how clients may authenticate. Call this before server_start(). */
void server_configure(struct server *server, const struct bus_config *config);
/* Start to accept. The bus must have changed to its final user already. */
int server_start(struct server *server);
