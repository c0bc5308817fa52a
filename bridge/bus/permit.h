/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Permits - kept verdicts about calls that the policy allowed before
 *
 * Programs make the same calls again and again. The verdict whether a client may send a call
 * depends on the rules for the sender, the names of the receiver, the interface, the member, and
 * maybe the path. A receiver has up to PERMITS_MAX permits, for different calls that were allowed
 * without being logged. Other messages get no permit: calls without a key (permit-key.h), and
 * messages that are no calls. Signals have permits of their own (signal-permit.h). A receiver loses
 * its permits when its names or the policy change.
 */

#include "bridge/bus/client.h"
#include "policy/policy.h"

#define PERMITS_MAX 8

struct permits;

/* Is there a permit for this call of a sender with this policy? */
bool permit_find(const struct client *receiver, const struct policy_client *policy,
                 const struct message *m);
/* Keep a permit for a message that was allowed and not logged, if such messages get permits. */
void permit_add(struct client *receiver, const struct policy_client *policy,
                const struct message *m);
/*
 * Drop the permits of the client, and those for signals that it sends or receives: its names or the
 * policy changed, or it ends.
 */
void permit_drop(struct client *client);
/*
 * client->policy has changed: compute again which messages it allows without being asked
 * (may_send_all, settled_send, ...), and drop the permits for messages to the client.
 */
void permit_policy_changed(struct client *client);
