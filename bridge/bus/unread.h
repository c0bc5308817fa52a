/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Unread calls - calls to a well-known name whose owner left before it could read them
 *
 * A service that exits because it is idle does not know of a call that is on its way. The caller
 * has addressed the name, not this owner. So a call that the owner certainly has not read is not
 * answered with an error, but waits until the owner has left:
 *
 *      caller --> queue of the owner --> socket --> owner
 *                      |                   | the last message, if there were unread bytes
 *                      `---------.---------'
 *                          unread calls --> name is released: resend.h
 *
 * A call of which the owner may have the last byte may have taken effect, and is never sent again.
 *
 * Of the UNREAD_MAX places for the calls to one owner, each user takes at most half of those that
 * others have left, so that nobody can keep the calls of others out.
 *
 * The pending reply of the call stays meanwhile: if nobody waits for the answer any more, the call
 * ends, and if the call can go nowhere, its caller gets NoReply as for other calls. The call is
 * charged like other held messages (held.h). If that leaves no room, it does not wait.
 *
 * A call is sent again UNREAD_TRIES times at most, so that a service that takes its name and leaves
 * again and again does not keep it for ever.
 */

#include "bridge/bus/bus.h"

#define UNREAD_TRIES 2
/* So many calls wait for one owner to leave, because all of them are sent again in one step. */
#define UNREAD_MAX 64

struct unread {
        struct client *sender;
        struct message *m;
        struct unread **list; /* where it waits */
        struct unread *prev, *next;
        struct unread *sender_prev, *sender_next;
};

/*
 * Could m, which is or was in the queue of owner or is refused by it, be sent again? Yes if it is a
 * call to a well-known name, and was for this client: others may have copies of it.
 */
static inline bool unread_concerns(const struct client *owner, const struct message *m) {
        return m->charged_at == owner && m->type == MESSAGE_TYPE_METHOD_CALL &&
               m->destination.s[0] != ':' && m->n_resent < UNREAD_TRIES;
}
/*
 * Let m wait, which unread_concerns(), and which the owner has not read and will not. is_first: it
 * was sent before all that wait already, and needs no place among them. False if it does not wait:
 * nobody waits for its answer any more, there is no room, or the owner does not leave soon
 * (is_closing), so that it could make others wait as long as it wants.
 */
bool unread_hold(struct client *owner, struct message *m, bool is_first);
/*
 * A bus that takes over from another one (state-waiting.h): m of sender waits behind those that
 * wait for owner to leave already. -ENOMEM.
 */
int unread_restore(struct client *owner, struct client *sender, struct message *m);
/* Let the call wait in another list, at its end. */
void unread_move(struct unread *unread, struct unread **list);
/* The call does not wait any more. */
void unread_free(struct unread *unread);
/* Drop what waits for this owner to leave. Callers get NoReply like those of other calls. */
void unread_drop(struct client *owner);
/* The client leaves or becomes a monitor: drop what it has sent. */
void unread_forget(struct client *sender);
