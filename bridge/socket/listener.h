/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listeners - each has one listening socket, of any transport */

#include "bridge/socket/server.h"

#define LISTENER_NONCE_SIZE 16

struct listener {
        struct server *server;
        struct loop_source source;
        struct listener *prev, *next;
        char guid[33];
        char *unlink_path; /* socket file that this process made and removes at the end, or NULL */
        bool is_tcp;
        char *nonce_file; /* removed at the end with its directory; NULL: clients send no nonce */
        uint8_t nonce[LISTENER_NONCE_SIZE];
};

/* Remove the file of a nonce and its directory, and free the name, which may be NULL. */
void listener_remove_nonce(char *file);
/*
 * Append a new listener to server->listeners. It owns fd and, if unlink_path is not NULL, the file
 * there; on failure fd is closed and the file is removed. -ENOMEM.
 */
int listener_new(struct server *server, int fd, const char *guid, const char *unlink_path,
                 struct listener **ret_listener);
/* NULL is fine; returns NULL. */
struct listener *listener_free(struct listener *listener);

/* Accept connections, or let them wait in the kernel's queues of the listening sockets. */
void server_set_accepting(struct server *server, bool accepting);
/* Look again soon at what no event reports, see server.stall. -ENOMEM. */
int server_set_stall(struct server *server);
