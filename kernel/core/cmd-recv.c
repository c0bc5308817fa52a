// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receive command, in two steps: look at the next message or notification, then take it
 */

#include <linux/sched.h>
#include <trace/events/bus1.h>
#include "invariant.h"
#include "cmd-slice.h"
#include "commit.h"
#include "message.h"
#include "moot.h"
#include "node.h"
#include "peer.h"
#include "pool.h"

/* Give IDs to the handles of a message that the receiver will get, unless they have IDs already. */
static void bus1_recv_prepare(struct bus1_peer *peer, struct bus1_delivery *delivery)
{
	size_t i;

	for (i = 0; i < delivery->n_handles; i++) {
		struct bus1_object *object = &delivery->handles[i]->object;

		if (object->state == BUS1_OBJECT_NEW && object->id == BUS1_INVALID)
			bus1_peer_add(peer, object);
	}
}

static void bus1_recv_fill(struct bus1_recv *recv, struct bus1_peer *peer,
			   struct bus1_queue_entry *entry)
{
	*recv = (struct bus1_recv){
		.id = bus1_entry_object(entry)->id,
		.peer = peer,
		.entry = entry,
	};

	switch (entry->type) {
	case BUS1_ENTRY_MESSAGE:
		recv->type = BUS1_MESSAGE_TYPE_USER;
		recv->has_account = true;
		recv->payload = bus1_delivery_from_entry(entry)->payload;
		recv->account = recv->payload->account;
		recv->n_transfers = bus1_delivery_from_entry(entry)->n_handles;
		break;
	case BUS1_ENTRY_NODE_RELEASE:
		recv->type = BUS1_MESSAGE_TYPE_NODE_RELEASE;
		break;
	case BUS1_ENTRY_HANDLE_RELEASE:
		recv->type = BUS1_MESSAGE_TYPE_HANDLE_RELEASE;
		break;
	case BUS1_ENTRY_NODE_IDLE:
		break;
	}
}

/*
 * The next entry that concerns a node and is not moot, or NULL. @node->cut says where to begin, so
 * that a receive does not look at the whole queue.
 */
static struct bus1_queue_entry *bus1_recv_find(struct bus1_peer *peer, struct bus1_node *node,
					       struct bus1_recv_filter *filter)
{
	u64 cut = bus1_queue_cut(&peer->queue, &filter->n_arrived);
	struct bus1_queue_entry *entry = bus1_queue_after(&peer->queue, node->cut);

	/* Entries are removed only with the lock of the peer held, which the caller holds. */
	while (entry && entry->timestamp <= cut) {
		if (bus1_entry_object(entry) == &node->object && bus1_entry_is_due(entry)) {
			/* Other entries with the same timestamp may concern the node, too. */
			node->cut = entry->timestamp - 1;
			return entry;
		}
		entry = bus1_queue_next(&peer->queue, entry);
		cond_resched();
	}
	node->cut = cut;
	return NULL;
}

static int bus1_recv_begin_locked(struct bus1_peer *peer, struct bus1_recv *recv,
				  struct bus1_recv_filter *filter)
{
	struct bus1_node *node = NULL;
	struct bus1_queue_entry *entry;
	struct bus1_tx tx;

	if (filter) {
		node = bus1_node_from_object(bus1_peer_find(peer, filter->node));
		if (!node)
			return -EBADRQC;
	}
	bus1_tx_init(&tx, peer);
	entry = bus1_recv_skip_moot(peer, &tx);
	if (filter)
		entry = bus1_recv_find(peer, node, filter);
	if (entry) {
		if (entry->type == BUS1_ENTRY_MESSAGE)
			bus1_recv_prepare(peer, bus1_delivery_from_entry(entry));
		bus1_recv_fill(recv, peer, entry);
		peer->receiving = entry;
	}

	bus1_tx_commit(&tx);
	return entry ? 0 : -EAGAIN;
}

/* Look at the next entry. The caller holds the recv_lock of the peer. On failure it is released. */
static int bus1_recv_begin(struct bus1_peer *peer, struct bus1_recv *recv,
			   struct bus1_recv_filter *filter)
{
	int r;

	r = bus1_peer_lock(peer);
	if (r == 0) {
		r = bus1_recv_begin_locked(peer, recv, filter);
		mutex_unlock(&peer->lock);
	}
	if (r < 0)
		mutex_unlock(&peer->recv_lock);
	return r;
}

int bus1_peer_recv_begin_for(struct bus1_peer *peer, struct bus1_recv *recv,
			     struct bus1_recv_filter *filter)
{
	/* Another receiver may hold the recv_lock for any time while it copies to the user. */
	if (mutex_lock_interruptible(&peer->recv_lock))
		return -EINTR;
	return bus1_recv_begin(peer, recv, filter);
}

int bus1_peer_recv_try_begin(struct bus1_peer *peer, struct bus1_recv *recv,
			     struct bus1_recv_filter *filter)
{
	if (!mutex_trylock(&peer->recv_lock))
		return -EAGAIN;
	return bus1_recv_begin(peer, recv, filter);
}

int bus1_peer_recv_begin(struct bus1_peer *peer, struct bus1_recv *recv)
{
	return bus1_peer_recv_begin_for(peer, recv, NULL);
}

bool bus1_peer_poll_for(struct bus1_peer *peer, const struct bus1_recv_filter *filter)
{
	return bus1_queue_has_changed(&peer->queue, filter->n_arrived);
}

struct bus1_transfer bus1_recv_transfer(const struct bus1_recv *recv, size_t i)
{
	const struct bus1_delivery *delivery = bus1_delivery_from_entry(recv->entry);

	/* No lock is needed: only receives change the ID, and no other receive is under way. */
	return (struct bus1_transfer){ .id = delivery->handles[i]->object.id };
}

/* The receiver takes the handles of a message, except those that are GONE with their nodes. */
static void bus1_recv_take_handles(struct bus1_peer *peer, struct bus1_delivery *delivery)
{
	size_t i;

	for (i = 0; i < delivery->n_handles; i++) {
		struct bus1_handle *handle = delivery->handles[i];

		if (handle->object.state != BUS1_OBJECT_NEW)
			continue;
		bus1_peer_hold(peer, &handle->object);
		delivery->handles[i] = NULL;
	}
}

/* What a receive does with its message in the end. */
enum bus1_recv_how {
	BUS1_RECV_ABORT,
	BUS1_RECV_COMMIT,
	BUS1_RECV_DISCARD,
};

/* Take an entry out of the queue. Returns the entry that is received next, or NULL. */
static struct bus1_queue_entry *
bus1_recv_take(struct bus1_peer *peer, struct bus1_queue_entry *entry, enum bus1_recv_how how)
{
	struct bus1_queue_entry *next = bus1_queue_remove(&peer->queue, entry);

	switch (entry->type) {
	case BUS1_ENTRY_MESSAGE: {
		struct bus1_delivery *delivery = bus1_delivery_from_entry(entry);
		struct bus1_node *node = delivery->node;

		if (how == BUS1_RECV_COMMIT)
			bus1_recv_take_handles(peer, delivery);
		if (node->oneshot) {
			bus1_peer_remove(peer, &node->object);
			bus1_node_disown(node);
		}
		break;
	}
	case BUS1_ENTRY_NODE_RELEASE:
		bus1_invariant("told-of-the-dead",
			       bus1_node_is_dead(bus1_handle_from_entry(entry)->node));
		bus1_peer_remove(peer, &bus1_handle_from_entry(entry)->object);
		bus1_handle_unref(bus1_handle_from_entry(entry));
		break;
	case BUS1_ENTRY_HANDLE_RELEASE:
		bus1_invariant("told-of-the-dead", bus1_node_is_dead(bus1_node_from_entry(entry)));
		bus1_peer_remove(peer, &bus1_node_from_entry(entry)->object);
		bus1_node_disown(bus1_node_from_entry(entry));
		break;
	case BUS1_ENTRY_NODE_IDLE:
		break;
	}
	return next;
}

/* End a receive. The caller must have a reference to the peer. */
static int bus1_recv_end(struct bus1_recv *recv, enum bus1_recv_how how)
{
	struct bus1_queue_entry *entry = recv->entry, *next, *drop = NULL;
	struct bus1_peer *peer = recv->peer;
	/* Other commands leave moot entries at the front while a receiver looks at its entry. */
	bool take = how != BUS1_RECV_ABORT, moot = !take;
	struct bus1_tx tx;
	int r = 0;

	mutex_lock(&peer->lock);
	peer->receiving = NULL;
	if (peer->disconnected) {
		/* bus1_queue_seal() has left the entry to this receiver, which must drop it. */
		drop = entry;
		r = -ESHUTDOWN;
	} else if (!bus1_entry_is_due(entry)) {
		moot = true;
		r = -ESTALE;
	} else if (take) {
		next = bus1_recv_take(peer, entry, how);
		/* A discard releases the handles of the message below: look at the front again. */
		moot = how == BUS1_RECV_DISCARD || (next && !bus1_entry_is_due(next));
		drop = entry;
	}
	if (take)
		trace_bus1_recv(peer->number, recv->type, recv->id, recv->n_transfers,
				recv->payload, r);

	if (r == 0 && take && recv->slice)
		bus1_recv_keep_slice(recv);
	bus1_slice_free(peer->pool, recv->slice);
	if (drop) {
		bus1_tx_init(&tx, peer);
		if (r == 0 && drop->type == BUS1_ENTRY_MESSAGE && how == BUS1_RECV_COMMIT)
			bus1_delivery_free(bus1_delivery_from_entry(drop));
		else
			bus1_entry_drop(drop, &tx);
		bus1_tx_commit(&tx);
	}
	if (moot)
		bus1_recv_settle(peer);
	mutex_unlock(&peer->lock);
	mutex_unlock(&peer->recv_lock);
	return r;
}

int bus1_peer_recv_commit(struct bus1_recv *recv)
{
	return bus1_recv_end(recv, BUS1_RECV_COMMIT);
}

int bus1_peer_recv_discard(struct bus1_recv *recv)
{
	return bus1_recv_end(recv, BUS1_RECV_DISCARD);
}

void bus1_peer_recv_abort(struct bus1_recv *recv)
{
	bus1_recv_end(recv, BUS1_RECV_ABORT);
}
