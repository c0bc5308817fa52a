/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_ACCT_H
#define __BUS1_ACCT_H

/*
 * Accounting
 *
 * Every peer belongs to the account of its user. The account is charged for all that is queued on a
 * peer or held by it, whoever caused it. For each resource there are three limits:
 *
 *  - an account never has more than its limit;
 *  - a peer never has more than its account has left. So a single peer gets at most half, and each
 *    further peer half of the rest. A peer may also set a limit of its own;
 *  - a foreign user that sends to the account never has more in flight there than the receiving
 * peer has left, divided by n log n for n such users. So none of them can take all that a peer may
 *    have. Each can get a share of the order of 1 / n but for a power of log n, in whatever order
 *    they come and whatever the others do.
 *
 * An operation is charged before it happens. The charge is taken back when the operation fails. The
 * share of a foreign user is charged first, so that a refusal takes nothing from others for a
 * moment.
 */

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/xarray.h>
#include "core.h"

/**
 * struct bus1_accounts - a table of accounts
 * @refs:	references, one of them for each account
 * @lock:	protects @accounts, @peers and @last_peer
 * @accounts:	struct bus1_account by uid; each has references left
 * @peers:	struct bus1_peer by number. The table has no references to them: a peer that is
 *		found may have lost its last one, and is about to be freed.
 * @last_peer:	number of the youngest peer
 * @limits:	limits of each account
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
 * struct bus1_account - the resources of one user
 * @refs:	references; the last one is only dropped under the table's lock
 * @accounts:	table it is in
 * @uid:	user
 * @used:	what is in use
 * @lock:	protects @shares and @n_shares
 * @shares:	struct bus1_share of each foreign user that has something in flight here, by uid
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
 * struct bus1_usage - the resources of one peer
 * @used:	its part of the counters of its account
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
