/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Unicast - messages of a client to one other client
 *
 * The policy and the security modules decide whether the message is allowed. A call that wants an
 * answer then opens a pending reply. An answer must have a pending reply, which it ends. Last, the
 * front end of the receiver takes the message. If one of these steps fails, the sender of a call
 * that wants an answer gets an error. The sender of a signal or answer gets one only if the message
 * is not allowed. If an answer is not delivered, the caller whom it is for gets NoReply.
 *
 * A message that the policy denies may wait in the docket of its sender (docket.h).
 *
 * cookie is the caller_cookie of client_receive(); each function ends it or passes it on. All
 * results are 0, or a negative errno that is fatal to the bus.
 */

#include "bridge/bus/client.h"

/* Route m, which monitors have seen, from client to the owner of its destination. */
int unicast_route(struct client *client, struct message *m, uint64_t cookie, struct client *target);
/* Route the answer m to the caller of reply. The reply is gone afterwards, unless m waits in the
 * docket of callee. */
int unicast_reply(struct client *callee, struct message *m, struct reply *reply);
/* Route a message that was held until its destination had an owner. sender NULL: the bus. */
int unicast_held(struct client *owner, struct client *sender, struct message *m, uint64_t cookie);
