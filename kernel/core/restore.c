// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restoring a core, see restore.h
 */

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "message.h"
#include "node.h"
#include "peer.h"
#include "restore.h"

/* arrays */

/* Make room for one more element. The caller sets it, and counts it. */
int bus1_restore_reserve(struct bus1_restore_array *array, size_t size)
{
	size_t n = array->n_allocated ? 2 * array->n_allocated : 16;
	void *items;

	if (array->n < array->n_allocated)
		return 0;
	if (n > U32_MAX)
		return -EBADMSG;
	items = kvmalloc_array(n, size, GFP_KERNEL_ACCOUNT);
	if (!items)
		return -ENOMEM;
	if (array->n > 0)
		memcpy(items, array->items, array->n * size);
	kvfree(array->items);
	array->items = items;
	array->n_allocated = n;
	return 0;
}

/* Find a peer by its number. Return: its position, or -EBADMSG. */
int bus1_restore_find_peer(const struct bus1_restore *restore, u64 number, u32 *ret)
{
	size_t low = 0, high = restore->peers.n;

	while (low < high) {
		size_t i = low + (high - low) / 2;
		const struct bus1_peer *peer = bus1_restore_peer_at(restore, i)->peer;

		if (peer->number == number) {
			*ret = i;
			return 0;
		}
		if (peer->number < number)
			low = i + 1;
		else
			high = i;
	}
	return -EBADMSG;
}

/* Remember a failure: after it, structures may be half done, and only an abort is safe. */
int bus1_restore_result(struct bus1_restore *restore, int r)
{
	if (r < 0)
		restore->failed = true;
	return r;
}

/* peers */

/**
 * bus1_restore_begin() - begin to restore a table
 * @restore:	set up; bus1_restore_end() or bus1_restore_abort() must follow, also after a failure
 * @accounts:	table without peers, which nobody uses until the end
 * @counts:	what it will have
 *
 * Return: -EBADMSG.
 */
int bus1_restore_begin(struct bus1_restore *restore, struct bus1_accounts *accounts,
		       const struct bus1_frozen_counts *counts)
{
	size_t i;

	*restore = (struct bus1_restore){
		.accounts = accounts,
		.limits = accounts->limits,
		.counts = *counts,
	};
	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		accounts->limits.max[i] = BUS1_RESTORE_MAX;
	accounts->limits.max_copies = BUS1_RESTORE_MAX;
	if (counts->last_peer > min_t(u64, BUS1_RESTORE_MAX, ULONG_MAX / 2) ||
	    accounts->last_peer > 0)
		return bus1_restore_result(restore, -EBADMSG);
	return 0;
}

static int bus1_restore_check_peer(const struct bus1_restore *restore,
				   const struct bus1_frozen_peer *frozen)
{
	const struct bus1_restore_peer *last =
		bus1_restore_peer_at(restore, (u64)restore->peers.n - 1);

	if (restore->failed || restore->peers.n >= restore->counts.n_peers)
		return -EBADMSG;
	if (frozen->number <= (last ? last->peer->number : 0) ||
	    frozen->number > restore->counts.last_peer)
		return -EBADMSG;
	if (frozen->clock > BUS1_RESTORE_MAX || frozen->clock % 2 != 0)
		return -EBADMSG;
	/* The IDs that the core gives out are odd, and the first one is 3. */
	if (frozen->last_id > BUS1_RESTORE_MAX ||
	    (frozen->last_id > 0 && (!(frozen->last_id & BUS1_MANAGED) || frozen->last_id < 3)))
		return -EBADMSG;
	return 0;
}

static int bus1_restore_one_peer(struct bus1_restore *restore,
				 const struct bus1_frozen_peer *frozen)
{
	struct bus1_peer *peer;
	int r;

	r = bus1_restore_check_peer(restore, frozen);
	if (r == 0)
		r = bus1_restore_reserve(&restore->peers, sizeof(struct bus1_restore_peer));
	if (r < 0)
		return r;

	/* The next peer gets the next number. */
	restore->accounts->last_peer = frozen->number - 1;
	peer = bus1_peer_new(restore->accounts, KUIDT_INIT(frozen->uid), NULL, NULL);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	if (frozen->disconnected)
		bus1_peer_disconnect(peer);
	peer->queue.clock = frozen->clock;
	peer->objects.last_id = frozen->last_id;
	((struct bus1_restore_peer *)restore->peers.items)[restore->peers.n++] =
		(struct bus1_restore_peer){ .peer = peer };
	return 0;
}

/**
 * bus1_restore_peer() - restore a peer
 * @restore:	table
 * @frozen:	the peer
 *
 * Return: -EBADMSG, -ENOMEM.
 */
int bus1_restore_peer(struct bus1_restore *restore, const struct bus1_frozen_peer *frozen)
{
	return bus1_restore_result(restore, bus1_restore_one_peer(restore, frozen));
}

/**
 * bus1_restore_claim() - get a peer for a front end
 * @restore:	table with all its peers
 * @number:	number of the peer
 * @ret_peer:	set to the peer, with a reference for the caller. The caller disconnects it before
 *		it drops the reference.
 *
 * A peer can be claimed once, and every peer that has not ended must be.
 *
 * Return: -EBADMSG.
 */
int bus1_restore_claim(struct bus1_restore *restore, u64 number, struct bus1_peer **ret_peer)
{
	struct bus1_restore_peer *peer;
	u32 i;

	if (restore->failed || restore->peers.n != restore->counts.n_peers ||
	    bus1_restore_find_peer(restore, number, &i) < 0)
		return bus1_restore_result(restore, -EBADMSG);
	peer = bus1_restore_peer_at(restore, i);
	if (peer->claimed)
		return bus1_restore_result(restore, -EBADMSG);
	peer->claimed = true;
	*ret_peer = bus1_peer_ref(peer->peer);
	return 0;
}

/* nodes and handles */

/* Whether a peer can have given out an ID. */
static bool bus1_restore_id_is_valid(const struct bus1_peer *peer, u64 id)
{
	return id & BUS1_MANAGED && id >= 3 && id <= peer->objects.last_id;
}

/* Give an object without an ID the one that it had. Return: -EBADMSG when the ID is taken. */
int bus1_restore_id(struct bus1_peer *peer, struct bus1_object *object, u64 id)
{
	struct bus1_map *map = &peer->objects;
	struct rb_node **slot = &map->tree.rb_node, *parent = NULL;

	if (!bus1_restore_id_is_valid(peer, id))
		return -EBADMSG;
	while (*slot) {
		const struct bus1_object *other = bus1_object_from_rb(*slot);

		if (other->id == id)
			return -EBADMSG;
		parent = *slot;
		slot = id < other->id ? &parent->rb_left : &parent->rb_right;
	}
	object->id = id;
	rb_link_node(&object->rb, parent, slot);
	rb_insert_color(&object->rb, &map->tree);
	if (!map->last || bus1_object_from_rb(map->last)->id < id)
		map->last = &object->rb;
	return 0;
}

/* The same, and let the user use the ID. The map takes over a reference of the caller. */
static int bus1_restore_hold(struct bus1_peer *peer, struct bus1_object *object, u64 id)
{
	int r;

	mutex_lock(&peer->lock);
	r = bus1_restore_id(peer, object, id);
	if (r == 0)
		bus1_peer_hold(peer, object);
	mutex_unlock(&peer->lock);
	return r;
}

static int bus1_restore_one_node(struct bus1_restore *restore,
				 const struct bus1_frozen_node *frozen)
{
	bool ended = frozen->state == BUS1_FROZEN_ENDED;
	struct bus1_peer *owner;
	struct bus1_node *node;
	u32 position;
	int r;

	if (restore->failed || restore->peers.n != restore->counts.n_peers ||
	    restore->nodes.n >= restore->counts.n_nodes || frozen->state > BUS1_FROZEN_ENDED ||
	    bus1_restore_find_peer(restore, frozen->owner, &position) < 0)
		return -EBADMSG;
	owner = bus1_restore_peer_at(restore, position)->peer;
	if (!bus1_restore_id_is_valid(owner, frozen->id) || (owner->disconnected && !ended))
		return -EBADMSG;
	r = bus1_restore_reserve(&restore->nodes, sizeof(struct bus1_restore_node));
	if (r < 0)
		return r;

	node = bus1_node_new(owner, frozen->oneshot);
	if (IS_ERR(node))
		return PTR_ERR(node);
	node->dead = frozen->state != BUS1_FROZEN_LIVING;
	/* What is in the queue may concern the node. */
	node->cut = 0;
	if (ended) {
		/* bus1_restore_end() ends the charge, unless a notification is queued. */
		node->object.id = frozen->id;
		node->object.state = BUS1_OBJECT_GONE;
	} else {
		r = bus1_restore_hold(owner, &node->object, frozen->id);
		if (r < 0) {
			bus1_node_disown(node);
			return r;
		}
	}
	((struct bus1_restore_node *)restore->nodes.items)[restore->nodes.n++] =
		(struct bus1_restore_node){
			.node = bus1_node_ref(node),
			.owner = position,
			.state = frozen->state,
		};
	return 0;
}

/**
 * bus1_restore_node() - restore a node
 * @restore:	table with all its peers
 * @frozen:	the node
 *
 * Return: -EBADMSG, -ENOMEM.
 */
int bus1_restore_node(struct bus1_restore *restore, const struct bus1_frozen_node *frozen)
{
	return bus1_restore_result(restore, bus1_restore_one_node(restore, frozen));
}

/* Make a handle that is in no message. */
static int bus1_restore_make_handle(struct bus1_restore *restore, struct bus1_restore_handle *made)
{
	struct bus1_peer *holder = bus1_restore_peer_at(restore, made->holder)->peer;
	struct bus1_node *node = bus1_restore_node_at(restore, made->node)->node;
	struct bus1_handle *handle;
	int r;

	r = bus1_charge_objects(&holder->usage, &holder->usage, 1, made->copied);
	if (r < 0)
		return r;
	handle = bus1_handle_new(holder, node, made->copied);
	if (!handle) {
		bus1_uncharge_objects(&holder->usage, 1, made->copied);
		return -ENOMEM;
	}
	if (made->state == BUS1_FROZEN_HELD) {
		r = bus1_restore_hold(holder, &handle->object, made->id);
		if (r < 0) {
			bus1_handle_unref(handle);
			return r;
		}
		bus1_handle_ref(handle);
	} else {
		/* The notification will have a reference. */
		handle->object.state = BUS1_OBJECT_GONE;
	}
	made->handle = handle;
	return 0;
}

static int bus1_restore_one_handle(struct bus1_restore *restore,
				   const struct bus1_frozen_handle *frozen)
{
	struct bus1_restore_handle made = {
		.node = frozen->node,
		.id = frozen->id,
		.state = frozen->state,
		.copied = frozen->copied,
	};
	struct bus1_restore_node *node = bus1_restore_node_at(restore, frozen->node);
	bool has_id, living;
	int r;

	if (restore->failed || restore->nodes.n != restore->counts.n_nodes ||
	    restore->handles.n >= restore->counts.n_handles ||
	    frozen->state > BUS1_FROZEN_RELEASED || !node ||
	    bus1_restore_find_peer(restore, frozen->holder, &made.holder) < 0)
		return -EBADMSG;
	if (bus1_restore_peer_at(restore, made.holder)->peer->disconnected)
		return -EBADMSG;
	has_id = frozen->id != BUS1_INVALID;
	if (has_id && frozen->state != BUS1_FROZEN_HELD && frozen->state != BUS1_FROZEN_IN_FLIGHT)
		return -EBADMSG;
	/* A receiver does not get a handle, or is told about its node, only if the node is dead. */
	living = node->state == BUS1_FROZEN_LIVING;
	if (living && frozen->state != BUS1_FROZEN_HELD && frozen->state != BUS1_FROZEN_IN_FLIGHT)
		return -EBADMSG;
	r = bus1_restore_reserve(&restore->handles, sizeof(made));
	if (r == 0 && !bus1_restore_handle_is_carried(&made))
		r = bus1_restore_make_handle(restore, &made);
	if (r < 0)
		return r;

	++node->n_handles;
	node->n_linked += living;
	((struct bus1_restore_handle *)restore->handles.items)[restore->handles.n++] = made;
	return 0;
}

/**
 * bus1_restore_handle() - restore a handle
 * @restore:	table with all its nodes
 * @frozen:	the handle
 *
 * Return: -EBADMSG, -ENOMEM.
 */
int bus1_restore_handle(struct bus1_restore *restore, const struct bus1_frozen_handle *frozen)
{
	return bus1_restore_result(restore, bus1_restore_one_handle(restore, frozen));
}

/* the end */

static bool bus1_restore_node_is_whole(const struct bus1_restore_node *node)
{
	bool oneshot = node->node->oneshot;

	switch (node->state) {
	case BUS1_FROZEN_LIVING:
		/* A node dies when its last handle goes. */
		return node->n_linked > 0;
	case BUS1_FROZEN_DEAD:
		/* One entry ends the ID. */
		return oneshot ? node->notified == (node->n_messages == 0) : node->notified;
	default:
		/* The node is there because something refers to it. */
		if (oneshot && node->notified && node->n_messages > 0)
			return false;
		return node->n_handles > 0 || node->n_messages > 0 || node->notified;
	}
}

static bool bus1_restore_handle_is_whole(const struct bus1_restore *restore,
					 const struct bus1_restore_handle *handle)
{
	const struct bus1_restore_node *node = bus1_restore_node_at(restore, handle->node);

	/* The holder is told once of the end of the node, unless it does not get the handle. */
	return handle->handle && handle->notified == (node->state != BUS1_FROZEN_LIVING &&
						      handle->state != BUS1_FROZEN_LOST);
}

/*
 * A peer that has not ended has a front end. One that has ended, and has none, is there because of
 * its nodes: each of them has a reference.
 */
static bool bus1_restore_peer_is_whole(const struct bus1_restore_peer *peer)
{
	return peer->claimed || (peer->peer->disconnected && refcount_read(&peer->peer->refs) > 1);
}

static bool bus1_restore_is_whole(const struct bus1_restore *restore)
{
	const struct bus1_frozen_counts *counts = &restore->counts;
	size_t i;

	if (restore->failed || restore->peers.n != counts->n_peers ||
	    restore->nodes.n != counts->n_nodes || restore->handles.n != counts->n_handles ||
	    restore->payloads.n != counts->n_payloads ||
	    restore->n_messages != counts->n_messages ||
	    restore->n_notifications != counts->n_notifications)
		return false;
	for (i = 0; i < restore->peers.n; i++) {
		if (!bus1_restore_peer_is_whole(bus1_restore_peer_at(restore, i)))
			return false;
	}
	for (i = 0; i < restore->nodes.n; i++) {
		if (!bus1_restore_node_is_whole(bus1_restore_node_at(restore, i)))
			return false;
	}
	for (i = 0; i < restore->handles.n; i++) {
		if (!bus1_restore_handle_is_whole(restore, bus1_restore_handle_at(restore, i)))
			return false;
	}
	for (i = 0; i < restore->payloads.n; i++) {
		if (!bus1_restore_payload_at(restore, i)->used)
			return false;
	}
	return true;
}

/* Drop the references of the restore, and free its arrays. */
static void bus1_restore_free(struct bus1_restore *restore)
{
	size_t i;

	for (i = 0; i < restore->payloads.n; i++)
		bus1_payload_unref(bus1_restore_payload_at(restore, i)->payload);
	for (i = 0; i < restore->handles.n; i++)
		bus1_handle_unref(bus1_restore_handle_at(restore, i)->handle);
	for (i = 0; i < restore->nodes.n; i++) {
		struct bus1_restore_node *node = bus1_restore_node_at(restore, i);

		/* The reference that bus1_node_new() has made is for an ID. */
		if (node->state == BUS1_FROZEN_ENDED)
			bus1_node_disown(node->node);
		bus1_node_unref(node->node);
	}
	for (i = 0; i < restore->peers.n; i++)
		bus1_peer_unref(bus1_restore_peer_at(restore, i)->peer);
	kvfree(restore->payloads.items);
	kvfree(restore->handles.items);
	kvfree(restore->nodes.items);
	kvfree(restore->peers.items);
	restore->accounts->limits = restore->limits;
	*restore = (struct bus1_restore){};
}

/**
 * bus1_restore_end() - check the table as a whole, and set it to work
 * @restore:	table with everything that it has
 *
 * After a success @restore is empty, and bus1_restore_abort() has no effect.
 *
 * Return: -EBADMSG; then bus1_restore_abort() must follow.
 */
int bus1_restore_end(struct bus1_restore *restore)
{
	size_t i;

	if (!bus1_restore_is_whole(restore))
		return bus1_restore_result(restore, -EBADMSG);
	/* Handles of dead nodes are not linked. */
	for (i = 0; i < restore->handles.n; i++)
		bus1_handle_link(bus1_restore_handle_at(restore, i)->handle);
	restore->accounts->last_peer = restore->counts.last_peer;
	bus1_restore_free(restore);
	return 0;
}

/**
 * bus1_restore_abort() - give up a table that is being restored
 * @restore:	table
 *
 * Ends all its peers, also those that were claimed: their front ends only have to drop the
 * reference.
 */
void bus1_restore_abort(struct bus1_restore *restore)
{
	size_t i;

	if (!restore->accounts)
		return;
	for (i = 0; i < restore->peers.n; i++)
		bus1_peer_disconnect(bus1_restore_peer_at(restore, i)->peer);
	bus1_restore_free(restore);
}

/* Set the function that is called for new entries of a peer, after bus1_restore_end(). */
void bus1_restore_wake(struct bus1_peer *peer, bus1_wake_t wake, void *data)
{
	spin_lock(&peer->queue.lock);
	if (!peer->queue.sealed) {
		peer->queue.wake = wake;
		peer->queue.data = data;
	}
	spin_unlock(&peer->queue.lock);
}
