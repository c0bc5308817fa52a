/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Clients, the part for the bus and its driver only: entering and leaving the registry of unique
 * names. */

#include "bridge/bus/client.h"

/* Hello: give the client its unique name. -ENOMEM. */
int client_register(struct client *client);
/* BecomeMonitor: take all names from the client, which is told. Negative errno is fatal. */
int client_unregister(struct client *client);
/* After client->policy changed. */
void client_policy_changed(struct client *client);
