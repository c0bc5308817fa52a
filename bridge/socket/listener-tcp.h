/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listening on TCP - tcp and nonce-tcp */

#include "bridge/socket/listener.h"
#include "bridge/wire/address.h"

/* May this bus listen on TCP? Returns 0, or -EPROTONOSUPPORT with a text in *ret_error. */
int listener_check_tcp(const struct server *server, char **ret_error);
/* Listen on the sockets of one address. Parameters and errors are those of listener_open(). */
int listener_open_tcp(struct server *server, const struct address_entry *address,
                      char **ret_printed, char **ret_error);
/*
 * Describe a bound socket as "host=H,port=P,family=F", allocated. If host is NULL, H is the numeric
 * address. Returns 0 or a negative errno.
 */
int listener_describe_tcp(int fd, const char *host, char **ret_text);
