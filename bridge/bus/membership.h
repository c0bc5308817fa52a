/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Membership - how clients join the bus, become monitors and leave, and how names change owners
 *
 *      client_init()            CLIENT_CONNECTED    authenticated, has not called Hello
 *      client_register()        CLIENT_REGISTERED   has a unique name, takes part
 *      client_become_monitor()  CLIENT_MONITOR      sees messages of others, may not send
 *      client_leave()           CLIENT_GONE         gets no more deliveries
 *      client_deinit()
 *
 * Functions that return int return 0, or a negative errno that is fatal to the bus unless said
 * otherwise.
 */

#include "bridge/bus/name.h"

/*
 * Make a client of a bus. The client takes over credentials, and keeps them for its whole life.
 * After -ENOMEM there is no client, the credentials are deinitialised, and the bus can go on.
 */
int client_init(struct client *client, struct bus *bus, const struct client_ops *ops,
                struct client_credentials *credentials);
/* Call client_disconnect() if that has not been done, and free what client_init() has made. */
void client_deinit(struct client *client);

/* Hello: give the client its unique name. */
int client_register(struct client *client);
/*
 * For a bus that takes over from another one (state-names.h): give a client that is
 * CLIENT_CONNECTED the unique name with this id, which no other client has, or make it a monitor
 * that has had this name. Nobody is told. Clients get their names in the order of the ids.
 */
int client_restore_name(struct client *client, uint64_t id);
void client_restore_monitor(struct client *client, uint64_t id);
/*
 * BecomeMonitor: take all names and match rules from the client, and send it NameLost for each
 * name. Its deferred answers, its pending replies, and its messages that wait for a service or a
 * newer policy end; callers that wait for this client get NoReply. The client takes over rules,
 * which are parsed already; without rules every message matches.
 */
int client_become_monitor(struct client *client, struct match_rule **rules, size_t n_rules);
/*
 * Leave the bus: names, match rules, deferred answers, pending replies and messages that wait for a
 * service or a newer policy go, and callers that wait for this client get NoReply. Does nothing if
 * it was done already.
 */
int client_disconnect(struct client *client);
/*
 * The same in steps, for a client that may have many names: call it again until *ret_done is set.
 * After the first step the client is CLIENT_GONE. Until its last step it still owns names. So call
 * name_settle() before looking at the owner of a name.
 */
int client_leave(struct client *client, bool *ret_done);
/* Do as many of these steps as the turn of the client's user has time for. */
int client_leave_in_turn(struct client *client, bool *ret_done);
/* If the owner of this name is about to leave, take the name from it now. */
void name_settle(struct bus *bus, const char *name, size_t n);

/*
 * Announce that a well-known name got another owner, or has none any more. In this order: the hook
 * name_owner_changed, NameLost to the old owner, NameOwnerChanged to clients with a match rule for
 * it, answers to StartServiceByName, NameAcquired to the new owner, the messages and calls that
 * waited for the name, and the calls that the old owner has not read (resend.h). Does nothing if
 * the owner is still the same.
 */
int announce_change(struct bus *bus, const char *name, const struct name_change *change);
