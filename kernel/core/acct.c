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
#include <linux/string.h>
#include "acct.h"

/**
 * struct bus1_share - the resources that one foreign user has in flight on an account
 * @uid:	user
 * @n_charges:	number of charges; the lock of the account protects it and @used
 * @used:	sum of the charges
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
		u64 max = limits && limits->max[i] ? limits->max[i] : bus1_default_limits[i];

		/* so low that sums of charges cannot overflow */
		accounts->limits.max[i] = min_t(u64, max, 1ULL << 60);
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
	struct bus1_account *account;
	unsigned long index;
	size_t i;

	*ret_n_accounts = 0;
	memset(ret_used, 0, _BUS1_RESOURCE_N * sizeof(*ret_used));
	mutex_lock(&accounts->lock);
	xa_for_each(&accounts->accounts, index, account) {
		++*ret_n_accounts;
		for (i = 0; i < _BUS1_RESOURCE_N; i++)
			ret_used[i] += atomic64_read(&account->used[i]);
	}
	mutex_unlock(&accounts->lock);
}

/* The account of a new user. The lock of the table is held. */
static struct bus1_account *bus1_account_new(struct bus1_accounts *accounts, kuid_t uid)
{
	struct bus1_account *account;
	int r;

	account = kzalloc(sizeof(*account), GFP_KERNEL_ACCOUNT);
	if (!account)
		return ERR_PTR(-ENOMEM);
	r = xa_err(xa_store(&accounts->accounts, __kuid_val(uid), account, GFP_KERNEL_ACCOUNT));
	if (r < 0) {
		kfree(account);
		return ERR_PTR(r);
	}
	refcount_inc(&accounts->refs);
	refcount_set(&account->refs, 1);
	account->accounts = accounts;
	account->uid = uid;
	mutex_init(&account->lock);
	xa_init(&account->shares);
	return account;
}

/**
 * bus1_account_get() - get the account of a user, or make it
 * @accounts:	table
 * @uid:	user
 *
 * Return: the account with a reference for the caller; ERR_PTR(-ENOMEM).
 */
struct bus1_account *bus1_account_get(struct bus1_accounts *accounts, kuid_t uid)
{
	struct bus1_account *account;

	mutex_lock(&accounts->lock);
	account = xa_load(&accounts->accounts, __kuid_val(uid));
	if (account)
		refcount_inc(&account->refs);
	else
		account = bus1_account_new(accounts, uid);
	mutex_unlock(&accounts->lock);
	return account;
}

/* Drop a reference to an account. */
void bus1_account_put(struct bus1_account *account)
{
	struct bus1_accounts *accounts = account->accounts;
	size_t i;

	/*
	 * Only the thread that drops the last reference takes the lock. If every thread took it,
	 * one could still be releasing the lock while another one frees the last account, and with
	 * it the table that has the lock.
	 */
	if (!refcount_dec_and_mutex_lock(&account->refs, &accounts->lock))
		return;
	xa_erase(&accounts->accounts, __kuid_val(account->uid));
	mutex_unlock(&accounts->lock);

	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		WARN_ON(atomic64_read(&account->used[i]) != 0);
	WARN_ON(account->n_shares > 0);
	xa_destroy(&account->shares);
	mutex_destroy(&account->lock);
	kfree(account);
	bus1_accounts_unref(accounts);
}

/* A new peer uses nothing and sets no limits. Takes over the reference to the account. */
void bus1_usage_init(struct bus1_usage *usage, struct bus1_account *account)
{
	size_t i;

	usage->account = account;
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

/* Charge the share of a foreign user. The account and the peer are not charged yet. */
static int bus1_charge_share(struct bus1_usage *usage, kuid_t uid,
			     const u64 amount[_BUS1_RESOURCE_N], struct bus1_share **ret_share)
{
	struct bus1_account *account = usage->account;
	const u64 *max = account->accounts->limits.max;
	struct bus1_share *share;
	size_t i;
	u64 n;

	lockdep_assert_held(&account->lock);

	share = bus1_share_get(account, uid);
	if (IS_ERR(share))
		return PTR_ERR(share);

	n = account->n_shares * (ilog2(account->n_shares) + 1);
	for (i = 0; i < _BUS1_RESOURCE_N; i++) {
		u64 taken;

		if (amount[i] == 0)
			continue;
		/* The peer counts twice: it never has more than what its account has left. */
		taken = atomic64_read(&account->used[i]) + atomic64_read(&usage->used[i]) +
			2 * amount[i];
		if (taken > max[i] || share->used[i] + amount[i] > (max[i] - taken) / n) {
			bus1_share_put(account, share);
			return -EDQUOT;
		}
	}
	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		share->used[i] += amount[i];
	*ret_share = share;
	return 0;
}

/**
 * bus1_uncharge_share() - messages of a foreign user are not in flight any more
 * @account:	account of the receiver
 * @share:	share that bus1_charge() returned; may be NULL
 * @amount:	amount that bus1_charge() was given
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

static void bus1_charge_sub(struct bus1_usage *usage, const u64 amount[_BUS1_RESOURCE_N],
			    size_t n_resources)
{
	size_t i;

	for (i = 0; i < n_resources; i++) {
		if (amount[i] == 0)
			continue;
		atomic64_sub(amount[i], &usage->used[i]);
		atomic64_sub(amount[i], &usage->account->used[i]);
	}
}

/**
 * bus1_charge() - charge a peer before something is put on it
 * @usage:	usage of the peer
 * @actor:	account of the user that causes the charge
 * @amount:	amount of each resource
 * @ret_share:	set to the share of @actor, which is charged too; NULL when @actor owns the peer
 *
 * bus1_uncharge_share() and bus1_uncharge() take the two charges back.
 *
 * Return: -EDQUOT, -ENOMEM.
 */
int bus1_charge(struct bus1_usage *usage, struct bus1_account *actor,
		const u64 amount[_BUS1_RESOURCE_N], struct bus1_share **ret_share)
{
	struct bus1_account *account = usage->account;
	const u64 *max = account->accounts->limits.max;
	struct bus1_share *share = NULL;
	size_t i;
	int r;

	if (account != actor) {
		mutex_lock(&account->lock);
		r = bus1_charge_share(usage, actor->uid, amount, &share);
		mutex_unlock(&account->lock);
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
			bus1_charge_sub(usage, amount, i + 1);
			bus1_uncharge_share(account, share, amount);
			return -EDQUOT;
		}
	}
	*ret_share = share;
	return 0;
}

/* Charge a peer, even if that exceeds a limit. bus1_uncharge() takes the charge back. */
void bus1_charge_anyway(struct bus1_usage *usage, const u64 amount[_BUS1_RESOURCE_N])
{
	size_t i;

	for (i = 0; i < _BUS1_RESOURCE_N; i++) {
		if (amount[i] == 0)
			continue;
		atomic64_add_return(amount[i], &usage->account->used[i]);
		atomic64_add_return(amount[i], &usage->used[i]);
	}
}

/* Take back the charge of a peer, but not that of the share. */
void bus1_uncharge(struct bus1_usage *usage, const u64 amount[_BUS1_RESOURCE_N])
{
	bus1_charge_sub(usage, amount, _BUS1_RESOURCE_N);
}

/**
 * bus1_charge_objects() - charge a peer for objects that are not in flight
 * @usage:	usage of the peer
 * @actor:	account of the user that causes the charge
 * @n:		number of objects
 *
 * A foreign @actor must have room in its share, but the share is free again at once.
 * bus1_uncharge_objects() takes the charge back.
 *
 * Return: -EDQUOT, -ENOMEM.
 */
int bus1_charge_objects(struct bus1_usage *usage, struct bus1_account *actor, u64 n)
{
	const u64 amount[_BUS1_RESOURCE_N] = { [BUS1_RESOURCE_OBJECTS] = n };
	struct bus1_share *share;
	int r;

	r = bus1_charge(usage, actor, amount, &share);
	if (r == 0)
		bus1_uncharge_share(usage->account, share, amount);
	return r;
}

/* Charge a peer for one more object, even if that exceeds a limit. */
void bus1_charge_object_anyway(struct bus1_usage *usage)
{
	atomic64_add_return(1, &usage->account->used[BUS1_RESOURCE_OBJECTS]);
	atomic64_add_return(1, &usage->used[BUS1_RESOURCE_OBJECTS]);
}

/* Objects of a peer have gone. */
void bus1_uncharge_objects(struct bus1_usage *usage, u64 n)
{
	atomic64_sub(n, &usage->used[BUS1_RESOURCE_OBJECTS]);
	atomic64_sub(n, &usage->account->used[BUS1_RESOURCE_OBJECTS]);
}
