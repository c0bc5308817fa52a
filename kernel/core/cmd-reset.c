// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disconnect and reset commands: release all that a peer has
 */

#include <linux/sched.h>
#include <trace/events/bus1.h>
#include "cmd-slice.h"
#include "commit.h"
#include "moot.h"
#include "v2016-hooks.h"

/* Release all objects of the map, except handles in flight, which belong to their messages. */
static void bus1_peer_release_objects(struct bus1_peer *peer, struct bus1_tx *tx)
{
	const struct bus1_map *objects = &peer->objects;
	struct bus1_object *object;

	/* First end the IDs, so that the peer gets no notifications about what it releases. */
	for (object = bus1_map_first(objects); object; object = bus1_map_next(object)) {
		if (object->state == BUS1_OBJECT_HELD)
			object->state = BUS1_OBJECT_GONE;
		cond_resched();
	}
	for (object = bus1_map_first(objects); object; object = bus1_map_next(object)) {
		if (object->is_node && object->state == BUS1_OBJECT_GONE)
			bus1_node_release(bus1_node_from_object(object), tx);
		cond_resched();
	}
	for (object = bus1_map_first(objects); object; object = bus1_map_next(object)) {
		if (!object->is_node && object->state == BUS1_OBJECT_GONE)
			bus1_handle_release(bus1_handle_from_object(object), tx);
		cond_resched();
	}
}

/* Remove the released objects from the map. */
static void bus1_peer_forget_objects(struct bus1_peer *peer)
{
	struct bus1_object *object, *next;

	for (object = bus1_map_first(&peer->objects); object; object = next) {
		next = bus1_map_next(object);
		cond_resched();
		if (object->state != BUS1_OBJECT_GONE)
			continue;
		bus1_peer_remove(peer, object);
		bus1_object_drop(object);
	}
}

int bus1_peer_disconnect(struct bus1_peer *peer)
{
	LIST_HEAD(queued);
	struct bus1_tx tx;

	/* A disconnect must not fail when a process ends, so this wait cannot be interrupted. */
	mutex_lock(&peer->lock);
	if (peer->disconnected) {
		mutex_unlock(&peer->lock);
		return -ESHUTDOWN;
	}
	peer->disconnected = true;

	bus1_tx_init(&tx, peer);
	bus1_queue_seal(&peer->queue, peer->receiving, &queued);
	if (bus1_peer_is_2016(peer))
		bus1_v2016_disconnect(peer, &tx);
	bus1_peer_free_slices(peer, true);
	bus1_peer_release_objects(peer, &tx);
	bus1_tx_drop(&tx, &queued);
	bus1_tx_commit(&tx);
	bus1_peer_forget_objects(peer);
	bus1_shares_close(peer->usage.account);
	mutex_unlock(&peer->lock);
	trace_bus1_end(peer->number, true);
	return 0;
}

static void bus1_peer_reset_locked(struct bus1_peer *peer)
{
	struct bus1_tx tx;

	bus1_tx_init(&tx, peer);
	peer->flushed = bus1_queue_sync(&peer->queue, 0);
	bus1_peer_release_objects(peer, &tx);
	bus1_recv_skip_moot(peer, &tx);
	bus1_peer_free_slices(peer, false);
	bus1_tx_commit(&tx);
	bus1_peer_forget_objects(peer);
	bus1_queue_touch(&peer->queue);
	bus1_recv_settle(peer);
}

int bus1_peer_reset(struct bus1_peer *peer)
{
	int r;

	/* Wait until no receive is under way: the entry that it looks at must not be dropped. */
	if (mutex_lock_interruptible(&peer->recv_lock))
		return -EINTR;
	r = bus1_peer_lock(peer);
	if (r == 0) {
		bus1_peer_reset_locked(peer);
		mutex_unlock(&peer->lock);
		trace_bus1_end(peer->number, false);
	}
	mutex_unlock(&peer->recv_lock);
	return r;
}
