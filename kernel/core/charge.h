/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_CHARGE_H
#define __BUS1_CHARGE_H

/*
 * Charges and limits
 *
 * A peer, and its account, are charged for everything that is queued on the peer or held by it, no
 * matter which user caused it. The limit of each resource is divided as follows, except for the
 * charges that the last paragraph names. The limit of bytes is a limit of memory: besides data, it
 * counts what messages, objects and files cost (BUS1_COST_*), and what messages keep beyond that
 * (BUS1_SUM_KEPT). "Divided among n" means divided by n * (ilog2(n) + 1).
 *
 *  - An account that is in no other one never has more than the limit.
 *  - When n accounts are directly inside of an outer account, each of them can get more only while
 *    it has less than what the outer account has left, divided among n. So a user of a namespace
 *    cannot use up what its owner may have.
 *  - A peer can get more only while it has less than its account has left. So a single peer gets at
 *    most half, and each further peer half of the rest. A peer of 2016 may also set a limit of its
 *    own.
 *  - A foreign user is one that sends to peers of another user. When n foreign users have messages
 *    in flight on an account, each of them can get more only while it has less there than what the
 *    receiving peer has left, divided among n. So no foreign user can take everything that a peer
 *    may have, and each can get about 1 / n of it (up to a power of log n), in whatever order they
 *    send.
 *  - For a receiver outside of a namespace and of its owner's account, all users of the namespace
 *    are one foreign user, together with the owner. When n users of the namespace have messages in
 *    flight, each of them can get more only while it has less than what they have left together,
 *    divided among n. So a user who owns a namespace with thousands of users gets what one user
 *    gets.
 *
 * One limit is about time, not memory. When a node dies, the command that ends it queues a
 * notification for each of its handles. The owner has passed on some of these handles itself. But
 * whoever holds a handle can copy it. So there is a limit of the handles of a user that another
 * user than the owner of their node has passed on (BUS1_SUM_COPIES), and a user cannot add more
 * notifications than that to a command of another user.
 *
 * Two things are charged to the account of the user who causes them: the memory of commands that
 * are under way (pending.c), and, besides the charge to the receiver, files in flight. The users of
 * a namespace divide both, too.
 *
 * What a peer may have depends on sums of its account and of all that the account is inside of, and
 * a charge adds to all of them. One spinlock protects all these sums: that of the outermost
 * account. While a charge holds it, the charge first looks at everything, and then adds only if
 * everything fits. Therefore:
 *
 *  - Charges have an order, and a limit refuses a charge if and only if it does not fit after those
 *    before it. So charges that happen at the same time never exceed a limit together, not even by
 *    one byte.
 *  - A charge that is refused has never been in any sum. So charges over a limit, however many and
 *    however large, change nothing for anybody else.
 *  - The lock is held for a few additions at each level of the path, without a call that can sleep.
 *    Users whose outermost accounts differ share no lock for what is charged to them.
 *
 * With atomic sums instead of the lock, a message between two users would take many locked
 * instructions until it is received. The lock takes one for the charge and one for its end. Atomic
 * sums could not keep the first two promises: a charge that adds before it looks makes others fail,
 * and a charge that looks before it adds can exceed a limit.
 *
 * Some charges may exceed a limit: those of bus1_charge_anyway(), and for files in flight the last
 * charge, or each charge of a sender without a limit (bus1_charge_files()). The limits that a peer
 * sets itself, and the number of accounts inside of another one, may change while a charge looks at
 * them. Then it uses the old or the new value.
 */

#include <linux/log2.h>
#include <linux/math64.h>
#include "share.h"

/**
 * struct bus1_usage - the resources of one peer
 * @account:	account of its user; referenced
 * @used:	the peer's part of the amounts in @account; protected by bus1_account_lock()
 * @max:	limits that the peer has set itself; U64_MAX when there is none
 */
struct bus1_usage {
	struct bus1_account *account;
	u64 used[_BUS1_SUM_N_PEER];
	u64 max[_BUS1_RESOURCE_N];
};

/* Divide what is left among n, see above. */
static inline u64 bus1_divide(u64 left, u64 n)
{
	return n > 1 ? div64_u64(left, n * (ilog2(n) + 1)) : left;
}

u64 bus1_account_memory(struct bus1_account *account);
void bus1_usage_init(struct bus1_usage *usage, struct bus1_account *account);
int bus1_charge(struct bus1_usage *usage, const struct bus1_usage *actor,
		const u64 amount[_BUS1_SUM_N_MESSAGE], struct bus1_share **ret_share);
void bus1_charge_anyway(struct bus1_usage *usage, const u64 amount[_BUS1_SUM_N_MESSAGE]);
void bus1_uncharge_message(struct bus1_usage *usage, struct bus1_share *share,
			   const u64 amount[_BUS1_SUM_N_MESSAGE],
			   const u64 kept[_BUS1_SUM_N_MESSAGE]);
void bus1_uncharge(struct bus1_usage *usage, const u64 amount[_BUS1_SUM_N_MESSAGE]);
int bus1_charge_objects(struct bus1_usage *usage, const struct bus1_usage *actor, u64 n,
			u64 n_copies);
void bus1_charge_object_anyway(struct bus1_usage *usage);
void bus1_uncharge_objects(struct bus1_usage *usage, u64 n, u64 n_copies);
bool bus1_charge_pending(struct bus1_usage *usage, u64 n);
void bus1_uncharge_pending(struct bus1_usage *usage, u64 n);
bool bus1_charge_files(struct bus1_account *sender, u64 n, u64 max);
void bus1_uncharge_files(struct bus1_account *sender, u64 n);

#endif /* __BUS1_CHARGE_H */
