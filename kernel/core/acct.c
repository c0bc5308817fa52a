// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounting, see acct.h
 */

#include <linux/bug.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include "acct.h"

/**
 * struct bus1_share - what one foreign user has in flight on an account
 * @uid:	user
 * @n_charges:	charges that refer to it; protected by the account's lock, as are
 * @used:	their amounts
 */
struct bus1_share {
	kuid_t uid;
	unsigned long n_charges;
	u64 used[_BUS1_RESOURCE_N];
};

static const u64 bus1_default_limits[_BUS1_RESOURCE_N] = {
	[BUS1_RESOURCE_BYTES] = BUS1_DEFAULT_MAX_BYTES,
	[BUS1_RESOURCE_OBJECTS] = BUS1_DEFAULT_MAX_OBJECTS,
	[BUS1_RESOURCE_MESSAGES] = BUS1_DEFAULT_MAX_MESSAGES,
	[BUS1_RESOURCE_FILES] = BUS1_DEFAULT_MAX_FILES,
};

struct bus1_accounts *bus1_accounts_new(const struct bus1_limits *limits)
{
	struct bus1_accounts *accounts;
	size_t i;

	accounts = kzalloc(sizeof(*accounts), GFP_KERNEL_ACCOUNT);
	if (!accounts)
		return ERR_PTR(-ENOMEM);

	refcount_set(&accounts->refs, 1);
	mutex_init(&accounts->lock);
	xa_init(&accounts->accounts);
	xa_init(&accounts->peers);
	for (i = 0; i < _BUS1_RESOURCE_N; i++) {
		u64 max = limits ? limits->max[i] : 0;

		/* far from where sums of charges could overflow */
		accounts->limits.max[i] =
			min_t(u64, max ? max : bus1_default_limits[i], 1ULL << 60);
	}
	return accounts;
}

struct bus1_accounts *bus1_accounts_unref(struct bus1_accounts *accounts)
{
	if (accounts && refcount_dec_and_test(&accounts->refs)) {
		xa_destroy(&accounts->peers);
		xa_destroy(&accounts->accounts);
		mutex_destroy(&accounts->lock);
		kfree(accounts);
	}
	return NULL;
}

void bus1_accounts_usage(struct bus1_accounts *accounts, size_t *ret_n_accounts,
			 u64 ret_used[_BUS1_RESOURCE_N])
{
	u64 used[_BUS1_RESOURCE_N] = {};
	struct bus1_account *account;
	unsigned long index;
	size_t i, n = 0;

	mutex_lock(&accounts->lock);
	xa_for_each(&accounts->accounts, index, account) {
		++n;
		for (i = 0; i < _BUS1_RESOURCE_N; i++)
			used[i] += atomic64_read(&account->used[i]);
	}
	mutex_unlock(&accounts->lock);

	*ret_n_accounts = n;
	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		ret_used[i] = used[i];
}

/**
 * bus1_account_get() - the account of a user
 * @accounts:	table
 * @uid:	user
 *
 * Return: the account with a reference, made if need be; ERR_PTR(-ENOMEM).
 */
struct bus1_account *bus1_account_get(struct bus1_accounts *accounts, kuid_t uid)
{
	struct bus1_account *account;
	int r;

	mutex_lock(&accounts->lock);
	account = xa_load(&accounts->accounts, __kuid_val(uid));
	if (account) {
		refcount_inc(&account->refs);
		goto out;
	}

	account = kzalloc(sizeof(*account), GFP_KERNEL_ACCOUNT);
	if (!account) {
		account = ERR_PTR(-ENOMEM);
		goto out;
	}
	r = xa_err(xa_store(&accounts->accounts, __kuid_val(uid), account, GFP_KERNEL_ACCOUNT));
	if (r < 0) {
		kfree(account);
		account = ERR_PTR(r);
		goto out;
	}
	refcount_inc(&accounts->refs);
	refcount_set(&account->refs, 1);
	account->accounts = accounts;
	account->uid = uid;
	mutex_init(&account->lock);
	xa_init(&account->shares);

out:
	mutex_unlock(&accounts->lock);
	return account;
}

/**
 * bus1_account_put() - drop a reference to an account
 * @account:	account, or NULL
 *
 * Return: NULL.
 */
struct bus1_account *bus1_account_put(struct bus1_account *account)
{
	struct bus1_accounts *accounts;
	size_t i;

	if (!account)
		return NULL;

	/*
	 * Who drops any other reference must not take the lock: he would still be releasing it when
	 * the last account, and the table with it, is freed.
	 */
	accounts = account->accounts;
	if (!refcount_dec_and_mutex_lock(&account->refs, &accounts->lock))
		return NULL;
	xa_erase(&accounts->accounts, __kuid_val(account->uid));
	mutex_unlock(&accounts->lock);

	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		WARN_ON(atomic64_read(&account->used[i]) != 0);
	WARN_ON(account->n_shares > 0);
	xa_destroy(&account->shares);
	mutex_destroy(&account->lock);
	kfree(account);
	bus1_accounts_unref(accounts);
	return NULL;
}

/* Nothing is used, and there are no limits of its own. */
void bus1_usage_init(struct bus1_usage *usage)
{
	size_t i;

	for (i = 0; i < _BUS1_RESOURCE_N; i++) {
		atomic64_set(&usage->used[i], 0);
		usage->max[i] = U64_MAX;
	}
}

static struct bus1_share *bus1_share_get(struct bus1_account *account, kuid_t uid)
{
	struct bus1_share *share;
	int r;

	lockdep_assert_held(&account->lock);

	share = xa_load(&account->shares, __kuid_val(uid));
	if (share) {
		++share->n_charges;
		return share;
	}

	share = kzalloc(sizeof(*share), GFP_KERNEL_ACCOUNT);
	if (!share)
		return ERR_PTR(-ENOMEM);
	r = xa_err(xa_store(&account->shares, __kuid_val(uid), share, GFP_KERNEL_ACCOUNT));
	if (r < 0) {
		kfree(share);
		return ERR_PTR(r);
	}
	share->uid = uid;
	share->n_charges = 1;
	++account->n_shares;
	return share;
}

static void bus1_share_put(struct bus1_account *account, struct bus1_share *share)
{
	lockdep_assert_held(&account->lock);

	if (--share->n_charges > 0)
		return;
	xa_erase(&account->shares, __kuid_val(share->uid));
	--account->n_shares;
	kfree(share);
}

/* The part of a foreign user, before the account and the peer are charged. */
static int bus1_charge_share(struct bus1_account *account, struct bus1_usage *usage, kuid_t uid,
			     const u64 amount[_BUS1_RESOURCE_N], struct bus1_share **ret_share)
{
	const u64 *max = account->accounts->limits.max;
	struct bus1_share *share;
	int r = 0;
	size_t i;
	u64 n;

	mutex_lock(&account->lock);
	share = bus1_share_get(account, uid);
	if (IS_ERR(share)) {
		r = PTR_ERR(share);
		goto out;
	}

	n = account->n_shares * (ilog2(account->n_shares) + 1);
	for (i = 0; i < _BUS1_RESOURCE_N; i++) {
		u64 taken;

		if (amount[i] == 0)
			continue;
		/* as a peer never has more than what its account has left */
		taken = atomic64_read(&account->used[i]) + atomic64_read(&usage->used[i]) +
			2 * amount[i];
		if (taken > max[i] || share->used[i] + amount[i] > (max[i] - taken) / n) {
			bus1_share_put(account, share);
			r = -EDQUOT;
			goto out;
		}
	}
	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		share->used[i] += amount[i];
	*ret_share = share;

out:
	mutex_unlock(&account->lock);
	return r;
}

/**
 * bus1_uncharge_share() - what a foreign user sent is not in flight any more
 * @account:	the receiver's account
 * @share:	what bus1_charge() returned; may be NULL
 * @amount:	what it was given
 */
void bus1_uncharge_share(struct bus1_account *account, struct bus1_share *share,
			 const u64 amount[_BUS1_RESOURCE_N])
{
	size_t i;

	if (!share)
		return;

	mutex_lock(&account->lock);
	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		share->used[i] -= amount[i];
	bus1_share_put(account, share);
	mutex_unlock(&account->lock);
}

static void bus1_charge_sub(struct bus1_account *account, struct bus1_usage *usage,
			    const u64 amount[_BUS1_RESOURCE_N], size_t n_resources)
{
	size_t i;

	for (i = 0; i < n_resources; i++) {
		if (amount[i] == 0)
			continue;
		atomic64_sub(amount[i], &usage->used[i]);
		atomic64_sub(amount[i], &account->used[i]);
	}
}

/**
 * bus1_charge() - charge a peer for what is about to be put on it
 * @account:	the peer's account
 * @usage:	the peer's counters
 * @actor:	account of who causes it
 * @amount:	how much of what
 * @ret_share:	the share of @actor, for as long as it is in flight; NULL when it needs none
 *
 * To be taken back with bus1_uncharge_share() and bus1_uncharge().
 *
 * Return: -EDQUOT, -ENOMEM.
 */
int bus1_charge(struct bus1_account *account, struct bus1_usage *usage, struct bus1_account *actor,
		const u64 amount[_BUS1_RESOURCE_N], struct bus1_share **ret_share)
{
	const u64 *max = account->accounts->limits.max;
	struct bus1_share *share = NULL;
	size_t i;
	int r;

	if (account != actor) {
		r = bus1_charge_share(account, usage, actor->uid, amount, &share);
		if (r < 0)
			return r;
	}

	for (i = 0; i < _BUS1_RESOURCE_N; i++) {
		u64 used, peer_used;

		if (amount[i] == 0)
			continue;
		used = atomic64_add_return(amount[i], &account->used[i]);
		peer_used = atomic64_add_return(amount[i], &usage->used[i]);
		if (used > max[i] || peer_used > max[i] - used ||
		    peer_used > READ_ONCE(usage->max[i])) {
			bus1_charge_sub(account, usage, amount, i + 1);
			bus1_uncharge_share(account, share, amount);
			return -EDQUOT;
		}
	}
	*ret_share = share;
	return 0;
}

/**
 * bus1_uncharge() - what a peer was charged for is gone
 * @account:	the peer's account
 * @usage:	the peer's counters
 * @amount:	how much of what
 */
void bus1_uncharge(struct bus1_account *account, struct bus1_usage *usage,
		   const u64 amount[_BUS1_RESOURCE_N])
{
	bus1_charge_sub(account, usage, amount, _BUS1_RESOURCE_N);
}

/**
 * bus1_charge_objects() - charge a peer for objects that are not in flight
 * @account:	the peer's account
 * @usage:	the peer's counters
 * @actor:	account of who causes it
 * @n:		number of objects
 *
 * To be taken back with bus1_uncharge_objects().
 *
 * Return: -EDQUOT, -ENOMEM.
 */
int bus1_charge_objects(struct bus1_account *account, struct bus1_usage *usage,
			struct bus1_account *actor, u64 n)
{
	const u64 amount[_BUS1_RESOURCE_N] = { [BUS1_RESOURCE_OBJECTS] = n };
	struct bus1_share *share;
	int r;

	r = bus1_charge(account, usage, actor, amount, &share);
	if (r == 0)
		bus1_uncharge_share(account, share, amount);
	return r;
}

/* One more object, and be it over the limit. */
void bus1_charge_object_anyway(struct bus1_account *account, struct bus1_usage *usage)
{
	atomic64_add_return(1, &account->used[BUS1_RESOURCE_OBJECTS]);
	atomic64_add_return(1, &usage->used[BUS1_RESOURCE_OBJECTS]);
}

/**
 * bus1_uncharge_objects() - objects of a peer are gone
 * @account:	the peer's account
 * @usage:	the peer's counters
 * @n:		number of objects
 */
void bus1_uncharge_objects(struct bus1_account *account, struct bus1_usage *usage, u64 n)
{
	atomic64_sub(n, &usage->used[BUS1_RESOURCE_OBJECTS]);
	atomic64_sub(n, &account->used[BUS1_RESOURCE_OBJECTS]);
}
