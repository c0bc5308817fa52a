// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shares, see share.h
 */

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/slab.h>
#include "share.h"

/**
 * bus1_shares_init() - begin to look for the shares of a user
 * @shares:	set up, without any share yet
 * @receiver:	account of the receiver
 * @actor:	account of the user, who sends
 */
void bus1_shares_init(struct bus1_shares *shares, struct bus1_account *receiver,
		      const struct bus1_account *actor)
{
	size_t first = 0;

	/*
	 * An account that the actor is inside of has no share if it is the receiver's account, or
	 * if the receiver is inside of it, too.
	 */
	while (first + 1 < actor->depth && first < receiver->depth &&
	       actor->path[first] == receiver->path[first])
		++first;
	shares->receiver = receiver;
	shares->actor = actor;
	shares->first = first;
	shares->n = actor == receiver ? 0 : actor->depth - first;
	shares->spare = NULL;
}

/* Free the spare shares. */
void bus1_shares_destroy(struct bus1_shares *shares)
{
	struct bus1_share *share;

	while (unlikely(shares->spare)) {
		share = shares->spare;
		shares->spare = share->outer;
		kfree(share);
	}
}

static struct bus1_share *bus1_share_from_rb(struct rb_node *rb)
{
	return rb_entry(rb, struct bus1_share, rb);
}

/* Compare the place of a share in the tree of the receiver with another place. */
static int bus1_share_compare(const struct bus1_share *share, const struct bus1_share *outer,
			      u32 level, u64 key)
{
	if (share->key != key)
		return share->key < key ? -1 : 1;
	if (share->level != level)
		return share->level < level ? -1 : 1;
	if (share->outer == outer)
		return 0;
	return (unsigned long)share->outer < (unsigned long)outer ? -1 : 1;
}

static struct bus1_share *bus1_share_find(struct bus1_account *receiver,
					  const struct bus1_share *outer, u32 level, u64 key)
{
	struct rb_node *rb = receiver->shares.rb_node;

	while (rb) {
		struct bus1_share *share = bus1_share_from_rb(rb);
		int order = bus1_share_compare(share, outer, level, key);

		if (order == 0)
			return share;
		rb = order < 0 ? rb->rb_right : rb->rb_left;
	}
	return NULL;
}

/**
 * bus1_shares_find() - find the shares that exist
 * @shares:	its @path is set, to NULL for shares that do not exist
 */
void bus1_shares_find(struct bus1_shares *shares)
{
	struct bus1_share *share = NULL;
	size_t i;

	for (i = 0; i < shares->n; i++) {
		size_t level = shares->first + i;

		if (i == 0 || share)
			share = bus1_share_find(shares->receiver, share, level,
						shares->actor->path[level]->key);
		shares->path[i] = share;
	}
}

static void bus1_share_link(struct bus1_account *receiver, struct bus1_share *share)
{
	struct rb_node **slot = &receiver->shares.rb_node, *parent = NULL;

	bus1_account_assert_locked(receiver);

	while (*slot) {
		parent = *slot;
		slot = bus1_share_compare(bus1_share_from_rb(parent), share->outer, share->level,
					  share->key) < 0
			       ? &parent->rb_right
			       : &parent->rb_left;
	}
	rb_link_node(&share->rb, parent, slot);
	rb_insert_color(&share->rb, &receiver->shares);
}

/* Take a share out of the list of idle shares, if it is there. */
static void bus1_share_wake(struct bus1_account *receiver, struct bus1_share *share)
{
	if (list_empty(&share->idle))
		return;
	list_del_init(&share->idle);
	--receiver->n_idle;
}

/* If there are too many idle shares, free those that have been idle for the longest time. */
static void bus1_share_trim(struct bus1_account *receiver)
{
	size_t max = receiver->n_open > 0 ? BUS1_MAX_IDLE_SHARES : 0;

	while (receiver->n_idle > max) {
		struct bus1_share *share =
			list_first_entry(&receiver->idle, struct bus1_share, idle);
		struct bus1_share *outer = share->outer;

		bus1_share_wake(receiver, share);
		rb_erase(&share->rb, &receiver->shares);
		kfree(share);
		if (outer && --outer->n_inner == 0 && !bus1_share_is_active(outer)) {
			/* @outer goes next, because only the shares inside of it have kept it. */
			list_add(&outer->idle, &receiver->idle);
			++receiver->n_idle;
		}
	}
}

/* Put a share that is not active on the list of idle shares, unless another one is inside of it. */
static void bus1_share_rest(struct bus1_account *receiver, struct bus1_share *share)
{
	if (share->n_inner > 0)
		return;
	list_add_tail(&share->idle, &receiver->idle);
	++receiver->n_idle;
}

/**
 * bus1_shares_fill() - put spare shares where bus1_shares_find() has found none
 * @shares:	shares; the lock of the account was held since bus1_shares_find()
 *
 * Return: 0; -ENOMEM when there are too few spare shares. Then the caller releases the lock, calls
 * bus1_shares_alloc(), and begins again with bus1_shares_find().
 */
int bus1_shares_fill(struct bus1_shares *shares)
{
	struct bus1_share *share, *outer = NULL;
	size_t i;

	for (i = 0; i < shares->n; i++) {
		if (likely(shares->path[i])) {
			outer = shares->path[i];
			continue;
		}
		share = shares->spare;
		if (!share)
			return -ENOMEM;
		shares->spare = share->outer;
		share->level = shares->first + i;
		share->key = shares->actor->path[share->level]->key;
		share->outer = outer;
		INIT_LIST_HEAD(&share->idle);
		if (outer) {
			++outer->n_inner;
			bus1_share_wake(shares->receiver, outer);
		}
		bus1_share_link(shares->receiver, share);
		bus1_share_rest(shares->receiver, share);
		shares->path[i] = share;
		outer = share;
	}
	return 0;
}

/**
 * bus1_shares_alloc() - allocate as many shares as bus1_shares_fill() can need
 * @shares:	shares of which some are missing
 *
 * Return: whether there was memory.
 */
bool bus1_shares_alloc(struct bus1_shares *shares)
{
	struct bus1_share *share;
	size_t i;

	for (i = 0; i < shares->n; i++) {
		share = kzalloc(sizeof(*share), GFP_KERNEL_ACCOUNT);
		if (!share)
			return false;
		share->outer = shares->spare;
		shares->spare = share;
	}
	return true;
}

/* An account has one more peer. While it has peers, it keeps some idle shares. */
void bus1_shares_open(struct bus1_account *account)
{
	size_t i;

	bus1_account_lock(account);
	for (i = 0; i < account->depth; i++)
		++account->path[i]->n_open;
	bus1_account_unlock(account);
}

/* A peer of an account has ended. Without peers the account keeps no idle shares. */
void bus1_shares_close(struct bus1_account *account)
{
	size_t i;

	bus1_account_lock(account);
	for (i = 0; i < account->depth; i++) {
		--account->path[i]->n_open;
		bus1_share_trim(account->path[i]);
	}
	bus1_account_unlock(account);
}

/* The counter of the active shares that are inside of the same share as @share, or of none. */
static u64 *bus1_share_siblings(struct bus1_account *receiver, struct bus1_share *share)
{
	return share->outer ? &share->outer->n_active : &receiver->n_shares;
}

/**
 * bus1_share_begin() - charge the sender's shares for a message in flight
 * @receiver:	account of the receiver
 * @share:	share of the sender; NULL when sender and receiver have the same account
 * @amount:	what the message takes
 */
void bus1_share_begin(struct bus1_account *receiver, struct bus1_share *share,
		      const u64 amount[_BUS1_SUM_N_MESSAGE])
{
	u64 *siblings;
	size_t i;

	for (; share; share = share->outer) {
		if (!bus1_share_is_active(share)) {
			siblings = bus1_share_siblings(receiver, share);
			WRITE_ONCE(*siblings, *siblings + 1);
			bus1_share_wake(receiver, share);
		}
		for (i = 0; i < _BUS1_SUM_N_MESSAGE; i++)
			share->used[i] += amount[i];
	}
}

/* Undo bus1_share_begin(), because the message is not in flight any more. */
void bus1_share_end(struct bus1_account *receiver, struct bus1_share *share,
		    const u64 amount[_BUS1_SUM_N_MESSAGE])
{
	struct bus1_share *outer;
	u64 *siblings;
	size_t i;

	for (; share; share = outer) {
		outer = share->outer;
		for (i = 0; i < _BUS1_SUM_N_MESSAGE; i++)
			share->used[i] -= amount[i];
		if (bus1_share_is_active(share))
			continue;
		siblings = bus1_share_siblings(receiver, share);
		WRITE_ONCE(*siblings, *siblings - 1);
		bus1_share_rest(receiver, share);
	}
	bus1_share_trim(receiver);
}
