/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listening sockets: made from an address, or inherited from systemd. */

#include "bridge/socket/server.h"
#include "bridge/wire/address.h"

#define LISTENER_NONCE_SIZE 16

struct listener {
        struct server *server;
        struct loop_source source;
        struct listener *prev, *next;
        char guid[33];
        char *unlink_path; /* our socket file, to be removed at the end, or NULL */
        bool is_tcp;
        char *nonce_file; /* to be removed with its directory; NULL: clients send no nonce */
        uint8_t nonce[LISTENER_NONCE_SIZE];
};

/*
 * Make the socket(s) of one address, appended to server->listeners. *ret_printed as for
 * server_listen(). -EINVAL and others with *ret_error.
 */
int listener_open(struct server *server, const struct address_entry *address, char **ret_printed,
                  char **ret_error);
struct listener *listener_free(struct listener *listener);

/* for the transports */

/* Takes fd. unlink_path may be NULL. -ENOMEM. */
int listener_new(struct server *server, int fd, const char *guid, const char *unlink_path,
                 struct listener **ret_listener);
/* Is TCP something for this bus? -EPROTONOSUPPORT. */
int listener_check_tcp(const struct server *server, char **ret_error);
/* tcp, and nonce-tcp; as listener_open(). */
int listener_open_tcp(struct server *server, const struct address_entry *address,
                      char **ret_printed, char **ret_error);
/* "host=H,port=P,family=F" for a bound socket; host NULL: the numeric one. -errno. */
int listener_describe_tcp(int fd, const char *host, char **ret_text);
/* Sets *ret_error to a text (NULL without memory), and returns r. */
int listener_fail(char **ret_error, int r, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
