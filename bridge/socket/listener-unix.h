/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listening on unix sockets - path, abstract, dir, tmpdir, runtime */

#include "bridge/socket/listener.h"
#include "bridge/wire/address.h"

/* Listen on the socket of one address. Parameters and errors are those of listener_open(). */
int listener_open_unix(struct server *server, const struct address_entry *address,
                       char **ret_printed, char **ret_error);
/* Make the address "unix:KEY=VALUE,guid=GUID" with the value escaped; allocated. -ENOMEM. */
int listener_print_unix(const char *key, const char *value, size_t n_value, const char *guid,
                        char **ret_printed);
