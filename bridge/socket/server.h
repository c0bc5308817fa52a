/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The server - all sockets of the bus: those it listens on, and the connections they brought
 */

#include "bridge/base/loop.h"
#include "bridge/bus/bus.h"
#include "bridge/socket/cookies.h"

/*
 * What one read takes at most: more than a unix socket holds by default, so that one read empties
 * it. The buffer is one for all connections: only unfinished messages are kept per connection.
 */
#define SERVER_BUFFER_SIZE (256 * 1024)

struct connection;
struct listener;

struct server {
        struct bus *bus;
        struct loop *loop;
        unsigned mechanisms;  /* SASL_MECHANISM_* */
        bool allow_anonymous; /* to be there, after ANONYMOUS */
        struct cookies cookies;
        uint8_t *buffer; /* SERVER_BUFFER_SIZE */
        struct listener *listeners;
        struct connection *connections;
        bool accepting;
        struct loop_timer retry; /* accept again, after descriptors ran out */
        struct loop_timer stall; /* write again, after the kernel's memory ran out */
};

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

/* for connections */

/* A connection had its Hello, or is closed before: there is room for another. */
void server_connection_completed(struct server *server);
