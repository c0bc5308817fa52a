/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Membership - how clients join the bus, change and leave
 *
 *      client_init()            CLIENT_CONNECTED    may only say Hello
 *      client_register()        CLIENT_REGISTERED   has a unique name, takes part
 *      client_become_monitor()  CLIENT_MONITOR      sees everything, has no name, may not speak
 *      client_disconnect()      CLIENT_GONE         gets no more deliveries
 *      client_deinit()
 *
 * Functions that return int return 0, or a negative errno that is fatal to the bus unless said
 * otherwise.
 */

#include "bridge/bus/client.h"

/*
 * Make a client of a bus. credentials are moved in and stay for the client's whole life. -ENOMEM
 * (not fatal): the credentials are deinitialised then, too.
 */
int client_init(struct client *client, struct bus *bus, const struct client_ops *ops,
                struct client_credentials *credentials);
/* Calls client_disconnect() if that has not been done. */
void client_deinit(struct client *client);

/* Hello: give the client its unique name. */
int client_register(struct client *client);
/*
 * BecomeMonitor: take all names from the client, which is told, and its match rules. rules, already
 * parsed, are owned by the client from here; with none it sees every message.
 */
int client_become_monitor(struct client *client, struct match_rule **rules, size_t n_rules);
/*
 * Leave the bus: names, match rules, deferred answers and pending replies go, and callers that wait
 * for this client get NoReply. Does nothing if it was done already.
 */
int client_disconnect(struct client *client);
