// SPDX-License-Identifier: GPL-2.0-only
/*
 * The send command: one message to all destinations in one transaction
 */

#include <linux/err.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <trace/events/bus1.h>
#include "commit.h"
#include "moot.h"

#define BUS1_SEND_FEW 4

/**
 * struct bus1_send_destination - one destination while it is collected
 * @handle:	handle to send through, held by the sender. Set to NULL during the commit when
 *		nothing more has to be done with the handle.
 * @delivery:	message to the destination; or ERR_PTR() with the reason why there is none
 */
struct bus1_send_destination {
	struct bus1_handle *handle;
	struct bus1_delivery *delivery;
};

/**
 * struct bus1_send_state - a send in progress
 * @peer:		sender
 * @send:		arguments
 * @destinations:	state of each destination
 * @n_destinations:	number of destinations that were collected so far
 * @nodes:		node of each transfer; new if the transfer has BUS1_TRANSFER_FLAG_CREATE
 * @n_nodes:		number of nodes that were collected so far
 */
struct bus1_send_state {
	struct bus1_peer *peer;
	const struct bus1_send *send;
	struct bus1_send_destination *destinations;
	size_t n_destinations;
	struct bus1_node **nodes;
	size_t n_nodes;
};

size_t bus1_send_memory(size_t n_data, size_t n_destinations, size_t n_transfers)
{
	size_t n = bus1_payload_allocated(
		sizeof(struct bus1_delivery) + sizeof(struct bus1_payload), n_data);

	if (n_destinations > 1)
		n += bus1_allocated(n_destinations * sizeof(u64)) +
		     bus1_allocated(n_destinations * sizeof(s32)) +
		     bus1_allocated(n_destinations * sizeof(struct bus1_send_destination));
	if (n_transfers > 0)
		n += bus1_allocated(n_transfers * sizeof(struct bus1_transfer)) +
		     bus1_allocated(n_transfers * sizeof(struct bus1_node *));
	return n;
}

/* Give up the message to one destination. */
static void bus1_send_refuse(struct bus1_send_destination *destination, int error)
{
	if (!IS_ERR(destination->delivery))
		bus1_delivery_free(destination->delivery);
	destination->delivery = ERR_PTR(error);
}

static void bus1_send_undo(struct bus1_send_state *state)
{
	while (state->n_destinations > 0) {
		bus1_send_refuse(&state->destinations[--state->n_destinations], -EHOSTUNREACH);
		cond_resched();
	}
	while (state->n_nodes > 0) {
		--state->n_nodes;
		if (state->send->transfers[state->n_nodes].flags & BUS1_TRANSFER_FLAG_CREATE)
			bus1_peer_destroy_node(state->peer, state->nodes[state->n_nodes]);
	}
}

static int bus1_send_collect_transfer(struct bus1_send_state *state,
				      const struct bus1_transfer *transfer,
				      struct bus1_node **ret_node)
{
	struct bus1_handle *handle;

	if (transfer->flags & BUS1_TRANSFER_FLAG_CREATE)
		return bus1_peer_create_node(state->peer, transfer->flags, ret_node);

	handle = bus1_peer_find_handle(state->peer, transfer->id);
	if (!handle)
		return -EBADRQC;
	*ret_node = handle->node;
	return 0;
}

/* Make the message to a node, or find out why there is none. */
static struct bus1_delivery *bus1_send_collect_delivery(const struct bus1_send_state *state,
							struct bus1_node *node)
{
	int r;

	if (bus1_node_is_dead(node))
		return ERR_PTR(-EHOSTUNREACH);
	r = bus1_peer_ask(state->peer, node->owner,
			  BUS1_ACT_SEND | (state->n_nodes > 0 ? BUS1_ACT_TRANSFER : 0));
	if (r < 0)
		return ERR_PTR(r);
	return bus1_delivery_new(state->peer, node, state->send->payload, state->nodes,
				 state->n_nodes);
}

static int bus1_send_collect_destination(struct bus1_send_state *state,
					 struct bus1_send_destination *destination, u64 id)
{
	struct bus1_delivery *delivery;

	destination->handle = bus1_peer_find_handle(state->peer, id);
	if (!destination->handle)
		return -EBADRQC;
	delivery = bus1_send_collect_delivery(state, destination->handle->node);
	destination->delivery = delivery;
	if (!IS_ERR(delivery) || PTR_ERR(delivery) == -EHOSTUNREACH)
		return 0;
	if (PTR_ERR(delivery) != -ENOMEM && state->send->flags & BUS1_SEND_FLAG_CONTINUE)
		return 0;
	return PTR_ERR(delivery);
}

/* Do everything that can fail. Undo it on failure. */
static int bus1_send_collect(struct bus1_send_state *state)
{
	const struct bus1_send *send = state->send;
	size_t i;
	int r = 0;

	for (i = 0; i < send->n_transfers && r == 0; i++) {
		r = bus1_send_collect_transfer(state, &send->transfers[i], &state->nodes[i]);
		if (r == 0)
			++state->n_nodes;
	}
	for (i = 0; i < send->n_destinations && r == 0; i++) {
		r = bus1_send_collect_destination(state, &state->destinations[i],
						  send->destinations[i]);
		if (r == 0)
			++state->n_destinations;
		cond_resched();
	}
	if (r < 0)
		bus1_send_undo(state);
	return r;
}

/*
 * End the sender's handle, if its node is one-shot. This happens also when the node is dead, or
 * accepts the message of another sender instead.
 */
static void bus1_send_end_oneshot(struct bus1_peer *peer, struct bus1_send_destination *destination)
{
	struct bus1_object *object = &destination->handle->object;

	if (IS_ERR(destination->delivery) && destination->delivery != ERR_PTR(-EHOSTUNREACH)) {
		/* Nothing was sent through the handle, so the sender keeps it. */
		destination->handle = NULL;
		return;
	}
	if (!destination->handle->node->oneshot)
		return;
	if (object->state == BUS1_OBJECT_HELD) {
		bus1_peer_remove(peer, object);
		return;
	}

	/* The user passed the handle more than once, and this is not the first time. */
	bus1_send_refuse(destination, -EHOSTUNREACH);
	destination->handle = NULL;
}

static void bus1_send_commit_destination(struct bus1_send_destination *destination,
					 struct bus1_tx *tx)
{
	struct bus1_node *node;

	if (!destination->handle)
		return;

	node = destination->handle->node;
	if (node->oneshot ? !bus1_node_consume(node, destination->handle) : bus1_node_is_dead(node))
		bus1_send_refuse(destination, -EHOSTUNREACH);
	else
		bus1_tx_add_delivery(tx, destination->delivery);
	if (!node->oneshot)
		destination->handle = NULL;
	else if (!IS_ERR(destination->delivery))
		bus1_node_release(node, tx);
}

static void bus1_send_commit(struct bus1_send_state *state)
{
	const struct bus1_send *send = state->send;
	struct bus1_peer *peer = state->peer;
	bool moot = false;
	struct bus1_tx tx;
	size_t i;

	bus1_tx_init(&tx, peer);

	for (i = 0; i < send->n_transfers; i++) {
		if (send->transfers[i].flags & BUS1_TRANSFER_FLAG_CREATE)
			bus1_peer_hold(peer, &state->nodes[i]->object);
	}
	/*
	 * First end the IDs of handles of one-shot nodes, so that the peer gets no notifications
	 * about these handles.
	 */
	for (i = 0; i < send->n_destinations; i++) {
		bus1_send_end_oneshot(peer, &state->destinations[i]);
		cond_resched();
	}
	for (i = 0; i < send->n_destinations; i++) {
		bus1_send_commit_destination(&state->destinations[i], &tx);
		if (send->errors)
			send->errors[i] = send->flags & BUS1_SEND_FLAG_CONTINUE
						  ? PTR_ERR_OR_ZERO(state->destinations[i].delivery)
						  : 0;
		cond_resched();
	}
	for (i = 0; i < send->n_transfers; i++) {
		if (!(send->transfers[i].flags & BUS1_TRANSFER_FLAG_CREATE))
			continue;
		bus1_node_release_unused(state->nodes[i], &tx);
		send->transfers[i].flags = 0;
		send->transfers[i].id = state->nodes[i]->object.id;
	}
	bus1_tx_commit(&tx);

	/*
	 * Only handles of one-shot nodes are left in the destinations. Their IDs have ended. If
	 * such a node was dead before, the notification about its handle is moot now.
	 */
	for (i = 0; i < send->n_destinations; i++) {
		if (!state->destinations[i].handle)
			continue;
		moot |= IS_ERR(state->destinations[i].delivery);
		bus1_handle_unref(state->destinations[i].handle);
		cond_resched();
	}
	if (moot)
		bus1_recv_settle(peer);
}

static int bus1_send_check(const struct bus1_send *send)
{
	if (send->flags & ~BUS1_SEND_FLAG_CONTINUE)
		return -EINVAL;
	if (send->n_destinations > BUS1_MAX_DESTINATIONS || send->n_transfers > BUS1_MAX_TRANSFERS)
		return -EMSGSIZE;
	return bus1_transfers_check(send->transfers, send->n_transfers);
}

int bus1_peer_check_destinations(struct bus1_peer *peer, const u64 *destinations, size_t n)
{
	size_t i;
	int r;

	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;
	for (i = 0; i < n && r == 0; i++) {
		if (!bus1_peer_find_handle(peer, destinations[i]))
			r = -EBADRQC;
		cond_resched();
	}
	mutex_unlock(&peer->lock);
	return r;
}

int bus1_peer_send(struct bus1_peer *peer, const struct bus1_send *send)
{
	struct bus1_send_destination few_destinations[BUS1_SEND_FEW];
	struct bus1_node *few_nodes[BUS1_SEND_FEW];
	struct bus1_send_state state = {
		.peer = peer,
		.send = send,
		.destinations = few_destinations,
		.nodes = few_nodes,
	};
	int r;

	r = bus1_send_check(send);
	if (r < 0)
		return r;

	if (send->n_destinations > BUS1_SEND_FEW)
		state.destinations = kvmalloc_array(
			send->n_destinations, sizeof(*state.destinations), GFP_KERNEL_ACCOUNT);
	if (send->n_transfers > BUS1_SEND_FEW)
		state.nodes =
			kvmalloc_array(send->n_transfers, sizeof(*state.nodes), GFP_KERNEL_ACCOUNT);
	if (!state.destinations || !state.nodes) {
		r = -ENOMEM;
		goto out;
	}

	r = bus1_peer_lock(peer);
	if (r < 0)
		goto out;
	r = bus1_send_collect(&state);
	if (r == 0)
		bus1_send_commit(&state);
	mutex_unlock(&peer->lock);

out:
	trace_bus1_send(peer->number, send->flags, send->destinations, send->n_destinations,
			send->n_transfers, send->payload, r);
	if (state.nodes != few_nodes)
		kvfree(state.nodes);
	if (state.destinations != few_destinations)
		kvfree(state.destinations);
	return r;
}
