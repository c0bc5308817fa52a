/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The driver - org.freedesktop.DBus, the bus's own object */

#include "bridge/bus/client.h"

/* Run a call message to the bus and answer it. caller_cookie and results as in client_receive(). */
int driver_dispatch(struct client *client, struct message *m, uint64_t caller_cookie);
