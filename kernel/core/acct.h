/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_ACCT_H
#define __BUS1_ACCT_H

/*
 * Accounts
 *
 * Every peer belongs to the account of its user. Users that live in a user namespace have accounts
 * inside of the account of the namespace, which is inside of the account of its owner:
 *
 *	user 1000 <--- namespace <--- user 100005
 *	                         <--- user 100006 <--- namespace <--- user 165536
 *
 * So the accounts form trees, and what is charged to an account is also charged to those that it is
 * inside of. The owner of a namespace in its own namespace is the same user as outside. Without
 * namespaces an account is alone in its tree.
 *
 * charge.h describes the limits. share.h describes what users have in flight on accounts of others.
 *
 * Every lock here is a spinlock that is held for a bounded time. No memory is allocated while one
 * of them is held.
 */

#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include "core.h"

/* the most elements of bus1_account.path: an account, and those that it is inside of */
#define BUS1_ACCOUNT_DEPTH (2 * BUS1_MAX_NAMESPACES + 1)

/**
 * enum bus1_sum - what is charged to peers and accounts, besides the resources
 * @BUS1_SUM_KEPT:	bytes of memory that messages keep besides their data and BUS1_COST_*; they
 *			count towards the limit of BUS1_RESOURCE_BYTES
 * @BUS1_SUM_COPIES:	handles that another user than the owner of their node has passed on
 * @_BUS1_SUM_N_MESSAGE: number of sums that a message is charged for
 * @BUS1_SUM_PENDING:	bytes of memory that commands under way are charged for
 * @_BUS1_SUM_N_PEER:	number of sums of a peer
 * @BUS1_SUM_FILES_INNER: files in flight anywhere that accounts inside of this one have sent
 * @_BUS1_SUM_N:	number of sums of an account
 */
enum bus1_sum {
	BUS1_SUM_KEPT = _BUS1_RESOURCE_N,
	BUS1_SUM_COPIES,
	_BUS1_SUM_N_MESSAGE,
	BUS1_SUM_PENDING = _BUS1_SUM_N_MESSAGE,
	_BUS1_SUM_N_PEER,
	BUS1_SUM_FILES_INNER = _BUS1_SUM_N_PEER,
	_BUS1_SUM_N,
};

/**
 * struct bus1_accounts - a table of accounts
 * @limits:	limits of each account; they do not change
 * @ask:	whom to ask about the peers; NULL for nobody. Does not change once there are peers.
 * @refs:	references; each account has one
 * @lock:	protects the following
 * @accounts:	struct bus1_account by key and enclosing account, without references. An account
 *		leaves the table when it loses its last reference.
 * @last_account: number of the newest account
 * @peers:	struct bus1_peer by number, without references. A peer that is found here may have
 *		lost its last reference already. Then it is about to be freed.
 * @last_peer:	number of the newest peer
 */
struct bus1_accounts {
	struct bus1_limits limits;
	bus1_ask_t ask;
	refcount_t refs;
	spinlock_t lock;
	struct rb_root accounts;
	u64 last_account;
	struct rb_root peers;
	unsigned long last_peer;
};

/**
 * struct bus1_account - the resources of one user or namespace
 * @lock:	used only in an outermost account. There it protects @used, @files_sent, @n_shares,
 *		@shares, @idle, @n_idle and @n_open of this account and of all accounts inside of
 *		it, the sums of their peers, and their shares. Whoever holds it takes no other lock
 *		of the core.
 * @used:	amount in use of each resource, and of each enum bus1_sum, including accounts inside
 *		of this one
 * @files_sent:	files in messages that its peers have sent, and that are in flight anywhere
 * @n_shares:	number of active @shares that are inside of no other share
 * @shares:	struct bus1_share of users that have sent to peers of this account
 * @idle:	idle shares that no other share is inside of; the first one is freed first
 * @n_idle:	number of elements of @idle
 * @n_open:	number of peers that have not ended, including those of accounts inside of this one
 * @refs:	references; the last one is dropped with the lock of the table held. Each peer of
 *		the account has one, and so has each account directly inside of it, and each payload
 *		with files that one of its peers sends.
 * @accounts:	the table that it is in
 * @rb:		link in the table
 * @key:	names it among the accounts that are directly inside of the same account
 * @number:	its number; no two accounts of a table ever have the same
 * @uid:	user; not valid for the account of a namespace
 * @n_inner:	number of accounts directly inside of this one; written with the lock of the table
 *		held
 * @depth:	number of elements of @path
 * @path:	the accounts that this one is inside of, from the outermost inwards, and itself.
 *		This account has a reference to the account before the last, if there is one.
 */
struct bus1_account {
	spinlock_t lock;
	u64 used[_BUS1_SUM_N];
	u64 files_sent;
	u64 n_shares;
	struct rb_root shares;
	struct list_head idle;
	size_t n_idle;
	unsigned long n_open;

	refcount_t refs;
	struct bus1_accounts *accounts;
	struct rb_node rb;
	u64 key;
	u64 number;
	kuid_t uid;
	unsigned long n_inner;
	size_t depth;
	struct bus1_account *path[];
};

/**
 * struct bus1_share - what one user has in flight on the account of another, see share.h
 * @used:	amount in flight of all that messages are charged for, including shares inside of
 *		this one
 * @n_active:	number of active shares directly inside of this one
 * @n_inner:	number of shares directly inside of this one, active and idle
 * @level:	index of the user's account in the path of this account
 * @key:	key of the user's account
 * @outer:	share that this one is directly inside of; NULL when there is none
 * @rb:		link in the account of the receiver
 * @idle:	link in the idle shares of the receiver; empty while the share is active, or another
 *		share is inside of it
 */
struct bus1_share {
	u64 used[_BUS1_SUM_N_MESSAGE];
	u64 n_active;
	u32 n_inner;
	u32 level;
	u64 key;
	struct bus1_share *outer;
	struct rb_node rb;
	struct list_head idle;
};

struct bus1_account *bus1_account_get(struct bus1_accounts *accounts,
				      const struct bus1_principal *principal);
void bus1_account_put(struct bus1_account *account);
struct bus1_account *bus1_account_next(struct bus1_accounts *accounts, u64 key, u64 outer);

/* The number of the account that @account is directly inside of; 0 when there is none. */
static inline u64 bus1_account_outer(const struct bus1_account *account)
{
	return account->depth > 1 ? account->path[account->depth - 2]->number : 0;
}

/* Lock what is charged to an account, and to all others that have the same outermost account. */
static inline void bus1_account_lock(struct bus1_account *account)
{
	spin_lock(&account->path[0]->lock);
}

static inline void bus1_account_unlock(struct bus1_account *account)
{
	spin_unlock(&account->path[0]->lock);
}

static inline void bus1_account_assert_locked(const struct bus1_account *account)
{
	lockdep_assert_held(&account->path[0]->lock);
}

#endif /* __BUS1_ACCT_H */
