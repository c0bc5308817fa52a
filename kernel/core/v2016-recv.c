// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receive command of 2016
 *
 * A message is received into a slice of the pool. That memory belongs to the front end and not to
 * the user, so writing to it does not wait for the user, and all of this happens with the peer
 * locked. A slice has these parts, each of which starts at a multiple of eight bytes:
 *
 *	| data | IDs of the handles | descriptors | security label |
 *
 * A message has at most one slice. A message that was peeked at is received into the same slice
 * later, unless the user has freed the slice, or the peer has begun to want labels and the label
 * does not fit. In the same slice, only the parts behind the data are written again. When the
 * message is taken or dropped and still has a slice, the charge for one message becomes one for the
 * slice.
 */

#include <linux/err.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <trace/events/bus1.h>
#include "cmd-slice.h"
#include "commit.h"
#include "v2016-peer.h"

/**
 * struct bus1_v2016_item - a handle of a message that is received
 * @named:	ID of the handle; NULL when the handle has no ID
 * @copy:	second handle, for the user of a peek; NULL when none is needed
 */
struct bus1_v2016_item {
	struct bus1_v2016_id *named;
	struct bus1_handle *copy;
};

/**
 * struct bus1_v2016_recv_state - a receive in progress
 * @peer:	receiver
 * @recv:	arguments and results
 * @shown:	message, and its slice
 * @slice:	slice that the message is written to
 * @fresh:	@slice was made for this receive
 * @items:	one for each handle of the message
 * @ids:	the IDs that are written, one for each handle
 * @n_items:	number of elements of @items and @ids that are set
 * @fds:	numbers that were reserved for descriptors
 * @n_fds:	number of @fds
 */
struct bus1_v2016_recv_state {
	struct bus1_peer *peer;
	struct bus1_v2016_recv *recv;
	struct bus1_v2016_shown *shown;
	struct bus1_slice *slice;
	bool fresh;
	struct bus1_v2016_item *items;
	u64 *ids;
	size_t n_items;
	s32 *fds;
	size_t n_fds;
};

static u64 bus1_align8(u64 n)
{
	return n + (-n & 7);
}

int bus1_v2016_slice_release(struct bus1_peer *peer, u64 offset)
{
	struct bus1_slice *slice;
	int r;

	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;
	slice = bus1_slice_find(peer->pool, offset);
	if (slice)
		bus1_v2016_slice_free(peer, slice);
	else
		r = -ENXIO;
	mutex_unlock(&peer->lock);
	return r;
}

static int bus1_v2016_write(const struct bus1_v2016_recv_state *state, u64 at, const void *from,
			    size_t n)
{
	struct bus1_pool *pool = state->peer->pool;

	return n > 0 ? pool->memory->write(pool->data, state->slice->offset + at, from, n) : 0;
}

/* Use the slice of the message if it is large enough; else make one, and write the data to it. */
static int bus1_v2016_recv_slice(struct bus1_v2016_recv_state *state)
{
	struct bus1_delivery *delivery = state->shown->delivery;
	struct bus1_payload *payload = delivery->payload;
	struct bus1_slice *slice = state->shown->slice;
	u64 size;

	size = bus1_align8(payload->n_data) + delivery->n_handles * sizeof(u64) +
	       bus1_align8(payload->n_files * sizeof(s32)) + state->recv->n_secctx;
	if (!slice || slice->size < size) {
		slice = bus1_slice_new(state->peer->pool, size);
		if (IS_ERR(slice))
			return PTR_ERR(slice);
		state->fresh = true;
	}
	state->slice = slice;
	if (slice->offset + slice->size > state->recv->max_offset)
		return -ERANGE;
	return state->fresh ? bus1_v2016_write(state, 0, payload->data, payload->n_data) : 0;
}

/*
 * After a peek the message still has its handles. So make a second handle for the receiver, unless
 * the handle has no ID, or the receiver already holds a handle to this node or has destroyed it.
 */
static int bus1_v2016_recv_copy(struct bus1_peer *peer, struct bus1_handle *handle,
				struct bus1_v2016_item *item)
{
	int r;

	if (!item->named || item->named->handle || item->named->destroyed)
		return 0;
	r = bus1_charge_objects(&peer->usage, &peer->usage, 1, handle->copied);
	if (r < 0)
		return r;
	item->copy = bus1_handle_new(peer, handle->node, handle->copied);
	if (!item->copy) {
		bus1_uncharge_objects(&peer->usage, 1, handle->copied);
		return -ENOMEM;
	}
	return 0;
}

static int bus1_v2016_recv_handles(struct bus1_v2016_recv_state *state)
{
	struct bus1_delivery *delivery = state->shown->delivery;
	int r;

	if (delivery->n_handles == 0)
		return 0;
	state->items = kvcalloc(delivery->n_handles, sizeof(*state->items), GFP_KERNEL_ACCOUNT);
	state->ids = kvcalloc(delivery->n_handles, sizeof(*state->ids), GFP_KERNEL_ACCOUNT);
	if (!state->items || !state->ids)
		return -ENOMEM;

	while (state->n_items < delivery->n_handles) {
		struct bus1_handle *handle = delivery->handles[state->n_items];
		struct bus1_v2016_item *item = &state->items[state->n_items];

		if (handle->object.state == BUS1_OBJECT_NEW) {
			r = bus1_v2016_reserve(state->peer, handle->node, &item->named);
			if (r < 0)
				return r;
		}
		state->ids[state->n_items++] = item->named ? item->named->id : BUS1_2016_INVALID;
		if (state->recv->flags & (BUS1_2016_RECV_PEEK)) {
			r = bus1_v2016_recv_copy(state->peer, handle, item);
			if (r < 0)
				return r;
		}
	}
	return bus1_v2016_write(state, bus1_align8(delivery->payload->n_data), state->ids,
				state->n_items * sizeof(*state->ids));
}

static int bus1_v2016_recv_files(struct bus1_v2016_recv_state *state)
{
	struct bus1_payload *payload = state->shown->delivery->payload;
	int r;

	if (payload->n_files == 0 || !(state->recv->flags & BUS1_2016_RECV_INSTALL_FDS))
		return 0;
	state->fds = kvmalloc_array(payload->n_files, sizeof(*state->fds), GFP_KERNEL_ACCOUNT);
	if (!state->fds)
		return -ENOMEM;
	r = state->recv->reserve(state->fds, payload->files, payload->n_files);
	if (r < 0)
		return r;
	state->n_fds = payload->n_files;
	return bus1_v2016_write(state,
				bus1_align8(payload->n_data) + state->n_items * sizeof(*state->ids),
				state->fds, state->n_fds * sizeof(*state->fds));
}

static int bus1_v2016_recv_label(struct bus1_v2016_recv_state *state)
{
	struct bus1_v2016_recv *recv = state->recv;

	if (!recv->label || !(state->peer->v2016->state.peer_flags & BUS1_2016_PEER_WANT_SECCTX))
		return 0;
	return recv->label(recv, state->shown->delivery->payload);
}

static int bus1_v2016_recv_secctx(struct bus1_v2016_recv_state *state)
{
	return bus1_v2016_write(state,
				bus1_align8(state->shown->delivery->payload->n_data) +
					state->n_items * sizeof(*state->ids) +
					bus1_align8(state->n_fds * sizeof(*state->fds)),
				state->recv->secctx, state->recv->n_secctx);
}

static void bus1_v2016_recv_undo(struct bus1_v2016_recv_state *state)
{
	if (state->n_fds > 0)
		state->recv->unreserve(state->fds, state->n_fds);
	while (state->n_items > 0) {
		struct bus1_v2016_item *item = &state->items[--state->n_items];

		bus1_v2016_unreserve(state->peer, item->named);
		bus1_handle_unref(item->copy);
	}
	if (state->fresh)
		bus1_slice_free(state->peer->pool, state->slice);
}

/* Give the handles to the user. */
static void bus1_v2016_recv_install(struct bus1_v2016_recv_state *state, bool take,
				    struct bus1_tx *tx)
{
	struct bus1_delivery *delivery = state->shown->delivery;
	size_t i;

	for (i = 0; i < state->n_items; i++) {
		struct bus1_handle *handle = state->items[i].copy;

		if (take && delivery->handles[i]->object.state == BUS1_OBJECT_NEW) {
			handle = delivery->handles[i];
			delivery->handles[i] = NULL;
		} else if (handle && !bus1_handle_link(handle)) {
			bus1_handle_notify(handle, tx);
		}
		if (handle || state->items[i].named)
			bus1_v2016_install(state->items[i].named, handle, tx);
	}
}

static void bus1_v2016_recv_fill(struct bus1_v2016_recv_state *state)
{
	struct bus1_delivery *delivery = state->shown->delivery;
	struct bus1_2016_msg *msg = &state->recv->msg;

	if (state->fresh) {
		if (state->shown->slice)
			bus1_v2016_slice_free(state->peer, state->shown->slice);
		bus1_slice_show(state->peer->pool, state->slice);
		state->shown->slice = state->slice;
	}

	msg->type = BUS1_2016_MSG_DATA;
	msg->destination = delivery->node ? delivery->node->object.id : BUS1_2016_INVALID;
	msg->offset = state->slice->offset;
	msg->n_bytes = delivery->payload->n_data;
	msg->n_handles = state->n_items;
	msg->n_fds = state->n_fds;
	if (state->recv->has_secctx) {
		msg->flags |= BUS1_2016_MSG_HAS_SECCTX;
		msg->n_secctx = state->recv->n_secctx;
	}
	state->recv->payload = bus1_payload_ref(delivery->payload);
	state->recv->fds = state->fds;
	state->fds = NULL;
}

static int bus1_v2016_recv_message(struct bus1_peer *peer, struct bus1_v2016_recv *recv,
				   struct bus1_v2016_shown *shown, struct bus1_tx *tx)
{
	struct bus1_v2016_recv_state state = { .peer = peer, .recv = recv, .shown = shown };
	struct bus1_delivery *delivery = shown->delivery;
	bool take = !(recv->flags & BUS1_2016_RECV_PEEK);
	int r;

	r = bus1_v2016_recv_label(&state);
	if (r == 0)
		r = bus1_v2016_recv_slice(&state);
	if (r == 0)
		r = bus1_v2016_recv_handles(&state);
	if (r == 0)
		r = bus1_v2016_recv_files(&state);
	if (r == 0)
		r = bus1_v2016_recv_secctx(&state);
	if (r < 0) {
		bus1_v2016_recv_undo(&state);
		goto out;
	}

	bus1_v2016_recv_fill(&state);
	bus1_v2016_recv_install(&state, take, tx);
	if (take) {
		bus1_v2016_forget(shown);
		if (!(recv->flags & BUS1_2016_RECV_SEED))
			bus1_queue_remove(&peer->queue, &delivery->entry);
		bus1_delivery_free(delivery);
	}

out:
	kvfree(state.fds);
	kvfree(state.ids);
	kvfree(state.items);
	return r;
}

static void bus1_v2016_recv_notification(struct bus1_peer *peer, struct bus1_v2016_recv *recv,
					 struct bus1_queue_entry *entry, struct bus1_tx *tx)
{
	recv->msg.offset = BUS1_2016_INVALID;
	switch (entry->type) {
	case BUS1_ENTRY_NODE_RELEASE:
		recv->msg.type = BUS1_2016_MSG_NODE_DESTROY;
		recv->msg.destination = bus1_handle_from_entry(entry)->object.id;
		break;
	case BUS1_ENTRY_HANDLE_RELEASE:
		recv->msg.type = BUS1_2016_MSG_NODE_DESTROY;
		recv->msg.destination = bus1_node_from_entry(entry)->object.id;
		break;
	default:
		recv->msg.type = BUS1_2016_MSG_NODE_RELEASE;
		recv->msg.destination = bus1_handle_from_entry(entry)->node->object.id;
		break;
	}
	if (!(recv->flags & BUS1_2016_RECV_PEEK)) {
		bus1_queue_remove(&peer->queue, entry);
		bus1_entry_drop(entry, tx);
	}
}

/* Whether the user will see more entries of the same transaction. */
static bool bus1_v2016_continues(struct bus1_peer *peer, struct bus1_queue_entry *entry)
{
	do {
		entry = bus1_queue_next_of_tx(&peer->queue, entry);
		cond_resched();
	} while (entry && !bus1_v2016_is_due(entry));
	return entry;
}

static int bus1_v2016_recv_queued(struct bus1_peer *peer, struct bus1_v2016_recv *recv,
				  struct bus1_tx *tx)
{
	struct bus1_v2016_shown *head = &peer->v2016->head;
	struct bus1_queue_entry *entry;

	bus1_v2016_skip_moot(peer, tx);
	entry = bus1_queue_peek(&peer->queue);
	/* In the meantime another task may have committed an entry that is moot from the start. */
	if (!entry || !bus1_v2016_is_due(entry))
		return -EAGAIN;
	recv->msg.flags = bus1_v2016_continues(peer, entry) ? BUS1_2016_MSG_CONTINUE : 0;
	if (entry->type != BUS1_ENTRY_MESSAGE) {
		bus1_v2016_recv_notification(peer, recv, entry, tx);
		return 0;
	}
	head->delivery = bus1_delivery_from_entry(entry);
	return bus1_v2016_recv_message(peer, recv, head, tx);
}

int bus1_v2016_recv(struct bus1_peer *peer, struct bus1_v2016_recv *recv)
{
	struct bus1_tx tx;
	int r;

	if (recv->flags & ~(BUS1_2016_RECV_PEEK | BUS1_2016_RECV_SEED | BUS1_2016_RECV_INSTALL_FDS))
		return -EINVAL;

	recv->msg = (struct bus1_2016_msg){};
	recv->payload = NULL;
	recv->fds = NULL;
	recv->has_secctx = false;
	recv->n_secctx = 0;
	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;

	bus1_tx_init(&tx, peer);
	if (!(recv->flags & BUS1_2016_RECV_SEED))
		r = bus1_v2016_recv_queued(peer, recv, &tx);
	else if (peer->v2016->seed.delivery)
		r = bus1_v2016_recv_message(peer, recv, &peer->v2016->seed, &tx);
	else
		r = -EAGAIN;
	bus1_v2016_commit(peer, &tx);
	if (r == 0 && recv->flags == (recv->flags & BUS1_2016_RECV_INSTALL_FDS))
		trace_bus1_recv(peer->number, recv->msg.type - BUS1_2016_MSG_DATA,
				recv->msg.destination, recv->msg.n_handles, recv->payload, r);
	mutex_unlock(&peer->lock);
	return r;
}
