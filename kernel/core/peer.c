// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers, see peer.h
 */

#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "peer.h"
#include "pool.h"

/* IDs have 64 bits, so the index of the map needs as many. */
static_assert(sizeof(unsigned long) >= sizeof(u64), "needs 64 bits");

/* Enter a peer into the table of all. */
static int bus1_peer_register(struct bus1_peer *peer)
{
	struct bus1_accounts *accounts = peer->account->accounts;
	int r;

	mutex_lock(&accounts->lock);
	r = xa_err(xa_store(&accounts->peers, accounts->last_peer + 1, peer, GFP_KERNEL_ACCOUNT));
	if (r == 0)
		peer->number = ++accounts->last_peer;
	mutex_unlock(&accounts->lock);
	return r;
}

static void bus1_peer_unregister(struct bus1_peer *peer)
{
	struct bus1_accounts *accounts = peer->account->accounts;

	mutex_lock(&accounts->lock);
	xa_erase(&accounts->peers, peer->number);
	mutex_unlock(&accounts->lock);
}

struct bus1_peer *bus1_peer_new(struct bus1_accounts *accounts, kuid_t uid, bus1_wake_t wake,
				void *data)
{
	struct bus1_account *account;
	struct bus1_peer *peer;
	int r;

	account = bus1_account_get(accounts, uid);
	if (IS_ERR(account))
		return ERR_PTR(PTR_ERR(account));

	peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);
	if (!peer) {
		bus1_account_put(account);
		return ERR_PTR(-ENOMEM);
	}

	refcount_set(&peer->refs, 1);
	peer->account = account;
	bus1_usage_init(&peer->usage);
	bus1_queue_init(&peer->queue, peer, wake, data);
	mutex_init(&peer->recv_lock);
	mutex_init(&peer->lock);
	xa_init(&peer->objects);
	r = bus1_peer_register(peer);
	if (r < 0) {
		peer->disconnected = true;
		bus1_peer_unref(peer);
		return ERR_PTR(r);
	}
	return peer;
}

struct bus1_peer *bus1_peer_ref(struct bus1_peer *peer)
{
	refcount_inc(&peer->refs);
	return peer;
}

struct bus1_peer *bus1_peer_unref(struct bus1_peer *peer)
{
	if (peer && refcount_dec_and_test(&peer->refs)) {
		WARN_ON(!peer->disconnected);
		bus1_peer_unregister(peer);
		xa_destroy(&peer->objects);
		bus1_pool_free(peer->pool);
		mutex_destroy(&peer->lock);
		mutex_destroy(&peer->recv_lock);
		bus1_account_put(peer->account);
		kfree(peer);
	}
	return NULL;
}

kuid_t bus1_peer_uid(const struct bus1_peer *peer)
{
	return peer->account->uid;
}

unsigned int bus1_peer_poll(struct bus1_peer *peer)
{
	unsigned int flags = 0;
	bool sealed;

	if (bus1_queue_is_readable(&peer->queue, &sealed))
		flags |= BUS1_POLL_READABLE;
	if (sealed)
		flags |= BUS1_POLL_HANGUP;
	return flags;
}

/* Lock two peers, which may be the same one, in the same order for all callers. */
void bus1_peer_lock_two(struct bus1_peer *a, struct bus1_peer *b)
{
	if (a == b) {
		mutex_lock(&a->lock);
	} else if ((unsigned long)a < (unsigned long)b) {
		mutex_lock(&a->lock);
		mutex_lock_nested(&b->lock, SINGLE_DEPTH_NESTING);
	} else {
		mutex_lock(&b->lock);
		mutex_lock_nested(&a->lock, SINGLE_DEPTH_NESTING);
	}
}

void bus1_peer_unlock_two(struct bus1_peer *a, struct bus1_peer *b)
{
	mutex_unlock(&a->lock);
	if (a != b)
		mutex_unlock(&b->lock);
}

/* All managed IDs are odd. Dividing them by two leaves no holes in the map. */
static unsigned long bus1_id_to_index(u64 id)
{
	return id >> 1;
}

/* Find the object that an ID names. NULL when there is none. */
struct bus1_object *bus1_peer_find(struct bus1_peer *peer, u64 id)
{
	struct bus1_object *object;

	lockdep_assert_held(&peer->lock);

	if (!(id & BUS1_MANAGED))
		return NULL;
	object = xa_load(&peer->objects, bus1_id_to_index(id));
	return object && object->state == BUS1_OBJECT_HELD ? object : NULL;
}

/**
 * bus1_peer_add() - give an object an ID
 * @peer:	peer it belongs to
 * @object:	object in state NEW without an ID. The map takes no reference yet.
 *
 * The ID names nothing before bus1_peer_hold().
 *
 * Return: -ENOMEM.
 */
int bus1_peer_add(struct bus1_peer *peer, struct bus1_object *object)
{
	u64 id = peer->last_id + 2;
	int r;

	lockdep_assert_held(&peer->lock);

	id |= BUS1_MANAGED;
	r = xa_err(xa_store(&peer->objects, bus1_id_to_index(id), object, GFP_KERNEL_ACCOUNT));
	if (r < 0)
		return r;
	peer->last_id = id;
	object->id = id;
	return 0;
}

/* Let the ID of an object name it. The map takes over the caller's reference. */
void bus1_peer_hold(struct bus1_peer *peer, struct bus1_object *object)
{
	lockdep_assert_held(&peer->lock);

	object->state = BUS1_OBJECT_HELD;
	if (object->is_node)
		++peer->n_nodes;
	else
		++peer->n_handles;
}

/**
 * bus1_peer_remove() - end an ID
 * @peer:	peer
 * @object:	object that has an ID. When it was held, the caller takes over the reference of the
 * map.
 */
void bus1_peer_remove(struct bus1_peer *peer, struct bus1_object *object)
{
	lockdep_assert_held(&peer->lock);

	if (object->state != BUS1_OBJECT_NEW) {
		if (object->is_node)
			--peer->n_nodes;
		else
			--peer->n_handles;
	}
	xa_erase(&peer->objects, bus1_id_to_index(object->id));
	object->state = BUS1_OBJECT_GONE;
}
