/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Routing - where messages go (D-Bus spec, "Message Bus Message Routing")
 *
 *     receive -> stamp sender -> route (driver | unicast | broadcast) -> verdict -> track reply ->
 * deliver
 *
 * client_receive() is the way in for messages of clients; the functions here are for messages of
 * the bus itself. All results are 0 or an errno that is fatal.
 */

#include "bridge/bus/client.h"

/*
 * A message of the bus to one client; it is for that client and for monitors, not for
 * eavesdroppers. reply, when not NULL, is the call it answers: its caller_cookie is ended (and set
 * to 0) whatever happens to the message.
 */
int route_from_driver(struct bus *bus, struct client *client, struct message *m,
                      struct reply *reply);
/*
 * The same for the answer to a call without destination, or before Hello: that is between the
 * client and its connection alone, no policy rules it and no monitor sees it.
 */
int route_in_private(struct client *client, struct message *m, struct reply *reply);
/* A signal from sender, NULL for the bus, to all who asked for it. */
int route_broadcast(struct bus *bus, struct client *sender, struct message *m);
/*
 * A message that waited for the owner of its destination: sender NULL for the bus, else with the
 * caller_cookie that it came with. Monitors have seen it.
 */
int route_held(struct client *owner, struct client *sender, struct message *m,
               uint64_t caller_cookie);
/* End the cookie of a call that will have no answer. */
void route_end_cookie(struct client *client, uint32_t serial, uint64_t caller_cookie);
