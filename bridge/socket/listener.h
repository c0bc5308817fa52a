/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listeners - each has one listening socket, of any transport */

#include "bridge/socket/server.h"
#include "bridge/socket/socket-file.h"

#define LISTENER_NONCE_SIZE 16

struct listener {
        struct server *server;
        struct loop_source source;
        struct schedule_job accept;
        struct listener *prev, *next;
        char guid[33];
        struct socket_file file; /* that this process made and removes at the end */
        bool is_tcp;
        char *nonce_file; /* removed at the end with its directory; NULL: clients send no nonce */
        uint8_t nonce[LISTENER_NONCE_SIZE];
};

/* Remove the file of a nonce and its directory, and free the name, which may be NULL. */
void listener_remove_nonce(char *file);
/*
 * Append a new listener to server->listeners. It owns fd, which is closed on failure. -ENOMEM.
 */
int listener_new(struct server *server, int fd, const char *guid, struct listener **ret_listener);
/* The same, but on failure fd stays open. */
int listener_adopt(struct server *server, int fd, const char *guid, struct listener **ret_listener);
/* NULL is fine; returns NULL. */
struct listener *listener_free(struct listener *listener);

/* Accept connections, or let them wait in the kernel's queues of the listening sockets. */
void server_set_accepting(struct server *server, bool accepting);
/* Look again soon at what no event reports, see server.stall. -ENOMEM. */
int server_set_stall(struct server *server);
