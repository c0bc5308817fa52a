/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Routing - the last step to a receiver (D-Bus spec, "Message Bus Message Routing")
 *
 *     receive.h    a message of a client: stamp the sender, then by destination
 *        |         driver | one client | all clients with a matching rule
 *        v
 *     unicast.h    one client: verdict, pending reply, delivery, errors
 *        |
 *        v
 *     route.h      monitors -> verdict -> front end (client_ops.deliver)
 *
 * The functions here deliver the bus's own messages and broadcasts. Results are 0, or a negative
 * errno that is fatal to the bus, unless said otherwise.
 */

#include "bridge/bus/bus.h"
#include "bridge/bus/client.h"
#include "bridge/bus/reply.h"

/*
 * Hand m over to the front end of client, if the client can take what m carries. reply and cookie
 * are as in client_ops.deliver(). Returns 0, CLIENT_E_*, or a negative errno that is fatal to the
 * bus.
 */
static inline int route_deliver(struct client *client, struct message *m, struct reply *reply,
                                uint64_t cookie) {
        if (client->state == CLIENT_GONE)
                return CLIENT_E_GONE;
        if (m->n_fds > 0 && !client->fds_negotiated)
                return CLIENT_E_NO_FDS;
        if (m->attachment && !client->handles_ok)
                return CLIENT_E_NO_HANDLES;

        return client->ops->deliver(client, m, reply, cookie);
}

/* Report that the bus has routed a message or removed a client, see bus_hooks.step_end. */
static inline void route_step_end(struct bus *bus) {
        if (bus->hooks.in_step)
                bus->hooks.step_end(bus->hooks.native);
}

/*
 * Send a message of the bus to one client, if the policy allows it. Monitors see the message,
 * eavesdroppers do not. reply, if not NULL, stands for the call that m answers. Unless the result
 * is negative, its caller_cookie is ended and set to 0, even if m is not delivered.
 */
int route_from_driver(struct bus *bus, struct client *client, struct message *m,
                      struct reply *reply);
/*
 * Send the answer to a call without destination, or to a call before Hello. Such a call is only
 * about the connection: no policy applies and no monitor sees it. reply is as above.
 */
int route_in_private(struct client *client, struct message *m, struct reply *reply);
/*
 * Send a signal of sender (NULL: the bus) to all clients that have a matching rule and may get it.
 */
int route_broadcast(struct bus *bus, struct client *sender, struct message *m);

/* End the cookie of a call that will have no answer. A cookie of 0 is fine. */
static inline void route_end_cookie(struct client *client, uint32_t serial,
                                    uint64_t caller_cookie) {
        if (caller_cookie)
                reply_close_cookie(client, serial, caller_cookie);
}
/* End a pending reply. Calls client_ops.reply_closed() for each cookie that is still set. */
void route_end_reply(struct reply *reply);
