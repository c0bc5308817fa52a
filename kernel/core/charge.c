// SPDX-License-Identifier: GPL-2.0-only
/*
 * Charges and limits, see charge.h
 */

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include "charge.h"

/* A new peer uses nothing and sets no limits. Takes over the caller's reference to the account. */
void bus1_usage_init(struct bus1_usage *usage, struct bus1_account *account)
{
	size_t i;

	usage->account = account;
	for (i = 0; i < _BUS1_SUM_N_PEER; i++)
		usage->used[i] = 0;
	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		usage->max[i] = U64_MAX;
}

/* The amount that counts towards the limit of a resource, or of another sum (enum bus1_sum). */
static __always_inline u64 bus1_sum(const u64 *used, size_t i)
{
	if (i != BUS1_RESOURCE_BYTES)
		return used[i];
	return used[BUS1_RESOURCE_BYTES] + used[BUS1_SUM_KEPT] +
	       used[BUS1_RESOURCE_OBJECTS] * BUS1_COST_OBJECT +
	       used[BUS1_RESOURCE_MESSAGES] * BUS1_COST_MESSAGE +
	       used[BUS1_RESOURCE_FILES] * BUS1_COST_FILE;
}

/* The bytes of an account that count towards the limit of BUS1_RESOURCE_BYTES. */
u64 bus1_account_memory(struct bus1_account *account)
{
	u64 memory;

	bus1_account_lock(account);
	memory = bus1_sum(account->used, BUS1_RESOURCE_BYTES);
	bus1_account_unlock(account);
	return memory;
}

/* The limit of a resource, or of BUS1_SUM_COPIES, for each account. */
static __always_inline u64 bus1_limit(const struct bus1_account *account, size_t i)
{
	const struct bus1_limits *limits = &account->accounts->limits;

	return i == BUS1_SUM_COPIES ? limits->max_copies : limits->max[i];
}

/* Subtract what is used already, and some more, from what is left. Return: whether that fits. */
static __always_inline bool bus1_take(u64 *left, u64 used, u64 more)
{
	if (more > *left || used > *left - more)
		return false;
	*left -= used + more;
	return true;
}

/*
 * Reduce @left, at first a limit, to what is left of it for an account. @more is about to be added
 * to the accounts that this account is inside of. Return: whether none of them exceeds a limit
 * then.
 */
static __always_inline bool bus1_outer_left(const struct bus1_account *account, size_t i, u64 more,
					    u64 *left)
{
	size_t level;

	for (level = 0; unlikely(level + 1 < account->depth); level++) {
		const struct bus1_account *outer = account->path[level];

		if (!bus1_take(left, bus1_sum(outer->used, i), more))
			return false;
		*left = bus1_divide(*left, READ_ONCE(outer->n_inner));
	}
	return true;
}

/* The same for a peer: @more is about to be added to its account and to the peer, too. */
static __always_inline bool bus1_usage_left(const struct bus1_usage *usage, size_t i, u64 more,
					    u64 *left)
{
	return bus1_outer_left(usage->account, i, more, left) &&
	       bus1_take(left, bus1_sum(usage->account->used, i), more) &&
	       bus1_take(left, bus1_sum(usage->used, i), more);
}

/*
 * The number of active shares among which an amount is divided, where one of them is share @i of a
 * path. This share is counted even if it is missing or not active.
 */
static __always_inline u64 bus1_shares_count(const struct bus1_shares *shares, size_t i)
{
	const struct bus1_share *share = shares->path[i];
	u64 n;

	if (i == 0)
		n = shares->receiver->n_shares;
	else
		n = shares->path[i - 1] ? shares->path[i - 1]->n_active : 0;
	return share && bus1_share_is_active(share) ? n : n + 1;
}

/* Whether a sum of a peer, and of the shares of a sender, has room for an amount. */
static __always_inline bool bus1_fits_one(const struct bus1_usage *usage,
					  const struct bus1_shares *shares,
					  const u64 amount[_BUS1_SUM_N_MESSAGE], size_t i)
{
	u64 left = bus1_limit(usage->account, i), more = bus1_sum(amount, i);
	size_t j;

	if (more == 0)
		return true;
	if (!bus1_usage_left(usage, i, more, &left))
		return false;
	if (i < _BUS1_RESOURCE_N && amount[i] > 0 &&
	    usage->used[i] + amount[i] > READ_ONCE(usage->max[i]))
		return false;
	for (j = 0; j < shares->n; j++) {
		const struct bus1_share *share = shares->path[j];

		left = bus1_divide(left, bus1_shares_count(shares, j));
		if (!bus1_take(&left, share ? bus1_sum(share->used, i) : 0, more))
			return false;
	}
	return true;
}

static bool bus1_fits(const struct bus1_usage *usage, const struct bus1_shares *shares,
		      const u64 amount[_BUS1_SUM_N_MESSAGE])
{
	return bus1_fits_one(usage, shares, amount, BUS1_RESOURCE_BYTES) &&
	       bus1_fits_one(usage, shares, amount, BUS1_RESOURCE_OBJECTS) &&
	       bus1_fits_one(usage, shares, amount, BUS1_RESOURCE_MESSAGES) &&
	       bus1_fits_one(usage, shares, amount, BUS1_RESOURCE_FILES) &&
	       bus1_fits_one(usage, shares, amount, BUS1_SUM_COPIES);
}

/* Add to one sum; subtract by adding the negative amount. Some readers do not take the lock. */
static __always_inline void bus1_add(u64 *sum, u64 amount)
{
	WRITE_ONCE(*sum, *sum + amount);
}

static __always_inline void bus1_outer_add(struct bus1_account *account, size_t i, u64 amount)
{
	size_t level;

	for (level = 0; unlikely(level + 1 < account->depth); level++)
		bus1_add(&account->path[level]->used[i], amount);
}

static __always_inline void bus1_usage_add_one(struct bus1_usage *usage, size_t i, u64 amount)
{
	if (amount == 0)
		return;
	bus1_outer_add(usage->account, i, amount);
	bus1_add(&usage->account->used[i], amount);
	bus1_add(&usage->used[i], amount);
}

/* Add an amount, except for what is charged already. If that is more, subtract the difference. */
static __always_inline void bus1_usage_add_rest(struct bus1_usage *usage, const u64 *amount,
						const u64 *charged)
{
	bus1_usage_add_one(usage, BUS1_RESOURCE_BYTES,
			   amount[BUS1_RESOURCE_BYTES] - charged[BUS1_RESOURCE_BYTES]);
	bus1_usage_add_one(usage, BUS1_RESOURCE_OBJECTS,
			   amount[BUS1_RESOURCE_OBJECTS] - charged[BUS1_RESOURCE_OBJECTS]);
	bus1_usage_add_one(usage, BUS1_RESOURCE_MESSAGES,
			   amount[BUS1_RESOURCE_MESSAGES] - charged[BUS1_RESOURCE_MESSAGES]);
	bus1_usage_add_one(usage, BUS1_RESOURCE_FILES,
			   amount[BUS1_RESOURCE_FILES] - charged[BUS1_RESOURCE_FILES]);
	bus1_usage_add_one(usage, BUS1_SUM_KEPT, amount[BUS1_SUM_KEPT] - charged[BUS1_SUM_KEPT]);
	bus1_usage_add_one(usage, BUS1_SUM_COPIES,
			   amount[BUS1_SUM_COPIES] - charged[BUS1_SUM_COPIES]);
}

static void bus1_usage_add(struct bus1_usage *usage, const u64 amount[_BUS1_SUM_N_MESSAGE])
{
	const u64 none[_BUS1_SUM_N_MESSAGE] = {};

	bus1_usage_add_rest(usage, amount, none);
}

/**
 * bus1_charge() - charge a peer before a message is put on its queue
 * @usage:	usage of the peer
 * @actor:	usage of the peer that sends the message
 * @amount:	what is charged for the message
 * @ret_share:	set on success: to the share of @actor, which is charged too; to NULL when both
 *		peers have the same account
 *
 * bus1_uncharge_message() takes the charge back.
 *
 * Return: -EDQUOT, -ENOMEM.
 */
int bus1_charge(struct bus1_usage *usage, const struct bus1_usage *actor,
		const u64 amount[_BUS1_SUM_N_MESSAGE], struct bus1_share **ret_share)
{
	struct bus1_account *account = usage->account;
	struct bus1_shares shares;
	int r;

	bus1_shares_init(&shares, account, actor->account);
	do {
		bus1_account_lock(account);
		bus1_shares_find(&shares);
		r = bus1_fits(usage, &shares, amount) ? bus1_shares_fill(&shares) : -EDQUOT;
		if (likely(r == 0)) {
			*ret_share = bus1_shares_own(&shares);
			bus1_share_begin(account, *ret_share, amount);
			bus1_usage_add(usage, amount);
		}
		bus1_account_unlock(account);
	} while (unlikely(r == -ENOMEM) && bus1_shares_alloc(&shares));
	bus1_shares_destroy(&shares);
	return r;
}

/* Charge a peer, even if that exceeds a limit. bus1_uncharge() takes the charge back. */
void bus1_charge_anyway(struct bus1_usage *usage, const u64 amount[_BUS1_SUM_N_MESSAGE])
{
	bus1_account_lock(usage->account);
	bus1_usage_add(usage, amount);
	bus1_account_unlock(usage->account);
}

/**
 * bus1_uncharge_message() - a message is not in flight any more
 * @usage:	usage of the receiver
 * @share:	share that bus1_charge() returned; may be NULL
 * @amount:	amount that bus1_charge() was given
 * @kept:	the part of @amount that the receiver stays charged for
 */
void bus1_uncharge_message(struct bus1_usage *usage, struct bus1_share *share,
			   const u64 amount[_BUS1_SUM_N_MESSAGE],
			   const u64 kept[_BUS1_SUM_N_MESSAGE])
{
	bus1_account_lock(usage->account);
	bus1_share_end(usage->account, share, amount);
	bus1_usage_add_rest(usage, kept, amount);
	bus1_account_unlock(usage->account);
}

/* Take back a charge of a peer that is not for a message in flight. */
void bus1_uncharge(struct bus1_usage *usage, const u64 amount[_BUS1_SUM_N_MESSAGE])
{
	static const u64 none[_BUS1_SUM_N_MESSAGE];

	bus1_uncharge_message(usage, NULL, amount, none);
}

/**
 * bus1_charge_objects() - charge a peer for objects that are not in flight
 * @usage:	usage of the peer
 * @actor:	usage of the peer that causes the charge
 * @n:		number of objects
 * @n_copies:	number of those that count as BUS1_SUM_COPIES
 *
 * A foreign @actor must have room in its share, but the share is not charged.
 * bus1_uncharge_objects() takes the charge back.
 *
 * Return: -EDQUOT.
 */
int bus1_charge_objects(struct bus1_usage *usage, const struct bus1_usage *actor, u64 n,
			u64 n_copies)
{
	const u64 amount[_BUS1_SUM_N_MESSAGE] = {
		[BUS1_RESOURCE_OBJECTS] = n,
		[BUS1_SUM_COPIES] = n_copies,
	};
	struct bus1_shares shares;
	bool fits;

	bus1_shares_init(&shares, usage->account, actor->account);
	bus1_account_lock(usage->account);
	bus1_shares_find(&shares);
	fits = bus1_fits(usage, &shares, amount);
	if (fits)
		bus1_usage_add(usage, amount);
	bus1_account_unlock(usage->account);
	return fits ? 0 : -EDQUOT;
}

/* Charge a peer for one more object, even if that exceeds a limit. */
void bus1_charge_object_anyway(struct bus1_usage *usage)
{
	const u64 amount[_BUS1_SUM_N_MESSAGE] = { [BUS1_RESOURCE_OBJECTS] = 1 };

	bus1_charge_anyway(usage, amount);
}

/* Objects of a peer have gone. @n_copies of them count as BUS1_SUM_COPIES. */
void bus1_uncharge_objects(struct bus1_usage *usage, u64 n, u64 n_copies)
{
	const u64 amount[_BUS1_SUM_N_MESSAGE] = {
		[BUS1_RESOURCE_OBJECTS] = n,
		[BUS1_SUM_COPIES] = n_copies,
	};

	bus1_uncharge(usage, amount);
}

/* Charge a peer for memory of a command. Return: whether that fits. */
bool bus1_charge_pending(struct bus1_usage *usage, u64 n)
{
	u64 left = usage->account->accounts->limits.max[BUS1_RESOURCE_BYTES];
	bool fits;

	bus1_account_lock(usage->account);
	fits = bus1_usage_left(usage, BUS1_SUM_PENDING, n, &left);
	if (fits)
		bus1_usage_add_one(usage, BUS1_SUM_PENDING, n);
	bus1_account_unlock(usage->account);
	return fits;
}

/* Take back the charge of bus1_charge_pending(), because the command has ended. */
void bus1_uncharge_pending(struct bus1_usage *usage, u64 n)
{
	bus1_account_lock(usage->account);
	bus1_usage_add_one(usage, BUS1_SUM_PENDING, -n);
	bus1_account_unlock(usage->account);
}

/* Whether a user has not exceeded a limit of files in flight yet. */
static bool bus1_files_fit(const struct bus1_account *sender, u64 max)
{
	u64 left = sender->accounts->limits.max[BUS1_RESOURCE_FILES];

	if (max == U64_MAX)
		return true;
	if (!bus1_outer_left(sender, BUS1_SUM_FILES_INNER, 0, &left))
		return false;
	if (sender->depth > 1)
		max = min(max, left);
	return sender->files_sent <= max;
}

static void bus1_files_add(struct bus1_account *sender, u64 n)
{
	bus1_account_assert_locked(sender);

	bus1_outer_add(sender, BUS1_SUM_FILES_INNER, n);
	sender->files_sent += n;
}

/**
 * bus1_charge_files() - charge a user for files in flight, in whatever queues they are
 * @sender:	account of the user
 * @n:		number of files
 * @max:	limit of the files in flight that this user has sent; U64_MAX when there is no limit
 *
 * Only files of earlier charges count, so that the last charge may exceed the limit. The users in
 * the namespaces of one owner also divide the limit of BUS1_RESOURCE_FILES among them, unless @max
 * is U64_MAX. Files that the owner itself sends do not count towards this limit.
 * bus1_uncharge_files() takes the charge back.
 *
 * Return: whether no limit was exceeded; otherwise there is no charge.
 */
bool bus1_charge_files(struct bus1_account *sender, u64 n, u64 max)
{
	bool fits;

	bus1_account_lock(sender);
	fits = bus1_files_fit(sender, max);
	if (fits)
		bus1_files_add(sender, n);
	bus1_account_unlock(sender);
	return fits;
}

/* Take back a charge of bus1_charge_files(), because the files are not in flight any more. */
void bus1_uncharge_files(struct bus1_account *sender, u64 n)
{
	bus1_account_lock(sender);
	bus1_files_add(sender, -n);
	bus1_account_unlock(sender);
}
