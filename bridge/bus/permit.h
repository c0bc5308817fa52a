/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Permits - kept verdicts about calls that the policy allowed before
 *
 * Programs make the same calls again and again. The verdict about a call depends on the rules for
 * its sender, the names of its receiver, the interface, the member, and maybe the path. A receiver
 * keeps one permit for each of the last few different calls that were allowed without being logged.
 * All other messages get no permit: denied calls, calls with descriptors or without interface, and
 * messages that are no calls. A receiver loses its permits when its names or the policy change.
 */

#include "bridge/bus/client.h"
#include "policy/policy.h"

#define PERMITS_MAX 8
#define PERMIT_TEXT_MAX 108

struct permits;

/* Is there a permit for this call of a sender with this policy? */
bool permit_find(const struct client *receiver, const struct policy_client *policy,
                 const struct message *m);
/* Keep a permit for a message that was allowed and not logged, if such messages get permits. */
void permit_add(struct client *receiver, const struct policy_client *policy,
                const struct message *m);
/* Drop the permits of the receiver, because its names or the policy changed. */
void permit_drop(struct client *receiver);
/*
 * client->policy has changed: compute again which messages it allows without being asked
 * (may_send_all, settled_send, ...), and drop the permits for messages to the client.
 */
void permit_policy_changed(struct client *client);
