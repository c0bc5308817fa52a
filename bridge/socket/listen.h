/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listening - makes the listeners of an address (D-Bus spec, "Server Addresses") */

#include "bridge/socket/listener.h"
#include "bridge/wire/address.h"

/*
 * Make the listeners of one address. *ret_printed is the address with its guid, as clients use it
 * (allocated); for the transport systemd it can be several addresses. On failure returns a negative
 * errno and may set *ret_error, which is NULL before, to an allocated text.
 */
int listener_open(struct server *server, const struct address_entry *address, char **ret_printed,
                  char **ret_error);
