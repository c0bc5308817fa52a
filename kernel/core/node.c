// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes and handles, see node.h
 */

#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "invariant.h"
#include "node.h"
#include "peer.h"
#include "tx.h"

/* User space has larger links of trees, see the shim. */
static_assert(sizeof(struct bus1_handle) - 2 * sizeof(struct rb_node) <= 80,
	      "a handle needs more than 128 bytes");

/* number of handles to unlink before other threads get the lock of the node */
#define BUS1_NODE_BATCH 64

static void bus1_object_init(struct bus1_object *object, bool is_node)
{
	object->id = BUS1_INVALID;
	object->state = BUS1_OBJECT_NEW;
	object->is_node = is_node;
}

/**
 * bus1_node_new() - make a node, and charge its owner for one object
 * @owner:	its owner
 * @oneshot:	whether it accepts only one message
 *
 * Return: the node; bus1_node_disown() drops the reference and ends the charge. ERR_PTR(-EDQUOT),
 * ERR_PTR(-ENOMEM).
 */
struct bus1_node *bus1_node_new(struct bus1_peer *owner, bool oneshot)
{
	struct bus1_node *node;
	int r;

	r = bus1_charge_objects(&owner->usage, &owner->usage, 1, 0);
	if (r < 0)
		return ERR_PTR(r);

	node = kmalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	if (!node) {
		bus1_uncharge_objects(&owner->usage, 1, 0);
		return ERR_PTR(-ENOMEM);
	}

	refcount_set(&node->refs, 1);
	refcount_set(&node->owned, 1);
	bus1_object_init(&node->object, true);
	node->owner = bus1_peer_ref(owner);
	node->oneshot = oneshot;
	node->persistent = false;
	/* What is queued was sent when the node did not exist. */
	node->cut = bus1_queue_sync(&owner->queue, 0);
	spin_lock_init(&node->lock);
	node->dead = false;
	INIT_LIST_HEAD(&node->handles);
	node->idle = NULL;
	bus1_queue_entry_init(&node->release, BUS1_ENTRY_HANDLE_RELEASE, owner);
	return node;
}

void bus1_node_unref(struct bus1_node *node)
{
	if (node && refcount_dec_and_test(&node->refs)) {
		bus1_peer_unref(node->owner);
		kfree(node);
	}
}

/* Drop a reference of the owner. Dropping the last one ends the charge of the owner. */
void bus1_node_disown(struct bus1_node *node)
{
	if (refcount_dec_and_test(&node->owned)) {
		bus1_uncharge_objects(&node->owner->usage, 1, 0);
		bus1_node_unref(node);
	}
}

/*
 * Kill a node that has no handles, and take a reference for the notification, which the caller
 * queues. The owner did not release the node, so the map of the owner still has a reference too.
 */
static void bus1_node_die(struct bus1_node *node)
{
	lockdep_assert_held(&node->lock);
	bus1_invariant("die-once", !node->dead);

	WRITE_ONCE(node->dead, true);
	refcount_inc(&node->owned);
}

/* Take a handle out of the list of its node, unless that has happened already. */
static void bus1_handle_unlink(struct bus1_handle *handle)
{
	lockdep_assert_held(&handle->node->lock);

	if (handle->linked)
		list_del_init(&handle->release.link);
	handle->linked = false;
}

/**
 * bus1_node_release() - kill a node and notify the holders of its handles
 * @node:	node, which may be dead already
 * @tx:		transaction that gets the notifications
 *
 * There is no notification about a handle that the sender of the transaction releases as well.
 */
void bus1_node_release(struct bus1_node *node, struct bus1_tx *tx)
{
	unsigned int n;
	bool more;

	do {
		spin_lock(&node->lock);
		WRITE_ONCE(node->dead, true);
		for (n = 0; n < BUS1_NODE_BATCH && !list_empty(&node->handles); n++) {
			struct bus1_handle *handle =
				list_first_entry(&node->handles, struct bus1_handle, release.link);

			bus1_handle_unlink(handle);
			if (bus1_handle_holder(handle) == tx->sender &&
			    handle->object.state == BUS1_OBJECT_GONE)
				continue;
			bus1_handle_notify(handle, tx);
		}
		more = !list_empty(&node->handles);
		spin_unlock(&node->lock);
		cond_resched();
	} while (more);
}

/**
 * bus1_node_consume() - accept the one message of a one-shot node
 * @node:	one-shot node
 * @handle:	handle that the message is sent through. It is unlinked, so that
 *		bus1_node_release() does not notify its holder. If NULL, all holders are notified.
 *
 * When the message is accepted, the caller must call bus1_node_release() in the same transaction,
 * to notify the holders of the other handles.
 *
 * Return: whether the message is accepted.
 */
bool bus1_node_consume(struct bus1_node *node, struct bus1_handle *handle)
{
	bool won;

	spin_lock(&node->lock);
	won = !node->dead;
	WRITE_ONCE(node->dead, true);
	if (handle)
		bus1_handle_unlink(handle);
	spin_unlock(&node->lock);
	return won;
}

/**
 * bus1_node_release_unused() - kill a node that never got a handle
 * @node:	node that was just created
 * @tx:		transaction that gets the notification
 */
void bus1_node_release_unused(struct bus1_node *node, struct bus1_tx *tx)
{
	bool unused;

	spin_lock(&node->lock);
	unused = !node->dead && list_empty(&node->handles);
	if (unused)
		bus1_node_die(node);
	spin_unlock(&node->lock);

	if (unused)
		bus1_tx_add(tx, &node->release);
}

/**
 * bus1_handle_new() - make a handle
 * @holder:	its holder, which has been charged for one object. The handle takes over the charge.
 * @node:	its node
 * @copied:	the charge includes BUS1_SUM_COPIES
 *
 * Return: the handle, in flight and not linked; NULL when memory runs out.
 */
struct bus1_handle *bus1_handle_new(struct bus1_peer *holder, struct bus1_node *node, bool copied)
{
	struct bus1_handle *handle;

	handle = kmalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	if (!handle)
		return NULL;

	bus1_object_init(&handle->object, false);
	refcount_set(&handle->refs, 1);
	handle->linked = false;
	handle->copied = copied;
	handle->node = bus1_node_ref(node);
	bus1_queue_entry_init(&handle->release, BUS1_ENTRY_NODE_RELEASE, bus1_peer_ref(holder));
	return handle;
}

struct bus1_handle *bus1_handle_ref(struct bus1_handle *handle)
{
	refcount_inc(&handle->refs);
	return handle;
}

/* The handle must not be linked any more when its last reference goes. */
void bus1_handle_unref(struct bus1_handle *handle)
{
	if (handle && refcount_dec_and_test(&handle->refs)) {
		struct bus1_peer *holder = bus1_handle_holder(handle);

		bus1_invariant("linked-is-referenced", !handle->linked);
		bus1_uncharge_objects(&holder->usage, 1, handle->copied);
		bus1_node_unref(handle->node);
		bus1_peer_unref(holder);
		kfree(handle);
	}
}

/**
 * bus1_handle_link() - link a new handle to its node
 * @handle:	handle
 *
 * Return: whether the handle was linked. It is not when the node is dead.
 */
bool bus1_handle_link(struct bus1_handle *handle)
{
	struct bus1_node *node = handle->node;
	bool alive;

	spin_lock(&node->lock);
	alive = !node->dead;
	if (alive) {
		list_add_tail(&handle->release.link, &node->handles);
		handle->linked = true;
		node->idle = NULL;
	}
	spin_unlock(&node->lock);
	return alive;
}

/*
 * Notify the owner of a persistent node that its last handle has gone. The owner is charged for the
 * handle from now on. Otherwise the holder would be charged until the owner receives the
 * notification. Other peers cannot cause more such charges for this node: only the owner can now
 * make a new handle of it.
 */
static void bus1_handle_retire(struct bus1_handle *handle, struct bus1_tx *tx)
{
	struct bus1_peer *holder = bus1_handle_holder(handle), *owner = handle->node->owner;

	bus1_charge_object_anyway(&owner->usage);
	bus1_uncharge_objects(&holder->usage, 1, handle->copied);
	bus1_peer_unref(holder);
	handle->copied = false;

	handle->release.type = BUS1_ENTRY_NODE_IDLE;
	handle->release.peer = bus1_peer_ref(owner);
	bus1_handle_ref(handle);
	bus1_tx_add(tx, &handle->release);
}

/* Whether a persistent node is alive, and has had no handles since @handle, its last one, went. */
bool bus1_node_is_idle(struct bus1_handle *handle)
{
	struct bus1_node *node = handle->node;
	bool idle;

	spin_lock(&node->lock);
	idle = !node->dead && node->idle == handle;
	spin_unlock(&node->lock);
	return idle;
}

/* The notification in @handle was dropped or received. Drop its reference to the handle. */
void bus1_node_end_idle(struct bus1_handle *handle)
{
	struct bus1_node *node = handle->node;

	spin_lock(&node->lock);
	if (node->idle == handle)
		node->idle = NULL;
	spin_unlock(&node->lock);
	bus1_handle_unref(handle);
}

/**
 * bus1_handle_release() - unlink a handle from its node
 * @handle:	handle, which may be unlinked already
 * @tx:		transaction; gets a notification if this was the last handle of a living node
 */
void bus1_handle_release(struct bus1_handle *handle, struct bus1_tx *tx)
{
	struct bus1_node *node = handle->node;
	bool last;

	spin_lock(&node->lock);
	last = !node->dead && list_is_singular(&node->handles) && handle->linked;
	bus1_handle_unlink(handle);
	if (last && node->persistent)
		node->idle = handle;
	else if (last)
		bus1_node_die(node);
	spin_unlock(&node->lock);

	if (last && node->persistent)
		bus1_handle_retire(handle, tx);
	else if (last)
		bus1_tx_add(tx, &node->release);
}

/**
 * bus1_handle_notify() - notify the holder of a handle that its node is dead
 * @handle:	handle that is not linked
 * @tx:		transaction that gets the notification
 */
void bus1_handle_notify(struct bus1_handle *handle, struct bus1_tx *tx)
{
	bus1_handle_ref(handle);
	bus1_tx_add(tx, &handle->release);
}

/* Drop the reference of a map to an object whose ID has ended. */
void bus1_object_drop(struct bus1_object *object)
{
	if (object->is_node)
		bus1_node_disown(bus1_node_from_object(object));
	else
		bus1_handle_unref(bus1_handle_from_object(object));
}

/**
 * bus1_peer_create_node() - make a node with an ID that the user cannot use yet
 * @peer:	owner
 * @flags:	BUS1_TRANSFER_FLAG_*
 * @ret_node:	set to the node
 *
 * Either bus1_peer_hold() or bus1_peer_destroy_node() must follow.
 *
 * Return: -EDQUOT, -ENOMEM.
 */
int bus1_peer_create_node(struct bus1_peer *peer, u64 flags, struct bus1_node **ret_node)
{
	struct bus1_node *node;

	node = bus1_node_new(peer, flags & BUS1_TRANSFER_FLAG_ONESHOT);
	if (IS_ERR(node))
		return PTR_ERR(node);

	bus1_peer_add(peer, &node->object);
	*ret_node = node;
	return 0;
}

/* Undo bus1_peer_create_node(). */
void bus1_peer_destroy_node(struct bus1_peer *peer, struct bus1_node *node)
{
	bus1_peer_remove(peer, &node->object);
	bus1_node_disown(node);
}
