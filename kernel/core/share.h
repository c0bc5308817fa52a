/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_SHARE_H
#define __BUS1_SHARE_H

/*
 * Shares
 *
 * A *share* is what one user has in flight on the account of another user, the receiver. The share
 * of a user in a namespace is inside of the share of the namespace, and the share of the namespace
 * is inside of the share of its owner, as their accounts are. An account that the sender is inside
 * of has no share if it is the receiver's account, or if the receiver is inside of it, too.
 *
 * A share is active while messages are in flight that are charged to it, and idle otherwise. An
 * account keeps up to BUS1_MAX_IDLE_SHARES idle shares, those that were active last, so that two
 * users who send to each other in turn do not allocate a share for each message. When all peers of
 * the account have ended, it keeps none, because a handle may keep the account long after that. So
 * the memory of shares that nobody is charged for is bounded, however many users have sent to the
 * account: there are only these idle shares, and the shares that they are inside of. An active
 * share has at least one message, and the receiver is charged for this message.
 *
 * A share names its user by a key, not by a pointer, so that it does not keep the account of the
 * user. A user that has left and comes back finds its share again if the share still exists.
 *
 * The shares of an account are protected by its lock, see bus1_account_lock().
 */

#include "acct.h"

/* the most idle shares that an account keeps, without those that they are inside of */
#define BUS1_MAX_IDLE_SHARES 8

/**
 * struct bus1_shares - the shares of one user on the account of a receiver
 * @receiver:	account of the receiver
 * @actor:	account of the user, who sends
 * @first:	first level of the path of @actor that has a share
 * @n:		number of levels that have a share; 0 when both accounts are the same one
 * @path:	the shares from the outermost one inwards; the last ones may be missing (NULL)
 * @spare:	allocated shares that are not in use, linked by @outer
 */
struct bus1_shares {
	struct bus1_account *receiver;
	const struct bus1_account *actor;
	size_t first;
	size_t n;
	struct bus1_share *path[BUS1_ACCOUNT_DEPTH];
	struct bus1_share *spare;
};

void bus1_shares_init(struct bus1_shares *shares, struct bus1_account *receiver,
		      const struct bus1_account *actor);
void bus1_shares_destroy(struct bus1_shares *shares);
void bus1_shares_find(struct bus1_shares *shares);
int bus1_shares_fill(struct bus1_shares *shares);
bool bus1_shares_alloc(struct bus1_shares *shares);
void bus1_share_begin(struct bus1_account *receiver, struct bus1_share *share,
		      const u64 amount[_BUS1_SUM_N_MESSAGE]);
void bus1_shares_open(struct bus1_account *account);
void bus1_shares_close(struct bus1_account *account);
void bus1_share_end(struct bus1_account *receiver, struct bus1_share *share,
		    const u64 amount[_BUS1_SUM_N_MESSAGE]);

/* Whether messages in flight are charged to a share. */
static inline bool bus1_share_is_active(const struct bus1_share *share)
{
	return share->used[BUS1_RESOURCE_MESSAGES] > 0;
}

/* The share of the user itself, which is the innermost one; NULL when there is none. */
static inline struct bus1_share *bus1_shares_own(const struct bus1_shares *shares)
{
	return shares->n > 0 ? shares->path[shares->n - 1] : NULL;
}

#endif /* __BUS1_SHARE_H */
