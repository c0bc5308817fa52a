// SPDX-License-Identifier: GPL-2.0-only
/*
 * The release command: end nodes and handles in one transaction
 */

#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <trace/events/bus1.h>
#include "commit.h"
#include "moot.h"

size_t bus1_release_memory(size_t n)
{
	return bus1_allocated(n * sizeof(u64)) + bus1_allocated(n * sizeof(struct bus1_object *));
}

/* Find the objects that the IDs name. Each object may be named only once. */
static int bus1_release_collect(struct bus1_peer *peer, const u64 *ids,
				struct bus1_object **objects, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		/* bus1_peer_find() does not find objects that are marked. */
		objects[i] = bus1_peer_find(peer, ids[i]);
		if (!objects[i]) {
			while (i-- > 0)
				objects[i]->state = BUS1_OBJECT_HELD;
			return -EBADRQC;
		}
		objects[i]->state = BUS1_OBJECT_MARKED;
		cond_resched();
	}
	return 0;
}

static void bus1_release_commit(struct bus1_peer *peer, struct bus1_object **objects, size_t n)
{
	bool nodes = false;
	struct bus1_tx tx;
	size_t i;

	bus1_tx_init(&tx, peer);

	/* First end the IDs, so that the peer gets no notifications about what it releases. */
	for (i = 0; i < n; i++) {
		nodes |= objects[i]->is_node;
		bus1_peer_remove(peer, objects[i]);
		cond_resched();
	}
	for (i = 0; i < n; i++) {
		if (objects[i]->is_node)
			bus1_node_release(bus1_node_from_object(objects[i]), &tx);
		cond_resched();
	}
	for (i = 0; i < n; i++) {
		if (!objects[i]->is_node)
			bus1_handle_release(bus1_handle_from_object(objects[i]), &tx);
		cond_resched();
	}
	bus1_tx_commit(&tx);

	for (i = 0; i < n; i++) {
		bus1_object_drop(objects[i]);
		cond_resched();
	}
	if (nodes)
		bus1_queue_touch(&peer->queue);
	bus1_recv_settle(peer);
}

int bus1_peer_release(struct bus1_peer *peer, const u64 *ids, size_t n_ids)
{
	struct bus1_object *few[8], **objects = few;
	int r;

	if (n_ids > BUS1_MAX_IDS)
		return -EMSGSIZE;
	if (n_ids > ARRAY_SIZE(few)) {
		objects = kvmalloc_array(n_ids, sizeof(*objects), GFP_KERNEL_ACCOUNT);
		if (!objects)
			return -ENOMEM;
	}

	r = bus1_peer_lock(peer);
	if (r == 0) {
		r = bus1_release_collect(peer, ids, objects, n_ids);
		if (r == 0)
			bus1_release_commit(peer, objects, n_ids);
		mutex_unlock(&peer->lock);
	}
	trace_bus1_release(peer->number, n_ids, r);

	if (objects != few)
		kvfree(objects);
	return r;
}
