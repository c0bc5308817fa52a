/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Credentials - where they come from: the socket of a client, and the process of the bus itself. */

#include "bridge/bus/client.h"

/* What the kernel knows about the process that connected the socket. What it does not know stays
 * unknown. -ENOMEM. */
int credentials_of_socket(int fd, struct client_credentials *ret_credentials);
void credentials_of_self(struct client_credentials *ret_credentials);
