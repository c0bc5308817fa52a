// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounts, see acct.h
 */

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "acct.h"

static const u64 bus1_default_limits[_BUS1_RESOURCE_N] = {
	[BUS1_RESOURCE_BYTES] = BUS1_DEFAULT_MAX_BYTES,
	[BUS1_RESOURCE_OBJECTS] = BUS1_DEFAULT_MAX_OBJECTS,
	[BUS1_RESOURCE_MESSAGES] = BUS1_DEFAULT_MAX_MESSAGES,
	[BUS1_RESOURCE_FILES] = BUS1_DEFAULT_MAX_FILES,
};

void bus1_limits_fill(struct bus1_limits *limits, u64 memory)
{
	const u64 bytes = min_t(u64, memory / 8, BUS1_DEFAULT_MAX_BYTES);
	const u64 fit[_BUS1_RESOURCE_N] = {
		[BUS1_RESOURCE_BYTES] = bytes,
		[BUS1_RESOURCE_OBJECTS] = bytes / BUS1_COST_OBJECT,
		[BUS1_RESOURCE_MESSAGES] = bytes / BUS1_COST_MESSAGE,
		[BUS1_RESOURCE_FILES] = bytes / (16 * BUS1_COST_FILE),
	};
	size_t i;

	for (i = 0; i < _BUS1_RESOURCE_N; i++) {
		if (limits->max[i] == 0)
			limits->max[i] = min_t(u64, fit[i], bus1_default_limits[i]);
	}
}

struct bus1_accounts *bus1_accounts_new(const struct bus1_limits *limits)
{
	struct bus1_accounts *accounts;
	size_t i;

	accounts = kzalloc(sizeof(*accounts), GFP_KERNEL_ACCOUNT);
	if (!accounts)
		return ERR_PTR(-ENOMEM);

	refcount_set(&accounts->refs, 1);
	spin_lock_init(&accounts->lock);
	accounts->accounts = RB_ROOT;
	accounts->peers = RB_ROOT;
	for (i = 0; i < _BUS1_RESOURCE_N; i++) {
		u64 max = limits && limits->max[i] ? limits->max[i] : bus1_default_limits[i];

		/* Limits are so low that sums of charges cannot overflow. */
		accounts->limits.max[i] = min_t(u64, max, 1ULL << 60);
	}
	accounts->limits.max_copies = BUS1_DEFAULT_MAX_COPIES;
	if (limits && limits->max_copies)
		accounts->limits.max_copies = min_t(u64, limits->max_copies, 1ULL << 60);
	return accounts;
}

struct bus1_accounts *bus1_accounts_unref(struct bus1_accounts *accounts)
{
	if (accounts && refcount_dec_and_test(&accounts->refs))
		kfree(accounts);
	return NULL;
}

static struct bus1_account *bus1_account_from_rb(struct rb_node *rb)
{
	return rb_entry(rb, struct bus1_account, rb);
}

/* The order of the table: by key, then by the number of the account around it. */
static int bus1_account_compare(const struct bus1_account *account, u64 key, u64 outer)
{
	u64 own = bus1_account_outer(account);

	if (account->key != key)
		return account->key < key ? -1 : 1;
	return own < outer ? -1 : own > outer;
}

/* Find an account, and take a reference to it. The lock of the table is held. */
static struct bus1_account *bus1_account_find(struct bus1_accounts *accounts, u64 key, u64 outer)
{
	struct rb_node *rb = accounts->accounts.rb_node;

	lockdep_assert_held(&accounts->lock);

	while (rb) {
		struct bus1_account *account = bus1_account_from_rb(rb);
		int order = bus1_account_compare(account, key, outer);

		if (order == 0) {
			refcount_inc(&account->refs);
			return account;
		}
		rb = order < 0 ? rb->rb_right : rb->rb_left;
	}
	return NULL;
}

static void bus1_account_insert(struct bus1_accounts *accounts, struct bus1_account *account)
{
	struct rb_node **slot = &accounts->accounts.rb_node, *parent = NULL;
	u64 outer = bus1_account_outer(account);

	lockdep_assert_held(&accounts->lock);

	while (*slot) {
		parent = *slot;
		slot = bus1_account_compare(bus1_account_from_rb(parent), account->key, outer) < 0
			       ? &parent->rb_right
			       : &parent->rb_left;
	}
	rb_link_node(&account->rb, parent, slot);
	rb_insert_color(&account->rb, &accounts->accounts);
	account->number = ++accounts->last_account;
	refcount_inc(&accounts->refs);
	if (account->depth > 1) {
		struct bus1_account *owner = account->path[account->depth - 2];

		refcount_inc(&owner->refs);
		WRITE_ONCE(owner->n_inner, owner->n_inner + 1);
	}
}

/* Allocate an account, but leave it out of the table: bus1_account_insert() puts it in. */
static struct bus1_account *bus1_account_new(struct bus1_accounts *accounts,
					     struct bus1_account *outer, u64 key)
{
	size_t depth = outer ? outer->depth + 1 : 1;
	struct bus1_account *account;

	account = kzalloc(struct_size(account, path, depth), GFP_KERNEL_ACCOUNT);
	if (!account)
		return NULL;
	refcount_set(&account->refs, 1);
	account->accounts = accounts;
	account->key = key;
	account->uid = KUIDT_INIT(key & BUS1_KEY_NAMESPACE ? (uid_t)-1 : (uid_t)key);
	spin_lock_init(&account->lock);
	account->shares = RB_ROOT;
	INIT_LIST_HEAD(&account->idle);
	account->depth = depth;
	if (outer)
		memcpy(account->path, outer->path, outer->depth * sizeof(*outer->path));
	account->path[depth - 1] = account;
	return account;
}

/* Get or make the account with @key that is directly inside of @outer, which may be NULL. */
static struct bus1_account *bus1_account_enter(struct bus1_accounts *accounts,
					       struct bus1_account *outer, u64 key)
{
	u64 number = outer ? outer->number : 0;
	struct bus1_account *account, *made;

	spin_lock(&accounts->lock);
	account = bus1_account_find(accounts, key, number);
	spin_unlock(&accounts->lock);
	if (account)
		return account;

	made = bus1_account_new(accounts, outer, key);
	if (!made)
		return ERR_PTR(-ENOMEM);
	spin_lock(&accounts->lock);
	account = bus1_account_find(accounts, key, number);
	if (!account)
		bus1_account_insert(accounts, made);
	spin_unlock(&accounts->lock);
	if (!account)
		return made;
	kfree(made);
	return account;
}

/**
 * bus1_account_get() - get the account of a user, or make it
 * @accounts:	table
 * @principal:	user
 *
 * Return: the account with a reference for the caller; ERR_PTR(-ENOMEM).
 */
struct bus1_account *bus1_account_get(struct bus1_accounts *accounts,
				      const struct bus1_principal *principal)
{
	struct bus1_account *account = NULL, *inner;
	size_t i;

	for (i = 0; i <= principal->n_outer; i++) {
		inner = bus1_account_enter(accounts, account,
					   i < principal->n_outer ? principal->outer[i]
								  : __kuid_val(principal->uid));
		if (account)
			bus1_account_put(account);
		if (IS_ERR(inner))
			return inner;
		account = inner;
	}
	return account;
}

/* Free an account that has left the table. Its shares are idle. */
static void bus1_account_free(struct bus1_account *account)
{
	struct bus1_accounts *accounts = account->accounts;
	struct rb_node *rb;
	size_t i;

	for (i = 0; i < _BUS1_SUM_N; i++)
		WARN_ON(account->used[i] > 0);
	WARN_ON(account->files_sent > 0 || account->n_shares > 0 || account->n_inner > 0);
	while ((rb = rb_first(&account->shares))) {
		rb_erase(rb, &account->shares);
		kfree(rb_entry(rb, struct bus1_share, rb));
	}
	kfree(account);
	bus1_accounts_unref(accounts);
}

/*
 * Drop a reference to an account. Dropping the last one frees the account, and also drops its
 * reference to the account that it is directly inside of.
 */
void bus1_account_put(struct bus1_account *account)
{
	while (account) {
		struct bus1_accounts *accounts = account->accounts;
		struct bus1_account *outer = NULL;

		/*
		 * A thread takes the lock only if it finds no other reference. If every thread took
		 * the lock, one thread could still be releasing it while another one frees the last
		 * account, and with it the table that has the lock.
		 */
		if (!refcount_dec_and_lock(&account->refs, &accounts->lock))
			return;
		/*
		 * sparse does not know that refcount_dec_and_lock() takes the lock. With
		 * PREEMPT_RT, sparse does not see any spinlock.
		 */
		if (!IS_ENABLED(CONFIG_PREEMPT_RT))
			__acquire(&accounts->lock);
		rb_erase(&account->rb, &accounts->accounts);
		if (account->depth > 1) {
			outer = account->path[account->depth - 2];
			WRITE_ONCE(outer->n_inner, outer->n_inner - 1);
		}
		spin_unlock(&accounts->lock);
		bus1_account_free(account);
		account = outer;
	}
}

/**
 * bus1_account_next() - find the next account of a table
 * @accounts:	table
 * @key:	least key
 * @outer:	for this key: least number of the account that it is inside of
 *
 * Return: the account with a reference for the caller; NULL when there are no more.
 */
struct bus1_account *bus1_account_next(struct bus1_accounts *accounts, u64 key, u64 outer)
{
	struct bus1_account *found = NULL;
	struct rb_node *rb;

	spin_lock(&accounts->lock);
	rb = accounts->accounts.rb_node;
	while (rb) {
		struct bus1_account *account = bus1_account_from_rb(rb);

		if (bus1_account_compare(account, key, outer) >= 0) {
			found = account;
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	if (found)
		refcount_inc(&found->refs);
	spin_unlock(&accounts->lock);
	return found;
}

void bus1_accounts_usage(struct bus1_accounts *accounts, size_t *ret_n_accounts,
			 u64 ret_used[_BUS1_RESOURCE_N])
{
	u64 key = 0, outer = 0;
	struct bus1_account *account;
	size_t i;

	*ret_n_accounts = 0;
	memset(ret_used, 0, _BUS1_RESOURCE_N * sizeof(*ret_used));
	while ((account = bus1_account_next(accounts, key, outer))) {
		++*ret_n_accounts;
		/* An outermost account includes all accounts inside of it. */
		for (i = 0; i < _BUS1_RESOURCE_N && account->depth == 1; i++)
			ret_used[i] += READ_ONCE(account->used[i]);
		key = account->key;
		outer = bus1_account_outer(account) + 1;
		bus1_account_put(account);
		cond_resched();
	}
}
