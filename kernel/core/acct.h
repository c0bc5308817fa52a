/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_ACCT_H
#define __BUS1_ACCT_H

/*
 * Accounting
 *
 * Every peer belongs to the account of its user. The account is charged for everything that is
 * queued on the peer or held by it, no matter which user caused it. Each resource has three limits:
 *
 *  - An account never has more than its limit.
 *  - A peer never has more than its account has left. So a single peer gets at most half, and each
 *    further peer half of the rest. A peer may also set a limit of its own.
 *  - A foreign user is one that sends to peers of another user. When n foreign users have messages
 *    in flight on an account, none of them ever has more in flight there than the receiving peer
 *    has left, divided by n log n. So no foreign user can take everything that a peer may have, and
 *    each can get about 1 / n of it (up to a power of log n), in whatever order they send.
 *
 * An operation is charged before it happens. When it fails, the charge is taken back. The share of
 * the foreign user is charged first, so that a refused message does not reduce, even for a moment,
 * what others can get.
 */

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/xarray.h>
#include "core.h"

/**
 * struct bus1_accounts - a table of accounts
 * @refs:	references; each account has one
 * @lock:	protects @accounts, @peers and @last_peer
 * @accounts:	struct bus1_account by uid, without references. An account leaves the table when it
 *		loses its last one.
 * @peers:	struct bus1_peer by number, without references. A peer that is found here may have
 *		lost its last one, and is about to be freed.
 * @last_peer:	number of the newest peer
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
 * @refs:	references; the last one is dropped with the lock of the table held
 * @accounts:	the table that it is in
 * @uid:	user
 * @used:	amount in use of each resource
 * @lock:	protects @shares and @n_shares
 * @shares:	by uid, the struct bus1_share of each foreign user that has messages in flight here
 * @n_shares:	number of @shares
 * @pending:	bytes of memory that commands of its peers hold while they are under way
 * @files_sent:	files in messages that its peers have sent, and that are in flight anywhere
 */
struct bus1_account {
	refcount_t refs;
	struct bus1_accounts *accounts;
	kuid_t uid;
	atomic64_t used[_BUS1_RESOURCE_N];

	struct mutex lock;
	struct xarray shares;
	unsigned long n_shares;

	atomic64_t pending;
	atomic64_t files_sent;
};

/**
 * struct bus1_usage - the resources of one peer
 * @account:	account of its user; referenced
 * @used:	the peer's part of the amounts in @account
 * @max:	limits that the peer set itself
 * @pending:	the peer's part of what is pending in @account
 */
struct bus1_usage {
	struct bus1_account *account;
	atomic64_t used[_BUS1_RESOURCE_N];
	u64 max[_BUS1_RESOURCE_N];
	atomic64_t pending;
};

struct bus1_share;

struct bus1_account *bus1_account_get(struct bus1_accounts *accounts, kuid_t uid);
void bus1_account_put(struct bus1_account *account);

void bus1_usage_init(struct bus1_usage *usage, struct bus1_account *account);
int bus1_charge(struct bus1_usage *usage, struct bus1_account *actor,
		const u64 amount[_BUS1_RESOURCE_N], struct bus1_share **ret_share);
void bus1_charge_anyway(struct bus1_usage *usage, const u64 amount[_BUS1_RESOURCE_N]);
void bus1_uncharge_share(struct bus1_account *account, struct bus1_share *share,
			 const u64 amount[_BUS1_RESOURCE_N]);
void bus1_uncharge(struct bus1_usage *usage, const u64 amount[_BUS1_RESOURCE_N]);
int bus1_charge_objects(struct bus1_usage *usage, struct bus1_account *actor, u64 n);
void bus1_charge_object_anyway(struct bus1_usage *usage);
void bus1_uncharge_objects(struct bus1_usage *usage, u64 n);

#endif /* __BUS1_ACCT_H */
