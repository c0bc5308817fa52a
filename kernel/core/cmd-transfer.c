// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transfer command: create nodes, and copy handles from one peer to another
 */

#include <linux/err.h>
#include <linux/slab.h>
#include <trace/events/bus1.h>
#include "commit.h"
#include "node.h"
#include "peer.h"
#include "v2016-hooks.h"

/**
 * struct bus1_transfer_item - one transfer while it is collected
 * @node:	node of @handle; NULL before it is created
 * @created:	@node is created by this transfer
 * @handle:	new handle
 * @named:	ID for @handle, if the destination is a peer of 2016
 */
struct bus1_transfer_item {
	struct bus1_node *node;
	bool created;
	struct bus1_handle *handle;
	struct bus1_v2016_id *named;
};

size_t bus1_transfer_memory(size_t n)
{
	return 2 * bus1_allocated(n * sizeof(struct bus1_transfer)) +
	       bus1_allocated((n + 1) * sizeof(struct bus1_transfer_item));
}

static void bus1_transfer_undo(struct bus1_peer *from, struct bus1_peer *to,
			       struct bus1_transfer_item *item)
{
	if (bus1_peer_is_2016(to))
		bus1_v2016_unreserve(to, item->named);
	if (item->handle) {
		if (item->handle->object.id != BUS1_INVALID)
			bus1_peer_remove(to, &item->handle->object);
		bus1_handle_unref(item->handle);
	}
	if (item->created)
		bus1_peer_destroy_node(from, item->node);
}

/* Find the nodes that exist, and charge the destination for the handles. */
static int bus1_transfer_charge(struct bus1_peer *from, struct bus1_peer *to,
				const struct bus1_transfer *src, struct bus1_transfer_item *items,
				size_t n)
{
	struct bus1_handle *source;
	size_t n_copies = 0, i;

	for (i = 0; i < n; i++) {
		if (src[i].flags & BUS1_TRANSFER_FLAG_CREATE)
			continue;
		source = bus1_peer_find_handle(from, src[i].id);
		if (!source)
			return -EBADRQC;
		items[i].node = source->node;
		n_copies += bus1_node_is_foreign(source->node, from);
	}
	return bus1_charge_objects(&to->usage, &from->usage, n, n_copies);
}

/* Do everything of one transfer that can fail. The destination has been charged for the handle. */
static int bus1_transfer_collect(struct bus1_peer *from, struct bus1_peer *to,
				 const struct bus1_transfer *src, struct bus1_transfer_item *item)
{
	bool copied = item->node && bus1_node_is_foreign(item->node, from);
	int r = 0;

	if (!item->node) {
		r = bus1_peer_create_node(from, src->flags, &item->node);
		item->created = r == 0;
	}
	if (r == 0) {
		item->handle = bus1_handle_new(to, item->node, copied);
		if (!item->handle)
			r = -ENOMEM;
	}
	if (r < 0) {
		bus1_uncharge_objects(&to->usage, 1, copied);
		return r;
	}
	if (bus1_peer_is_2016(to))
		return bus1_v2016_reserve(to, item->node, &item->named);
	bus1_peer_add(to, &item->handle->object);
	return 0;
}

/* Undo the transfers up to the one that has failed, and the charges for those after it. */
static void bus1_transfer_undo_all(struct bus1_peer *from, struct bus1_peer *to,
				   struct bus1_transfer_item *items, size_t failed, size_t n)
{
	size_t i;

	for (i = 0; i <= failed; i++)
		bus1_transfer_undo(from, to, &items[i]);
	for (; i < n; i++)
		bus1_uncharge_objects(&to->usage, 1,
				      items[i].node && bus1_node_is_foreign(items[i].node, from));
}

static int bus1_transfer_locked(struct bus1_peer *from, struct bus1_peer *to,
				struct bus1_transfer *src, struct bus1_transfer *dst,
				struct bus1_transfer_item *items, size_t n)
{
	struct bus1_tx tx;
	size_t i;
	int r;

	r = bus1_transfer_charge(from, to, src, items, n);
	if (r < 0)
		return r;

	for (i = 0; i < n; i++) {
		r = bus1_transfer_collect(from, to, &src[i], &items[i]);
		if (r < 0) {
			bus1_transfer_undo_all(from, to, items, i, n);
			return r;
		}
	}

	bus1_tx_init(&tx, from);
	for (i = 0; i < n; i++) {
		struct bus1_handle *handle = items[i].handle;

		if (items[i].created) {
			bus1_peer_hold(from, &items[i].node->object);
			src[i].flags = 0;
			src[i].id = items[i].node->object.id;
		}

		if (!bus1_handle_link(handle))
			bus1_handle_notify(handle, &tx);
		dst[i].flags = 0;
		if (bus1_peer_is_2016(to)) {
			dst[i].id = bus1_v2016_install(items[i].named, handle, &tx);
		} else {
			bus1_peer_hold(to, &handle->object);
			dst[i].id = handle->object.id;
		}
	}
	bus1_tx_commit(&tx);
	return 0;
}

int bus1_peer_transfer(struct bus1_peer *from, struct bus1_peer *to, struct bus1_transfer *src,
		       struct bus1_transfer *dst, size_t n)
{
	struct bus1_transfer_item *items;
	int r;

	if (n > BUS1_MAX_TRANSFERS)
		return -EMSGSIZE;
	r = bus1_transfers_check(src, n);
	if (r < 0)
		return r;

	r = bus1_peer_ask(from, to, BUS1_ACT_TRANSFER);
	if (r < 0)
		return r;

	items = kvcalloc(n + 1, sizeof(*items), GFP_KERNEL_ACCOUNT);
	if (!items)
		return -ENOMEM;

	r = bus1_peer_lock_two(from, to);
	if (r == 0) {
		r = bus1_transfer_locked(from, to, src, dst, items, n);
		bus1_peer_unlock_two(from, to);
	}
	trace_bus1_transfer(from->number, to->number, n, r);

	kvfree(items);
	return r;
}
