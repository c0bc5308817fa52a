// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers of 2016: creation, limits, reset and disconnect, see v2016-peer.h
 */

#include <linux/err.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <trace/events/bus1.h>
#include "acct.h"
#include "cmd-slice.h"
#include "inspect.h"
#include "tx.h"
#include "v2016-peer.h"

/*
 * The value of last_id before the core has chosen any ID. Each ID that the core chooses is greater
 * by four than the one before. So the two lowest bits, which are flags, stay set.
 */
#define BUS1_V2016_FIRST_ID (BUS1_2016_HANDLE_MANAGED | BUS1_2016_HANDLE_REMOTE)

static int bus1_v2016_new(struct bus1_peer *peer, const struct bus1_pool_memory *memory, void *data)
{
	struct bus1_v2016 *v2016;
	struct bus1_pool *pool;

	v2016 = kzalloc(sizeof(*v2016), GFP_KERNEL_ACCOUNT);
	if (!v2016)
		return -ENOMEM;
	pool = bus1_pool_new(memory, data, &peer->usage);
	if (IS_ERR(pool)) {
		kfree(v2016);
		return PTR_ERR(pool);
	}
	v2016->last_id = BUS1_V2016_FIRST_ID;
	v2016->state.max_slices = U32_MAX;
	v2016->state.max_handles = U32_MAX;
	v2016->state.max_inflight_bytes = U32_MAX;
	v2016->state.max_inflight_fds = U32_MAX;
	peer->pool = pool;
	peer->v2016 = v2016;
	return 0;
}

int bus1_v2016_enable(struct bus1_peer *peer, const struct bus1_pool_memory *memory, void *data)
{
	int r;

	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;
	if (peer->objects.last_id > 0)
		r = -ENOTTY;
	else if (!peer->v2016)
		r = bus1_v2016_new(peer, memory, data);
	mutex_unlock(&peer->lock);
	return r;
}

int bus1_v2016_query(struct bus1_peer *peer, struct bus1_2016_peer_reset *query)
{
	int r;

	if (query->flags != 0)
		return -EINVAL;

	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;
	*query = peer->v2016->state;
	mutex_unlock(&peer->lock);
	return 0;
}

/* Set a limit, unless the user leaves it as it is. */
static void bus1_v2016_set_limit(struct bus1_peer *peer, enum bus1_resource resource, u32 *state,
				 u32 max)
{
	if (max == U32_MAX)
		return;
	*state = max;
	WRITE_ONCE(peer->usage.max[resource], max);
}

static void bus1_v2016_set_limits(struct bus1_peer *peer, const struct bus1_2016_peer_reset *reset)
{
	struct bus1_2016_peer_reset *state = &peer->v2016->state;

	if (reset->peer_flags != U64_MAX)
		state->peer_flags = reset->peer_flags;
	bus1_v2016_set_limit(peer, BUS1_RESOURCE_MESSAGES, &state->max_slices, reset->max_slices);
	bus1_v2016_set_limit(peer, BUS1_RESOURCE_OBJECTS, &state->max_handles, reset->max_handles);
	bus1_v2016_set_limit(peer, BUS1_RESOURCE_BYTES, &state->max_inflight_bytes,
			     reset->max_inflight_bytes);
	bus1_v2016_set_limit(peer, BUS1_RESOURCE_FILES, &state->max_inflight_fds,
			     reset->max_inflight_fds);
}

static struct bus1_v2016_id *bus1_v2016_next(struct rb_node *rb)
{
	return rb ? rb_entry(rb, struct bus1_v2016_id, by_id) : NULL;
}

/* End an ID and all references of the user to it. */
static void bus1_v2016_release(struct bus1_peer *peer, struct bus1_v2016_id *named,
			       struct bus1_tx *tx)
{
	if (named->owned && !named->destroyed)
		bus1_v2016_destroy(named, tx);
	named->n_user = 0;
	bus1_v2016_drop_handle(named, tx);
	bus1_v2016_end(peer, named);
}

/*
 * End all IDs, except those of the peer's living nodes that the seed carries handles to. These IDs
 * stay, but the user loses all references to them.
 */
static void bus1_v2016_release_all(struct bus1_peer *peer, struct bus1_tx *tx)
{
	struct bus1_v2016 *v2016 = peer->v2016;
	struct bus1_delivery *seed = v2016->seed.delivery;
	struct bus1_v2016_id *named, *next;
	size_t i;

	/* First mark the IDs of these nodes, so that the loop below knows which IDs stay. */
	for (i = 0; seed && i < seed->n_handles; i++) {
		struct bus1_node *node = seed->handles[i]->node;

		if (node->owner != peer || bus1_node_is_dead(node))
			continue;
		named = bus1_v2016_find(v2016, node->object.id);
		if (named)
			named->seeded = true;
	}

	for (named = bus1_v2016_next(rb_first(&v2016->by_id)); named; named = next) {
		next = bus1_v2016_next(rb_next(&named->by_id));
		if (named->seeded) {
			named->seeded = false;
			named->n_user = 0;
			bus1_v2016_drop_handle(named, tx);
		} else {
			bus1_v2016_release(peer, named, tx);
		}
		cond_resched();
	}
}

static void bus1_v2016_reset_locked(struct bus1_peer *peer,
				    const struct bus1_2016_peer_reset *reset)
{
	struct bus1_tx tx;

	bus1_v2016_set_limits(peer, reset);

	bus1_tx_init(&tx, peer);
	if (reset->flags & BUS1_2016_RESET_FLUSH_SEED)
		bus1_v2016_drop_seed(peer, &tx);
	if (reset->flags & BUS1_2016_RESET_FLUSH) {
		peer->flushed = bus1_queue_sync(&peer->queue, 0);
		bus1_v2016_release_all(peer, &tx);
		bus1_v2016_skip_moot(peer, &tx);
		/* All slices are freed, also the one that the seed was received into. */
		peer->v2016->seed.slice = NULL;
		bus1_peer_free_slices(peer, false);
	}
	bus1_v2016_commit(peer, &tx);
}

int bus1_v2016_reset(struct bus1_peer *peer, const struct bus1_2016_peer_reset *reset)
{
	int r;

	if (reset->flags & ~(BUS1_2016_RESET_FLUSH | BUS1_2016_RESET_FLUSH_SEED) ||
	    (reset->peer_flags != U64_MAX && reset->peer_flags & ~BUS1_2016_PEER_WANT_SECCTX))
		return -EINVAL;

	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;
	bus1_v2016_reset_locked(peer, reset);
	mutex_unlock(&peer->lock);
	if (reset->flags & BUS1_2016_RESET_FLUSH)
		trace_bus1_end(peer->number, false);
	return 0;
}

/**
 * bus1_v2016_disconnect() - release the additional state of a peer of 2016
 * @peer:	peer, which is locked and whose queue is sealed
 * @tx:		transaction of the disconnect
 */
void bus1_v2016_disconnect(struct bus1_peer *peer, struct bus1_tx *tx)
{
	bus1_v2016_forget(&peer->v2016->head);
	bus1_v2016_drop_seed(peer, tx);
	bus1_v2016_release_all(peer, tx);
	kfree(peer->v2016);
	peer->v2016 = NULL;
}

/**
 * bus1_v2016_inspect() - look at the next node or handle of a peer of 2016
 * @peer:	peer
 * @first:	ID to begin with
 * @ret_info:	set for the first ID that is not below @first. An ID that names a node of the peer
 *		together with a handle is shown as the node.
 *
 * Return: whether there is such an ID.
 */
bool bus1_v2016_inspect(const struct bus1_peer *peer, u64 first, struct bus1_object_info *ret_info)
{
	struct rb_node *rb = peer->v2016->by_id.rb_node;
	struct bus1_v2016_id *found = NULL;

	while (rb) {
		struct bus1_v2016_id *named = rb_entry(rb, struct bus1_v2016_id, by_id);

		if (named->id >= first) {
			found = named;
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	if (!found)
		return false;

	*ret_info = (struct bus1_object_info){
		.id = found->id,
		.is_node = found->owned,
		.node = found->node->object.id,
		.owner = found->node->owner->number,
		.dead = bus1_node_is_dead(found->node),
	};
	return true;
}
