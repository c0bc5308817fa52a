// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers, see peer.h
 */

#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/slab.h>
#include "peer.h"
#include "pool.h"

/* Add a peer to the table. It gets the greatest number so far, so it becomes the rightmost one. */
static void bus1_peer_register(struct bus1_accounts *accounts, struct bus1_peer *peer)
{
	struct rb_node **slot, *parent = NULL;

	spin_lock(&accounts->lock);
	peer->number = ++accounts->last_peer;
	slot = &accounts->peers.rb_node;
	while (*slot) {
		parent = *slot;
		slot = &parent->rb_right;
	}
	rb_link_node(&peer->rb, parent, slot);
	rb_insert_color(&peer->rb, &accounts->peers);
	spin_unlock(&accounts->lock);
}

struct bus1_peer *bus1_peer_new_for(struct bus1_accounts *accounts,
				    const struct bus1_principal *principal, bus1_wake_t wake,
				    void *data)
{
	struct bus1_account *account;
	struct bus1_peer *peer;

	account = bus1_account_get(accounts, principal);
	if (IS_ERR(account))
		return ERR_CAST(account);

	peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);
	if (!peer) {
		bus1_account_put(account);
		return ERR_PTR(-ENOMEM);
	}

	refcount_set(&peer->refs, 1);
	bus1_usage_init(&peer->usage, account);
	bus1_shares_open(account);
	bus1_queue_init(&peer->queue, peer, wake, data);
	mutex_init(&peer->recv_lock);
	mutex_init(&peer->lock);
	bus1_map_init(&peer->objects);
	bus1_peer_register(accounts, peer);
	return peer;
}

struct bus1_peer *bus1_peer_new(struct bus1_accounts *accounts, kuid_t uid, bus1_wake_t wake,
				void *data)
{
	const struct bus1_principal principal = { .uid = uid };

	return bus1_peer_new_for(accounts, &principal, wake, data);
}

struct bus1_peer *bus1_peer_ref(struct bus1_peer *peer)
{
	refcount_inc(&peer->refs);
	return peer;
}

struct bus1_peer *bus1_peer_unref(struct bus1_peer *peer)
{
	if (peer && refcount_dec_and_test(&peer->refs)) {
		struct bus1_accounts *accounts = peer->usage.account->accounts;

		WARN_ON(!peer->disconnected);
		spin_lock(&accounts->lock);
		rb_erase(&peer->rb, &accounts->peers);
		spin_unlock(&accounts->lock);
		bus1_pool_free(peer->pool);
		mutex_destroy(&peer->lock);
		mutex_destroy(&peer->recv_lock);
		bus1_account_put(peer->usage.account);
		kfree(peer);
	}
	return NULL;
}

/* The first peer of a table whose number is not below @number, without a reference; or NULL. */
static struct bus1_peer *bus1_peer_find_number(struct bus1_accounts *accounts, unsigned long number)
{
	struct rb_node *rb = accounts->peers.rb_node;
	struct bus1_peer *found = NULL;

	lockdep_assert_held(&accounts->lock);

	while (rb) {
		struct bus1_peer *peer = rb_entry(rb, struct bus1_peer, rb);

		if (peer->number >= number) {
			found = peer;
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	return found;
}

/**
 * bus1_peer_next() - find the next peer of a table
 * @accounts:	table
 * @number:	least number that the peer may have
 *
 * Peers that are about to be freed are skipped.
 *
 * Return: the peer with a reference for the caller; NULL when there are no more.
 */
struct bus1_peer *bus1_peer_next(struct bus1_accounts *accounts, unsigned long number)
{
	struct bus1_peer *peer;
	bool found;

	do {
		spin_lock(&accounts->lock);
		peer = bus1_peer_find_number(accounts, number);
		if (peer)
			number = peer->number + 1;
		found = !peer || refcount_inc_not_zero(&peer->refs);
		spin_unlock(&accounts->lock);
	} while (!found);
	return peer;
}

kuid_t bus1_peer_uid(const struct bus1_peer *peer)
{
	return peer->usage.account->uid;
}

void bus1_accounts_set_ask(struct bus1_accounts *accounts, bus1_ask_t ask)
{
	accounts->ask = ask;
}

void bus1_peer_set_opener(struct bus1_peer *peer, const struct cred *opener)
{
	WRITE_ONCE(peer->opener, opener);
}

const struct cred *bus1_peer_opener(const struct bus1_peer *peer)
{
	return READ_ONCE(peer->opener);
}

unsigned int bus1_peer_poll(struct bus1_peer *peer)
{
	bool sealed, readable = bus1_queue_is_readable(&peer->queue, &sealed);

	return (readable ? BUS1_POLL_READABLE : 0) | (sealed ? BUS1_POLL_HANGUP : 0);
}

/*
 * Lock two peers, which may be the same one. They are locked in the order of their addresses, so
 * that two threads cannot wait for each other. Returns 0. On failure no peer is locked: -EINTR when
 * the task is killed while it waits; -ESHUTDOWN when one of the peers was disconnected.
 */
int bus1_peer_lock_two(struct bus1_peer *a, struct bus1_peer *b)
{
	struct bus1_peer *first = (unsigned long)a < (unsigned long)b ? a : b;
	struct bus1_peer *second = first == a ? b : a;

	if (mutex_lock_killable(&first->lock))
		return -EINTR;
	if (a != b && mutex_lock_killable_nested(&second->lock, SINGLE_DEPTH_NESTING)) {
		mutex_unlock(&first->lock);
		return -EINTR;
	}
	if (!a->disconnected && !b->disconnected)
		return 0;
	bus1_peer_unlock_two(a, b);
	return -ESHUTDOWN;
}

void bus1_peer_unlock_two(struct bus1_peer *a, struct bus1_peer *b)
{
	mutex_unlock(&a->lock);
	if (a != b)
		mutex_unlock(&b->lock);
}

/* The object with an ID if its state is HELD; else NULL. */
struct bus1_object *bus1_peer_find(struct bus1_peer *peer, u64 id)
{
	struct bus1_object *object;

	lockdep_assert_held(&peer->lock);

	object = bus1_map_find(&peer->objects, id);
	return object && object->state == BUS1_OBJECT_HELD ? object : NULL;
}

/**
 * bus1_peer_add() - give an object an ID
 * @peer:	peer it belongs to
 * @object:	object in state NEW without an ID. The map takes no reference yet.
 *
 * The user cannot use the ID before bus1_peer_hold().
 */
void bus1_peer_add(struct bus1_peer *peer, struct bus1_object *object)
{
	lockdep_assert_held(&peer->lock);

	bus1_map_add(&peer->objects, object);
}

/* The counter of the objects of the same kind as @object. */
static u64 *bus1_peer_counter(struct bus1_peer *peer, const struct bus1_object *object)
{
	return object->is_node ? &peer->n_nodes : &peer->n_handles;
}

/* From now on the user can use the ID of an object. The map takes over the caller's reference. */
void bus1_peer_hold(struct bus1_peer *peer, struct bus1_object *object)
{
	lockdep_assert_held(&peer->lock);

	object->state = BUS1_OBJECT_HELD;
	++*bus1_peer_counter(peer, object);
}

/**
 * bus1_peer_remove() - end an ID
 * @peer:	peer
 * @object:	object with an ID. Unless its state is NEW, the caller takes over the map's
 *		reference.
 */
void bus1_peer_remove(struct bus1_peer *peer, struct bus1_object *object)
{
	lockdep_assert_held(&peer->lock);

	if (object->state != BUS1_OBJECT_NEW)
		--*bus1_peer_counter(peer, object);
	bus1_map_remove(&peer->objects, object);
	object->state = BUS1_OBJECT_GONE;
}
