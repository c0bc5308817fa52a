/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Resending - unread calls (unread.h) go to the next owner of their name
 *
 * When the owner leaves, each of its unread calls is sent again, in the order in which they were
 * sent: at the moment at which the name gets another owner or none, and so before any later call to
 * it. If the new owner has the user and the security label of the former one, it gets the call: it
 * is another instance of the service, and not a stranger who has waited for the name. If there is
 * no new owner, the call starts the service, unless it has the flag NO_AUTO_START. It is routed
 * like a new message: the policy is asked about the new owner, the pace of starts applies (pace.h),
 * and the new owner gets as much time to answer. But monitors and eavesdroppers have seen it
 * already.
 *
 * A call that can go nowhere stays with the owner that leaves: its caller gets NoReply.
 */

#include "bridge/bus/client.h"

/*
 * Send the unread calls of owner to this name, which owner has just lost; NULL: those to names that
 * it does not own any more. Returns 0 or a negative errno that is fatal.
 */
int resend(struct client *owner, const char *name);
