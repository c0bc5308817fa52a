// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slices: receiving into the pool of a peer, and the command that releases what was received
 *
 * The lock of the peer is not held while a slice is filled, because the copy may be large and may
 * wait for memory. Until the receive is committed, only the receiver knows the slice, and the
 * message is still queued and charged. The peer is charged for the pages of a slice while the slice
 * exists. The commit ends the charge for the data of the message, and the charge for one message
 * becomes a charge for the slice. (Peers of 2016 receive in another way, see v2016-recv.c.)
 */

#include <linux/err.h>
#include <linux/sched.h>
#include "cmd-slice.h"
#include "message.h"
#include "peer.h"
#include "pool.h"

int bus1_peer_enable_pool(struct bus1_peer *peer, const struct bus1_pool_memory *memory, void *data)
{
	struct bus1_pool *pool;
	int r;

	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;
	if (!peer->pool) {
		pool = bus1_pool_new(memory, data, &peer->usage);
		r = PTR_ERR_OR_ZERO(pool);
		if (r == 0)
			peer->pool = pool;
	}
	mutex_unlock(&peer->lock);
	return r;
}

int bus1_recv_to_pool(struct bus1_recv *recv, u64 max_offset, u64 *ret_offset)
{
	const struct bus1_payload *payload = recv->payload;
	struct bus1_peer *peer = recv->peer;
	struct bus1_pool *pool = peer->pool;
	struct bus1_slice *slice;

	*ret_offset = BUS1_INVALID;
	if (!payload || payload->n_data == 0)
		return 0;

	mutex_lock(&peer->lock);
	slice = bus1_slice_new(pool, payload->n_data);
	mutex_unlock(&peer->lock);
	if (IS_ERR(slice))
		return PTR_ERR(slice);
	recv->slice = slice;
	if (slice->offset + payload->n_data > max_offset)
		return -ERANGE;

	*ret_offset = slice->offset;
	return pool->memory->write(pool->data, slice->offset, payload->data, payload->n_data);
}

/**
 * bus1_recv_keep_slice() - turn the charge for a message into one for its slice, and show the slice
 * @recv:	receive that is about to end
 */
void bus1_recv_keep_slice(struct bus1_recv *recv)
{
	lockdep_assert_held(&recv->peer->lock);

	recv->slice->charged = bus1_delivery_uncharge(bus1_delivery_from_entry(recv->entry), true);
	bus1_slice_show(recv->peer->pool, recv->slice);
	recv->slice = NULL;
}

/* Free a slice, and end the charge for one message that it may have. */
void bus1_peer_free_slice(struct bus1_peer *peer, struct bus1_slice *slice)
{
	const u64 amount[_BUS1_SUM_N_MESSAGE] = { [BUS1_RESOURCE_MESSAGES] = 1 };

	lockdep_assert_held(&peer->lock);

	if (slice->charged)
		bus1_uncharge(&peer->usage, amount);
	bus1_slice_free(peer->pool, slice);
}

/**
 * bus1_peer_free_slices() - free all slices except that of a receive in progress, and their memory
 * @peer:	peer, with or without a pool
 * @end:	the peer has ended. A mapping may keep memory after the peer was freed, so a receive
 *		in progress must leave no memory when it ends.
 */
void bus1_peer_free_slices(struct bus1_peer *peer, bool end)
{
	struct bus1_slice *slice;

	while (peer->pool && (slice = bus1_slice_first(peer->pool))) {
		bus1_peer_free_slice(peer, slice);
		cond_resched();
	}
	if (peer->pool)
		bus1_pool_trim(peer->pool, end);
}

int bus1_peer_release_slice(struct bus1_peer *peer, u64 offset)
{
	struct bus1_slice *slice;
	int r;

	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;
	slice = peer->pool ? bus1_slice_find(peer->pool, offset) : NULL;
	if (slice)
		bus1_peer_free_slice(peer, slice);
	mutex_unlock(&peer->lock);
	return slice ? 0 : -EBADRQC;
}
