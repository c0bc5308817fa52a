// SPDX-License-Identifier: GPL-2.0-only
/*
 * Charges and limits, see charge.h
 */

#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include "charge.h"

/* A new peer uses nothing and sets no limits. Takes over the reference to the account. */
void bus1_usage_init(struct bus1_usage *usage, struct bus1_account *account)
{
	size_t i;

	usage->account = account;
	usage->recent_receiver = 0;
	usage->recent = NULL;
	atomic64_set(&usage->pending, 0);
	for (i = 0; i < _BUS1_RESOURCE_N; i++) {
		atomic64_set(&usage->used[i], 0);
		usage->max[i] = U64_MAX;
	}
}

static __always_inline u64 bus1_memory(u64 bytes, u64 objects, u64 messages, u64 files)
{
	return bytes + objects * BUS1_COST_OBJECT + messages * BUS1_COST_MESSAGE +
	       files * BUS1_COST_FILE;
}

/* The part of an amount that counts on the limit of a resource. */
static __always_inline u64 bus1_amount(const u64 amount[_BUS1_RESOURCE_N], size_t i)
{
	return i == BUS1_RESOURCE_BYTES
		       ? bus1_memory(amount[BUS1_RESOURCE_BYTES], amount[BUS1_RESOURCE_OBJECTS],
				     amount[BUS1_RESOURCE_MESSAGES], amount[BUS1_RESOURCE_FILES])
		       : amount[i];
}

/* The same for an amount that is in use. */
static __always_inline u64 bus1_used(const atomic64_t used[_BUS1_RESOURCE_N], size_t i)
{
	return i == BUS1_RESOURCE_BYTES ? bus1_memory(atomic64_read(&used[BUS1_RESOURCE_BYTES]),
						      atomic64_read(&used[BUS1_RESOURCE_OBJECTS]),
						      atomic64_read(&used[BUS1_RESOURCE_MESSAGES]),
						      atomic64_read(&used[BUS1_RESOURCE_FILES]))
					: atomic64_read(&used[i]);
}

/**
 * bus1_usage_left() - find out how much of a resource is left for a peer
 * @usage:	usage of the peer
 * @i:		resource
 * @more:	amount that is about to be added, to the peer and to its accounts
 * @left:	set to what is left then
 *
 * Return: whether @more exceeds no limit.
 */
static __always_inline bool bus1_usage_left(const struct bus1_usage *usage, size_t i, u64 more,
					    u64 *left)
{
	const struct bus1_account *account = usage->account;
	u64 used;
	size_t level;

	*left = account->accounts->limits.max[i];
	for (level = 0; unlikely(level + 1 < account->depth); level++) {
		const struct bus1_account *outer = account->path[level];

		used = bus1_used(outer->used, i) + more;
		if (used > *left)
			return false;
		*left = bus1_divide(*left - used, READ_ONCE(outer->n_inner));
	}
	used = bus1_used(account->used, i) + more;
	if (used > *left)
		return false;
	*left -= used;
	used = bus1_used(usage->used, i) + more;
	if (used > *left)
		return false;
	*left -= used;
	return true;
}

/* The counter of active shares that a share is one of. */
static atomic64_t *bus1_share_siblings(struct bus1_share *share)
{
	return share->outer ? &share->outer->n_inner : &share->receiver->n_shares;
}

static __always_inline s64 bus1_add_one(atomic64_t used[_BUS1_RESOURCE_N],
					const u64 amount[_BUS1_RESOURCE_N], s64 sign, size_t i)
{
	return amount[i] > 0 ? atomic64_add_return(sign * (s64)amount[i], &used[i]) : -1;
}

/* Add (sign 1) or subtract (-1). Return: the messages in use then; -1 when there are none in
 * amount. */
static __always_inline s64 bus1_add(atomic64_t used[_BUS1_RESOURCE_N],
				    const u64 amount[_BUS1_RESOURCE_N], s64 sign)
{
	bus1_add_one(used, amount, sign, BUS1_RESOURCE_BYTES);
	bus1_add_one(used, amount, sign, BUS1_RESOURCE_OBJECTS);
	bus1_add_one(used, amount, sign, BUS1_RESOURCE_FILES);
	return bus1_add_one(used, amount, sign, BUS1_RESOURCE_MESSAGES);
}

/* Add to a share and to those that it is inside of. The first message makes a share active. */
static void bus1_share_add(struct bus1_share *share, const u64 amount[_BUS1_RESOURCE_N])
{
	for (; share; share = share->outer) {
		if (bus1_add(share->used, amount, 1) != (s64)amount[BUS1_RESOURCE_MESSAGES])
			continue;
		refcount_inc(&share->actor->refs);
		atomic64_add(1, bus1_share_siblings(share));
	}
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
	struct bus1_share *outer;

	for (; share; share = outer) {
		/* It is still active, because it has the same message. */
		outer = share->outer;
		if (bus1_add(share->used, amount, -1) != 0)
			continue;
		atomic64_sub(1, bus1_share_siblings(share));
		/* This may free the share. */
		bus1_account_put(share->actor);
	}
}

/*
 * The number of active shares among which one is. When two threads make a share active and inactive
 * at the same time, it may be counted late.
 */
static u64 bus1_share_count(struct bus1_share *share)
{
	s64 n = atomic64_read(bus1_share_siblings(share));

	/* Objects that are not in a message are in flight, too, while they are charged. */
	if (atomic64_read(&share->used[BUS1_RESOURCE_MESSAGES]) == 0)
		++n;
	return max_t(s64, n, 1);
}

/* Whether the shares of a foreign user have room on a peer that is not charged yet. */
static __always_inline bool bus1_shares_fit(struct bus1_share *const *path, size_t depth,
					    const struct bus1_usage *usage,
					    const u64 amount[_BUS1_RESOURCE_N], size_t i)
{
	u64 more = bus1_amount(amount, i), left, used;

	if (more == 0)
		return true;
	if (!bus1_usage_left(usage, i, more, &left))
		return false;
	do {
		struct bus1_share *share = path[--depth];

		left = bus1_divide(left, bus1_share_count(share));
		used = bus1_used(share->used, i);
		if (used > left)
			return false;
		left -= used;
	} while (depth > 0);
	return true;
}

/* Whether a foreign user may charge a peer. The share was charged, the peer was not. */
static bool bus1_share_fits(struct bus1_share *share, const struct bus1_usage *usage,
			    const u64 amount[_BUS1_RESOURCE_N])
{
	struct bus1_share *path[BUS1_ACCOUNT_DEPTH];
	size_t n = 0;

	for (; share; share = share->outer)
		path[n++] = share;
	return bus1_shares_fit(path, n, usage, amount, BUS1_RESOURCE_BYTES) &&
	       bus1_shares_fit(path, n, usage, amount, BUS1_RESOURCE_OBJECTS) &&
	       bus1_shares_fit(path, n, usage, amount, BUS1_RESOURCE_MESSAGES) &&
	       bus1_shares_fit(path, n, usage, amount, BUS1_RESOURCE_FILES);
}

/* Charge a peer, even if that exceeds a limit. bus1_uncharge() takes the charge back. */
void bus1_charge_anyway(struct bus1_usage *usage, const u64 amount[_BUS1_RESOURCE_N])
{
	struct bus1_account *account = usage->account;
	size_t level;

	for (level = 0; unlikely(level + 1 < account->depth); level++)
		bus1_add(account->path[level]->used, amount, 1);
	bus1_add(account->used, amount, 1);
	bus1_add(usage->used, amount, 1);
}

/* Take back the charge of a peer, but not that of the share. */
void bus1_uncharge(struct bus1_usage *usage, const u64 amount[_BUS1_RESOURCE_N])
{
	struct bus1_account *account = usage->account;
	size_t level;

	bus1_add(usage->used, amount, -1);
	bus1_add(account->used, amount, -1);
	for (level = 0; unlikely(level + 1 < account->depth); level++)
		bus1_add(account->path[level]->used, amount, -1);
}

/* Whether a peer that was charged exceeds no limit of a resource. */
static __always_inline bool bus1_usage_fits(const struct bus1_usage *usage,
					    const u64 amount[_BUS1_RESOURCE_N], size_t i)
{
	u64 left;

	if (bus1_amount(amount, i) == 0)
		return true;
	if (!bus1_usage_left(usage, i, 0, &left))
		return false;
	return amount[i] == 0 || atomic64_read(&usage->used[i]) <= READ_ONCE(usage->max[i]);
}

/* The share of an actor. Most peers send to those of one user, so each remembers one share. */
static struct bus1_share *bus1_usage_share(struct bus1_account *account, struct bus1_usage *actor)
{
	struct bus1_share *share;

	if (actor->recent_receiver == account->number)
		return actor->recent;

	share = bus1_share_get(account, actor->account);
	if (!IS_ERR(share)) {
		actor->recent = share;
		actor->recent_receiver = account->number;
	}
	return share;
}

/**
 * bus1_charge() - charge a peer before something is put on it
 * @usage:	usage of the peer
 * @actor:	usage of the peer that causes the charge, whose lock is held
 * @amount:	amount of each resource
 * @ret_share:	set to the share of @actor, which is charged too; NULL when both peers have the same
 *		account
 *
 * bus1_uncharge_share() and bus1_uncharge() take the two charges back.
 *
 * Return: -EDQUOT, -ENOMEM.
 */
int bus1_charge(struct bus1_usage *usage, struct bus1_usage *actor,
		const u64 amount[_BUS1_RESOURCE_N], struct bus1_share **ret_share)
{
	struct bus1_account *account = usage->account;
	struct bus1_share *share = NULL;

	if (account != actor->account) {
		share = bus1_usage_share(account, actor);
		if (IS_ERR(share))
			return PTR_ERR(share);
		bus1_share_add(share, amount);
		if (!bus1_share_fits(share, usage, amount))
			goto uncharge_share;
	}

	bus1_charge_anyway(usage, amount);
	if (!bus1_usage_fits(usage, amount, BUS1_RESOURCE_BYTES) ||
	    !bus1_usage_fits(usage, amount, BUS1_RESOURCE_OBJECTS) ||
	    !bus1_usage_fits(usage, amount, BUS1_RESOURCE_MESSAGES) ||
	    !bus1_usage_fits(usage, amount, BUS1_RESOURCE_FILES))
		goto uncharge;
	*ret_share = share;
	return 0;

uncharge:
	bus1_uncharge(usage, amount);
uncharge_share:
	bus1_uncharge_share(account, share, amount);
	return -EDQUOT;
}

/**
 * bus1_charge_objects() - charge a peer for objects that are not in flight
 * @usage:	usage of the peer
 * @actor:	usage of the peer that causes the charge, whose lock is held
 * @n:		number of objects
 *
 * A foreign @actor must have room in its share, but the share is free again at once.
 * bus1_uncharge_objects() takes the charge back.
 *
 * Return: -EDQUOT, -ENOMEM.
 */
int bus1_charge_objects(struct bus1_usage *usage, struct bus1_usage *actor, u64 n)
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
	const u64 amount[_BUS1_RESOURCE_N] = { [BUS1_RESOURCE_OBJECTS] = 1 };

	bus1_charge_anyway(usage, amount);
}

/* Objects of a peer have gone. */
void bus1_uncharge_objects(struct bus1_usage *usage, u64 n)
{
	const u64 amount[_BUS1_RESOURCE_N] = { [BUS1_RESOURCE_OBJECTS] = n };

	bus1_uncharge(usage, amount);
}

static void bus1_files_add(struct bus1_account *sender, s64 n)
{
	size_t level;

	for (level = 0; unlikely(level + 1 < sender->depth); level++)
		atomic64_add(n, &sender->path[level]->files_inner);
	atomic64_add(n, &sender->files_sent);
}

/* Whether a sender that was charged for n files exceeded no limit before. */
static bool bus1_files_fit(const struct bus1_account *sender, u64 n, u64 max)
{
	u64 left = sender->accounts->limits.max[BUS1_RESOURCE_FILES], used;
	size_t level;

	if (max == U64_MAX)
		return true;
	for (level = 0; unlikely(level + 1 < sender->depth); level++) {
		const struct bus1_account *outer = sender->path[level];

		used = atomic64_read(&outer->files_inner) - n;
		if (used > left)
			return false;
		left = bus1_divide(left - used, READ_ONCE(outer->n_inner));
		max = min(max, left);
	}
	used = atomic64_read(&sender->files_sent) - n;
	return used <= max;
}

/**
 * bus1_charge_files() - charge a user for files in flight, in whatever queues they are
 * @sender:	account of the user
 * @n:		number of files
 * @max:	limit of the files in flight that this user has sent; U64_MAX when there is no limit
 *
 * Only files of earlier charges count, so that the last charge may exceed the limit. The users of a
 * namespace divide the limit of one user for BUS1_RESOURCE_FILES, besides what its owner sends.
 * bus1_uncharge_files() takes the charge back.
 *
 * Return: whether no limit was exceeded; otherwise there is no charge.
 */
bool bus1_charge_files(struct bus1_account *sender, u64 n, u64 max)
{
	bus1_files_add(sender, n);
	if (bus1_files_fit(sender, n, max))
		return true;
	bus1_uncharge_files(sender, n);
	return false;
}

/* Files are not in flight any more. */
void bus1_uncharge_files(struct bus1_account *sender, u64 n)
{
	bus1_files_add(sender, -(s64)n);
}
