// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking at a core from outside, see inspect.h
 */

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/string.h>
#include "inspect.h"
#include "node.h"
#include "peer.h"
#include "v2016-hooks.h"

static void bus1_inspect_used(const u64 used[_BUS1_RESOURCE_N], u64 ret_used[_BUS1_RESOURCE_N])
{
	size_t i;

	for (i = 0; i < _BUS1_RESOURCE_N; i++)
		ret_used[i] = READ_ONCE(used[i]);
}

/**
 * bus1_inspect_account() - look at the next account
 * @accounts:	table
 * @key:	least key
 * @outer:	for this key: least number of the account that it is inside of
 * @ret_info:	set for the first such account
 *
 * Return: whether there is one.
 */
bool bus1_inspect_account(struct bus1_accounts *accounts, u64 key, u64 outer,
			  struct bus1_account_info *ret_info)
{
	struct bus1_account *account;
	size_t i;

	account = bus1_account_next(accounts, key, outer);
	if (!account)
		return false;

	*ret_info = (struct bus1_account_info){
		.uid = account->uid,
		.outer = bus1_account_outer(account),
		.depth = account->depth,
		.n_shares = READ_ONCE(account->n_shares),
		.memory = bus1_account_memory(account),
		.n_copies = READ_ONCE(account->used[BUS1_SUM_COPIES]),
		.max_copies = accounts->limits.max_copies,
	};
	for (i = 0; i < account->depth; i++)
		ret_info->path[i] = account->path[i]->key;
	bus1_inspect_used(account->used, ret_info->used);
	memcpy(ret_info->max, accounts->limits.max, sizeof(ret_info->max));
	bus1_account_put(account);
	return true;
}

/**
 * bus1_inspect_peer_now() - look at a peer without waiting for anybody
 * @peer:	peer
 * @ret_info:	set to its data
 *
 * No lock is taken, because a command may hold the lock of the peer for long. So the numbers can
 * show different moments, and KCSAN is told not to report the races of this function.
 */
__no_kcsan void bus1_inspect_peer_now(struct bus1_peer *peer, struct bus1_peer_info *ret_info)
{
	const struct bus1_queue *queue = &peer->queue;

	*ret_info = (struct bus1_peer_info){
		.number = peer->number,
		.uid = peer->usage.account->uid,
		.disconnected = READ_ONCE(peer->disconnected),
		.n_nodes = READ_ONCE(peer->n_nodes),
		.n_handles = READ_ONCE(peer->n_handles),
		.n_pending = READ_ONCE(peer->usage.used[BUS1_SUM_PENDING]),
		.n_queued = READ_ONCE(queue->n_entries),
		.clock = READ_ONCE(queue->clock),
		.readable = READ_ONCE(queue->entries.rb_leftmost),
	};
	bus1_inspect_used(peer->usage.used, ret_info->used);
}

/**
 * bus1_inspect_peer() - look at the next peer
 * @accounts:	table
 * @first:	number to begin with
 * @ret_info:	set for the first peer whose number is not below @first
 *
 * Return: whether there is such a peer.
 */
bool bus1_inspect_peer(struct bus1_accounts *accounts, u64 first, struct bus1_peer_info *ret_info)
{
	struct bus1_peer *peer;

	peer = bus1_peer_next(accounts, first);
	if (!peer)
		return false;
	bus1_inspect_peer_now(peer, ret_info);
	bus1_peer_unref(peer);
	return true;
}

static bool bus1_inspect_object_locked(struct bus1_peer *peer, u64 first,
				       struct bus1_object_info *ret_info)
{
	struct bus1_object *object;
	struct bus1_node *node;

	/* Skip handles in a message that was only looked at: the peer does not hold them yet. */
	object = bus1_map_from(&peer->objects, first);
	while (object && object->state == BUS1_OBJECT_NEW)
		object = bus1_map_next(object);
	if (!object)
		return false;

	node = object->is_node ? bus1_node_from_object(object)
			       : bus1_handle_from_object(object)->node;
	*ret_info = (struct bus1_object_info){
		.id = object->id,
		.is_node = object->is_node,
		/* This ID cannot change: the node has a handle, or its owner is locked. */
		.node = node->object.id,
		.owner = node->owner->number,
		.oneshot = node->oneshot,
		.dead = bus1_node_is_dead(node),
	};
	return true;
}

/**
 * bus1_inspect_object() - look at the next node or handle of a peer
 * @accounts:	table
 * @number:	number of the peer
 * @first:	ID to begin with
 * @ret_info:	set for the first object whose ID is not below @first
 *
 * Return: whether there are such a peer and such an object.
 */
bool bus1_inspect_object(struct bus1_accounts *accounts, u64 number, u64 first,
			 struct bus1_object_info *ret_info)
{
	struct bus1_peer *peer;
	bool found;

	peer = bus1_peer_next(accounts, number);
	if (!peer)
		return false;

	found = peer->number == number;
	if (found) {
		mutex_lock(&peer->lock);
		found = bus1_peer_is_2016(peer) ? bus1_v2016_inspect(peer, first, ret_info)
						: bus1_inspect_object_locked(peer, first, ret_info);
		mutex_unlock(&peer->lock);
	}
	bus1_peer_unref(peer);
	return found;
}
