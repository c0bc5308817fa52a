// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of 2016 on nodes and handles: destroy nodes, release and transfer handles
 */

#include <linux/err.h>
#include <linux/sched.h>
#include <trace/events/bus1.h>
#include "commit.h"
#include "v2016-peer.h"

static void bus1_v2016_destroy_many(struct bus1_peer *peer, struct list_head *nodes, bool release)
{
	struct bus1_v2016_id *named;
	struct bus1_tx tx;

	bus1_tx_init(&tx, peer);
	while ((named = list_first_entry_or_null(nodes, struct bus1_v2016_id, link))) {
		struct bus1_node *node = named->node;

		list_del_init(&named->link);
		bus1_v2016_destroy(named, &tx);
		if (!release || bus1_v2016_put(peer, named, &tx)) {
			refcount_inc(&node->owned);
			bus1_tx_add(&tx, &node->release);
		}
		cond_resched();
	}
	bus1_v2016_commit(peer, &tx);
}

static int bus1_v2016_destroy_collect(struct bus1_peer *peer, const u64 *ids, size_t n_ids,
				      struct list_head *nodes)
{
	struct bus1_v2016_id *named;
	size_t i;
	int r = 0;

	for (i = 0; i < n_ids && r == 0; i++) {
		named = bus1_v2016_find(peer->v2016, ids[i]);
		if (!named)
			r = -ENXIO;
		else if (!named->owned)
			r = -EPERM;
		else if (named->destroyed)
			r = -EHOSTUNREACH;
		else if (!list_empty(&named->link))
			r = -EINVAL;
		else
			list_add_tail(&named->link, nodes);
		cond_resched();
	}
	if (r < 0)
		bus1_v2016_import_commit(nodes);
	return r;
}

int bus1_v2016_nodes_destroy(struct bus1_peer *peer, u64 flags, const u64 *ids, size_t n_ids)
{
	LIST_HEAD(nodes);
	int r;

	if (flags & ~BUS1_2016_DESTROY_RELEASE_HANDLES)
		return -EINVAL;
	if (n_ids > BUS1_MAX_IDS)
		return -EMSGSIZE;

	r = bus1_peer_lock(peer);
	if (r == 0) {
		r = bus1_v2016_destroy_collect(peer, ids, n_ids, &nodes);
		if (r == 0)
			bus1_v2016_destroy_many(peer, &nodes,
						flags & BUS1_2016_DESTROY_RELEASE_HANDLES);
		mutex_unlock(&peer->lock);
	}
	trace_bus1_release(peer->number, n_ids, r);
	return r;
}

static int bus1_v2016_release_locked(struct bus1_peer *peer, u64 id)
{
	struct bus1_v2016_id *named;
	struct bus1_tx tx;

	named = bus1_v2016_find(peer->v2016, id);
	if (!named)
		return -ENXIO;
	if (named->n_user == 0)
		return -EPERM;

	bus1_tx_init(&tx, peer);
	bus1_v2016_put(peer, named, &tx);
	bus1_v2016_commit(peer, &tx);
	return 0;
}

int bus1_v2016_handle_release(struct bus1_peer *peer, u64 id)
{
	int r;

	r = bus1_peer_lock(peer);
	if (r == 0) {
		r = bus1_v2016_release_locked(peer, id);
		mutex_unlock(&peer->lock);
	}
	trace_bus1_release(peer->number, 1, r);
	return r;
}

/* Make a handle that @to will hold, not linked to the node yet, and reserve an ID for it. */
static int bus1_v2016_transfer_prepare(struct bus1_peer *from, struct bus1_peer *to,
				       struct bus1_node *node, struct bus1_handle **ret_handle,
				       struct bus1_v2016_id **ret_named)
{
	bool copied = bus1_node_is_foreign(node, from);
	struct bus1_handle *handle;
	int r;

	r = bus1_charge_objects(&to->usage, &from->usage, 1, copied);
	if (r < 0)
		return r;
	handle = bus1_handle_new(to, node, copied);
	if (!handle) {
		bus1_uncharge_objects(&to->usage, 1, copied);
		return -ENOMEM;
	}

	*ret_named = NULL;
	if (to->v2016)
		r = bus1_v2016_reserve(to, node, ret_named);
	else
		bus1_peer_add(to, &handle->object);
	if (r < 0) {
		bus1_handle_unref(handle);
		return r;
	}
	*ret_handle = handle;
	return 0;
}

static int bus1_v2016_transfer_node(struct bus1_peer *from, struct bus1_peer *to,
				    struct bus1_node *node, u64 *ret_dst)
{
	struct bus1_v2016_id *named;
	struct bus1_handle *handle;
	struct bus1_tx tx;
	int r;

	if (bus1_node_is_dead(node))
		return -EHOSTUNREACH;
	r = bus1_v2016_transfer_prepare(from, to, node, &handle, &named);
	if (r < 0)
		return r;

	/* If the node has died since the check, queue a notification about the new handle. */
	bus1_tx_init(&tx, from);
	if (!bus1_handle_link(handle))
		bus1_handle_notify(handle, &tx);
	if (to->v2016) {
		*ret_dst = bus1_v2016_install(named, handle, &tx);
	} else {
		bus1_peer_hold(to, &handle->object);
		*ret_dst = handle->object.id;
	}
	bus1_v2016_commit(from, &tx);
	return 0;
}

static int bus1_v2016_transfer_locked(struct bus1_peer *from, struct bus1_peer *to, u64 src,
				      u64 *ret_dst)
{
	struct bus1_v2016_id *named;
	LIST_HEAD(created);
	int r;

	r = bus1_v2016_import(from, src, &created, &named);
	if (r < 0)
		return r;
	r = bus1_v2016_transfer_node(from, to, named->node, ret_dst);
	if (r < 0)
		bus1_v2016_import_undo(from, &created);
	else
		bus1_v2016_import_commit(&created);
	return r;
}

int bus1_v2016_handle_transfer(struct bus1_peer *from, struct bus1_peer *to, u64 src, u64 *ret_dst)
{
	int r = bus1_peer_ask(from, to, BUS1_ACT_TRANSFER);

	if (r == 0)
		r = bus1_peer_lock_two(from, to);
	if (r == 0) {
		r = bus1_v2016_transfer_locked(from, to, src, ret_dst);
		bus1_peer_unlock_two(from, to);
	}
	trace_bus1_transfer(from->number, to->number, 1, r);
	return r;
}
