// SPDX-License-Identifier: GPL-2.0-only
/*
 * The send command of 2016: one message to all destinations in one transaction, or a seed
 */

#include <linux/err.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <trace/events/bus1.h>
#include "commit.h"
#include "v2016-peer.h"

/**
 * struct bus1_v2016_destination - one destination while it is collected
 * @delivery:	its message; NULL when there is none
 * @error:	reason why there is no message, a negative errno; else 0
 */
struct bus1_v2016_destination {
	struct bus1_delivery *delivery;
	int error;
};

/**
 * struct bus1_v2016_send_state - a send in progress
 * @peer:		sender
 * @send:		arguments
 * @created:		IDs whose nodes this command makes
 * @nodes:		node of each handle that the message carries
 * @destinations:	state of each destination
 * @n_destinations:	number of destinations that were collected so far
 * @seed:		the new seed; NULL when the message is not a seed
 */
struct bus1_v2016_send_state {
	struct bus1_peer *peer;
	const struct bus1_v2016_send *send;
	struct list_head created;
	struct bus1_node **nodes;
	struct bus1_v2016_destination *destinations;
	size_t n_destinations;
	struct bus1_delivery *seed;
};

static struct bus1_delivery *bus1_v2016_delivery_new(struct bus1_v2016_send_state *state,
						     struct bus1_node *node)
{
	return bus1_delivery_new(state->peer, node, state->send->payload, state->nodes,
				 state->send->n_handles);
}

/* Make the message to a node, or find out why there is none. */
static struct bus1_delivery *bus1_v2016_collect_delivery(struct bus1_v2016_send_state *state,
							 struct bus1_node *node)
{
	int r;

	if (bus1_node_is_dead(node))
		return ERR_PTR(-EHOSTUNREACH);
	r = bus1_peer_ask(state->peer, node->owner,
			  BUS1_ACT_SEND | (state->send->n_handles > 0 ? BUS1_ACT_TRANSFER : 0));
	return r < 0 ? ERR_PTR(r) : bus1_v2016_delivery_new(state, node);
}

static int bus1_v2016_collect_destination(struct bus1_v2016_send_state *state, u64 id,
					  struct bus1_v2016_destination *destination)
{
	struct bus1_delivery *delivery;
	struct bus1_v2016_id *named;
	int r;

	r = bus1_v2016_import(state->peer, id, &state->created, &named);
	if (r < 0)
		return r;

	delivery = bus1_v2016_collect_delivery(state, named->node);
	if (!IS_ERR(delivery)) {
		*destination = (struct bus1_v2016_destination){ .delivery = delivery };
		return 0;
	}

	/* With CONTINUE only -ENOMEM, which is no error of the receiver, fails the whole send. */
	r = PTR_ERR(delivery);
	if (r == -ENOMEM || !(state->send->flags & BUS1_2016_SEND_CONTINUE))
		return r;
	*destination = (struct bus1_v2016_destination){ .error = r };
	return 0;
}

static void bus1_v2016_send_undo(struct bus1_v2016_send_state *state)
{
	while (state->n_destinations > 0) {
		bus1_delivery_free(state->destinations[--state->n_destinations].delivery);
		cond_resched();
	}
	bus1_v2016_import_undo(state->peer, &state->created);
}

/* Do everything that can fail. Undo it on failure. */
static int bus1_v2016_send_collect(struct bus1_v2016_send_state *state)
{
	const struct bus1_v2016_send *send = state->send;
	struct bus1_v2016_id *named;
	size_t i;
	int r = 0;

	for (i = 0; i < send->n_handles && r == 0; i++) {
		r = bus1_v2016_import(state->peer, send->handles[i], &state->created, &named);
		if (r == 0)
			state->nodes[i] = named->node;
	}
	for (i = 0; i < send->n_destinations && r == 0; i++) {
		r = bus1_v2016_collect_destination(state, send->destinations[i],
						   &state->destinations[i]);
		if (r == 0)
			++state->n_destinations;
		cond_resched();
	}
	if (r == 0 && send->flags & BUS1_2016_SEND_SEED) {
		state->seed = bus1_v2016_delivery_new(state, NULL);
		if (IS_ERR(state->seed))
			r = PTR_ERR(state->seed);
	}
	if (r < 0)
		bus1_v2016_send_undo(state);
	return r;
}

static void bus1_v2016_commit_destination(struct bus1_v2016_destination *destination,
					  struct bus1_tx *tx)
{
	struct bus1_delivery *delivery = destination->delivery;
	struct bus1_node *node;

	if (!delivery)
		return;

	node = delivery->node;
	if (node->oneshot && bus1_node_consume(node, NULL)) {
		bus1_tx_add_delivery(tx, delivery);
		bus1_node_release(node, tx);
	} else if (bus1_node_is_dead(node)) {
		/* The node died in the meantime, for example by accepting its one message. */
		bus1_delivery_free(delivery);
		destination->error = -EHOSTUNREACH;
	} else {
		bus1_tx_add_delivery(tx, delivery);
	}
}

static void bus1_v2016_send_commit(struct bus1_v2016_send_state *state)
{
	const struct bus1_v2016_send *send = state->send;
	struct bus1_tx tx;
	size_t i;

	bus1_tx_init(&tx, state->peer);
	for (i = 0; i < send->n_destinations; i++) {
		bus1_v2016_commit_destination(&state->destinations[i], &tx);
		if (send->errors)
			send->errors[i] = send->flags & BUS1_2016_SEND_CONTINUE
						  ? state->destinations[i].error
						  : 0;
		cond_resched();
	}
	if (state->seed) {
		bus1_delivery_link(state->seed);
		bus1_v2016_drop_seed(state->peer, &tx);
		state->peer->v2016->seed.delivery = state->seed;
	}
	bus1_v2016_import_commit(&state->created);
	bus1_v2016_commit(state->peer, &tx);
}

static int bus1_v2016_send_check(const struct bus1_v2016_send *send)
{
	if (send->flags == BUS1_2016_SEND_SEED ? send->n_destinations > 0
					       : send->flags & ~BUS1_2016_SEND_CONTINUE)
		return -EINVAL;
	if (send->n_destinations > BUS1_MAX_DESTINATIONS || send->n_handles > BUS1_MAX_TRANSFERS)
		return -EMSGSIZE;
	return 0;
}

int bus1_v2016_check_destinations(struct bus1_peer *peer, const u64 *destinations, size_t n)
{
	size_t i;
	int r;

	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;
	for (i = 0; i < n && r == 0; i++) {
		r = bus1_v2016_check(peer->v2016, destinations[i]);
		cond_resched();
	}
	mutex_unlock(&peer->lock);
	return r;
}

int bus1_v2016_send(struct bus1_peer *peer, const struct bus1_v2016_send *send)
{
	struct bus1_v2016_send_state state = {
		.peer = peer,
		.send = send,
		.created = LIST_HEAD_INIT(state.created),
	};
	int r;

	r = bus1_v2016_send_check(send);
	if (r < 0)
		return r;

	state.nodes = kvmalloc_array(send->n_handles + 1, sizeof(*state.nodes), GFP_KERNEL_ACCOUNT);
	state.destinations = kvmalloc_array(send->n_destinations + 1, sizeof(*state.destinations),
					    GFP_KERNEL_ACCOUNT);
	if (!state.nodes || !state.destinations) {
		r = -ENOMEM;
		goto out;
	}

	r = bus1_peer_lock(peer);
	if (r < 0)
		goto out;
	r = bus1_v2016_send_collect(&state);
	if (r == 0)
		bus1_v2016_send_commit(&state);
	mutex_unlock(&peer->lock);

out:
	trace_bus1_send(peer->number, send->flags, send->destinations, send->n_destinations,
			send->n_handles, send->payload, r);
	kvfree(state.destinations);
	kvfree(state.nodes);
	return r;
}
