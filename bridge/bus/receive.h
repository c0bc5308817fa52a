/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Receiving - the way into the bus for messages of clients
 *
 * A front end calls client_receive() with a message that it has read and parsed, or
 * client_receive_reply() if the message arrived at the one-shot node for the reply to a call.
 * Before Hello, only calls to the bus and calls without destination are answered. After Hello, the
 * sender is stamped, and the message goes to the driver, to one client, or as a broadcast to many.
 */

#include "bridge/bus/client.h"

/*
 * Route a parsed message from the client. The bus takes references of its own; the front end drops
 * its reference afterwards. Nobody else may hold m yet, because the sender is stamped into its
 * header.
 *
 * caller_cookie stands for the reply handle that came with a call of a native program, 0 for none.
 * A cookie that is not 0 is ended exactly once, maybe before this function returns: by a successful
 * deliver() with a reply that has this caller_cookie, or by reply_closed().
 *
 * Returns 0, CLIENT_E_VIOLATION (already logged; the front end disconnects the client), or a
 * negative errno that is fatal to the bus.
 */
int client_receive(struct client *client, struct message *m, uint64_t caller_cookie);

/*
 * Route a return or error that came in through the callee_cookie of a pending reply; the cookie is
 * used up. The destination of m becomes the waiting caller. If m has a wrong type or reply serial,
 * the result is CLIENT_E_VIOLATION and the waiting caller gets NoReply. The pending reply is gone
 * afterwards, unless m waits in the docket of callee. Other results are as above.
 */
int client_receive_reply(struct client *callee, struct reply *reply, struct message *m);

/*
 * Route a message once more that was in a docket (docket.h), or, if is_call is set, dispatch it:
 * the bus has begun to answer it. Ends caller_cookie, or passes it on. Returns 0 or a negative
 * errno that is fatal.
 */
int client_receive_again(struct client *client, struct message *m, uint64_t caller_cookie,
                         bool is_call);

/* Log that the client broke a rule of the protocol; always returns CLIENT_E_VIOLATION. */
int client_violation(struct client *client, const char *rule);
