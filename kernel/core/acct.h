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
 * charge.h describes the limits. A *share* is what one user has in flight on the account of
 * another. It is made by the first charge of that pair, and lives as long as both accounts.
 *
 * Every lock here is a spinlock that is held for a bounded time. Memory is allocated before a lock
 * is taken.
 */

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include "core.h"

/* the accounts that one is inside of, and itself */
#define BUS1_ACCOUNT_DEPTH (2 * BUS1_MAX_NAMESPACES + 1)

/**
 * struct bus1_accounts - a table of accounts
 * @limits:	limits of each account; they do not change
 * @ask:	whom to ask about the peers; NULL for nobody. It does not change.
 * @refs:	references; each account has one
 * @lock:	protects the following, and struct bus1_account.sent of every account
 * @accounts:	struct bus1_account by key and enclosing account, without references. An account
 *		leaves the table when it loses its last one.
 * @last_account: number of the newest account
 * @peers:	struct bus1_peer by number, without references. A peer that is found here may have
 *		lost its last one, and is about to be freed.
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
 * @used:	amount in use of each resource, including accounts inside of this one
 * @n_shares:	number of @shares with messages in flight that are inside of no other share
 * @lock:	protects @shares
 * @shares:	by address of the actor, a struct bus1_share of each user that has sent to this one
 * @refs:	references; the last one is dropped with the lock of the table held. Each peer has
 *		one, each account inside of this one, and each share of this user elsewhere while
 *		messages are in flight.
 * @accounts:	the table that it is in
 * @rb:		link in the table
 * @key:	names it among the accounts inside of the same one
 * @number:	its number; no two accounts of a table ever have the same
 * @uid:	user; not valid for the account of a namespace
 * @sent:	the shares of this user on other accounts
 * @pending:	bytes of memory that commands of its peers, and of accounts inside of this one, hold
 *		while they are under way
 * @files_sent:	files in messages that its peers have sent, and that are in flight anywhere
 * @files_inner: the same for all accounts inside of this one
 * @n_inner:	number of accounts directly inside of this one; written with the lock of the table
 * @depth:	number of elements of @path
 * @path:	the accounts that this one is inside of, from the outermost inwards, and itself.
 *		There is a reference to the one before the last.
 */
struct bus1_account {
	atomic64_t used[_BUS1_RESOURCE_N];
	atomic64_t n_shares;
	spinlock_t lock;
	struct rb_root shares;

	refcount_t refs;
	struct bus1_accounts *accounts;
	struct rb_node rb;
	u64 key;
	u64 number;
	kuid_t uid;
	struct list_head sent;
	atomic64_t pending;
	atomic64_t files_sent;
	atomic64_t files_inner;
	unsigned long n_inner;
	size_t depth;
	struct bus1_account *path[];
};

/**
 * struct bus1_share - the resources that one user has in flight on the account of another
 * @used:	amount in flight of each resource, including shares inside of this one
 * @n_inner:	number of shares with messages in flight directly inside of this one
 * @outer:	share that it is inside of; NULL when there is none. It belongs to the account that
 *		@actor is inside of.
 * @actor:	account of the user that sends; referenced while messages are in flight
 * @receiver:	account that it is on
 * @rb:		link in @receiver
 * @link:	link in @actor
 *
 * Whoever uses it has a reference to @receiver, and has one to @actor or messages in flight.
 */
struct bus1_share {
	atomic64_t used[_BUS1_RESOURCE_N];
	atomic64_t n_inner;
	struct bus1_share *outer;
	struct bus1_account *actor;
	struct bus1_account *receiver;
	struct rb_node rb;
	struct list_head link;
};

struct bus1_account *bus1_account_get(struct bus1_accounts *accounts,
				      const struct bus1_principal *principal);
void bus1_account_put(struct bus1_account *account);
struct bus1_account *bus1_account_next(struct bus1_accounts *accounts, u64 key, u64 outer);

/* The number of the account that one is inside of; 0 when there is none. */
static inline u64 bus1_account_outer(const struct bus1_account *account)
{
	return account->depth > 1 ? account->path[account->depth - 2]->number : 0;
}

struct bus1_share *bus1_share_get(struct bus1_account *receiver, struct bus1_account *actor);

#endif /* __BUS1_ACCT_H */
