/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Permits - calls that the policy allowed before
 *
 * Programs make the same calls again and again. What the policy says about a call depends on the
 * rules for its sender, on the names of its receiver, and on the interface, the member and maybe
 * the path; so a receiver keeps, for the last few different calls, that all this was allowed and
 * nothing was to be logged. Anything else is not kept and asked about each time: what is denied,
 * what carries descriptors, what has an error name. A receiver's permits go when its names or the
 * policy change.
 */

#include "bridge/bus/client.h"
#include "policy/policy.h"

#define PERMITS_MAX 8
#define PERMIT_TEXT_MAX 108

struct permits;

/* Was this call, by a sender with such rules, allowed? */
bool permit_find(const struct client *receiver, const struct policy_client *policy,
                 const struct message *m);
/* The policy allows this message, and it is not logged: keep that, where it can be kept. */
void permit_add(struct client *receiver, const struct policy_client *policy,
                const struct message *m);
/* The names of the receiver, or the policy, changed. */
void permit_drop(struct client *receiver);
/*
 * client->policy has changed: compute again what it allows without being asked (may_send_all,
 * settled_send, ...), and drop the permits to send to the client.
 */
void permit_policy_changed(struct client *client);
