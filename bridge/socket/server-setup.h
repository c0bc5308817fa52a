/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Setting up the server - addresses to listen on, and accepting connections */

#include "bridge/socket/server.h"

int server_init(struct server *server, struct bus *bus, struct loop *loop);
/* Closes everything, and unlinks the sockets it made. */
void server_deinit(struct server *server);

/*
 * Listen on the first address of the list that works. *ret_printed is the address with its guid as
 * clients use it. On failure a negative errno and *ret_error, a text to be freed (NULL without
 * memory).
 */
int server_listen(struct server *server, const char *addresses, char **ret_printed,
                  char **ret_error);
/* How clients may authenticate; before server_start(). */
void server_configure(struct server *server, const struct bus_config *config);
/* Start to accept, as the user that the bus runs as. */
int server_start(struct server *server);
