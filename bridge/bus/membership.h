/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Membership - how clients join the bus, become monitors and leave, and how names change owners
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

#include "bridge/bus/name.h"

/*
 * Make a client of a bus. The client takes over credentials, and keeps them for its whole life.
 * After -ENOMEM, which is not fatal, they are deinitialised.
 */
int client_init(struct client *client, struct bus *bus, const struct client_ops *ops,
                struct client_credentials *credentials);
/* Calls client_disconnect() if that has not been done. */
void client_deinit(struct client *client);

/* Hello: give the client its unique name. */
int client_register(struct client *client);
/*
 * BecomeMonitor: take all names and match rules from the client, and send it NameLost. Its deferred
 * answers and pending replies end. The client takes over rules, which are parsed already; with none
 * it sees every message.
 */
int client_become_monitor(struct client *client, struct match_rule **rules, size_t n_rules);
/*
 * Leave the bus: names, match rules, deferred answers and pending replies go, and callers that wait
 * for this client get NoReply. Does nothing if it was done already.
 */
int client_disconnect(struct client *client);

/*
 * Announce that a well-known name got another owner. In this order: the hook name_owner_changed,
 * NameLost to the old owner, NameOwnerChanged to clients with a match rule for it, answers to
 * StartServiceByName, NameAcquired to the new owner, and the messages that were held for the name.
 * Does nothing if the owner is still the same.
 */
int announce_change(struct bus *bus, const char *name, const struct name_change *change);
