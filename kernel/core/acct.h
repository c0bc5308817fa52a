/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_ACCT_H
#define __BUS1_ACCT_H

/*
 * Accounting
 *
 * Every peer belongs to an account, that of its user. All that is queued on a peer or held by it
 * counts on that account, whoever caused it. Three rules bound it, for each resource:
 *
 *  - an account never has more than its limit;
 *  - a peer never has more than what its account has left: half, when it is alone, and each
 *    further peer half of the rest; nor more than a limit of its own, if it has set one;
 *  - a foreign user who sends to the account never has more in flight there than what the
 *    receiving peer has left, divided by n log n for n such users. So none of them can take all
 *    that a peer may have, and each can get a share of the order of 1 / n but for a power of
 *    log n, in whatever order they come and whatever the others do.
 *
 * Counters run ahead of the operation they are charged for and are taken back when it fails. That
 * of a foreign user's share comes first, so that what is refused to him is never missing to others.
 */

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/xarray.h>
#include "core.h"

/**
 * struct bus1_accounts - a table of accounts
 * @refs:	references, one of them for each account
 * @lock:	protects @accounts, all of which have references left, @peers and @last_peer
 * @accounts:	struct bus1_account by uid
 * @peers:	struct bus1_peer by number. They have no references of the table's: the last one
 *		may be gone when a peer is found, but not yet the peer.
 * @last_peer:	number of the youngest peer
 * @limits:	what each account may have
 */
struct bus1_accounts {
	refcount_t refs;
	struct mutex lock;
	struct xarray accounts;
	struct xarray peers;
	unsigned long last_peer;
	struct bus1_limits limits;
};

/**
 * struct bus1_account - what one user has
 * @refs:	references; the last one is only dropped under the table's lock
 * @accounts:	table it is in
 * @uid:	user
 * @used:	what is in use
 * @lock:	protects @shares and @n_shares
 * @shares:	struct bus1_share of each foreign user who has something in flight here, by uid
 * @n_shares:	number of @shares
 */
struct bus1_account {
	refcount_t refs;
	struct bus1_accounts *accounts;
	kuid_t uid;
	atomic64_t used[_BUS1_RESOURCE_N];

	struct mutex lock;
	struct xarray shares;
	unsigned long n_shares;
};

/**
 * struct bus1_usage - what one peer has
 * @used:	part of its account's counters
 * @max:	limits of its own
 */
struct bus1_usage {
	atomic64_t used[_BUS1_RESOURCE_N];
	u64 max[_BUS1_RESOURCE_N];
};

struct bus1_share;

void bus1_usage_init(struct bus1_usage *usage);

struct bus1_account *bus1_account_get(struct bus1_accounts *accounts, kuid_t uid);
struct bus1_account *bus1_account_put(struct bus1_account *account);

int bus1_charge(struct bus1_account *account, struct bus1_usage *usage, struct bus1_account *actor,
		const u64 amount[_BUS1_RESOURCE_N], struct bus1_share **ret_share);
void bus1_uncharge_share(struct bus1_account *account, struct bus1_share *share,
			 const u64 amount[_BUS1_RESOURCE_N]);
void bus1_uncharge(struct bus1_account *account, struct bus1_usage *usage,
		   const u64 amount[_BUS1_RESOURCE_N]);
int bus1_charge_objects(struct bus1_account *account, struct bus1_usage *usage,
			struct bus1_account *actor, u64 n);
void bus1_charge_object_anyway(struct bus1_account *account, struct bus1_usage *usage);
void bus1_uncharge_objects(struct bus1_account *account, struct bus1_usage *usage, u64 n);

#endif /* __BUS1_ACCT_H */
