// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moot entries, see moot.h
 */

#include <linux/sched.h>
#include "commit.h"
#include "moot.h"

/*
 * The node of a handle died while the handle is still in a message. Then the receiver does not get
 * the handle. If a receiver has looked at the message, the handle has an ID already. This ID ends.
 */
static void bus1_recv_end_flight(struct bus1_peer *peer, struct bus1_handle *handle)
{
	if (handle->object.state == BUS1_OBJECT_NEW && handle->object.id != BUS1_INVALID)
		bus1_peer_remove(peer, &handle->object);
	handle->object.state = BUS1_OBJECT_GONE;
	handle->object.id = BUS1_INVALID;
}

/**
 * bus1_recv_skip_moot() - drop moot entries at the front of the queue
 * @peer:	peer; no receive may be looking at an entry of its queue
 * @tx:		transaction that gets the notifications which dropping them causes
 *
 * Return: the entry that is received next, or NULL.
 */
struct bus1_queue_entry *bus1_recv_skip_moot(struct bus1_peer *peer, struct bus1_tx *tx)
{
	struct bus1_queue_entry *entry;
	LIST_HEAD(skipped);

	lockdep_assert_held(&peer->lock);

	entry = bus1_queue_peek(&peer->queue);
	while (entry && !bus1_entry_is_due(entry)) {
		struct bus1_queue_entry *next = bus1_queue_remove(&peer->queue, entry);

		if (entry->type == BUS1_ENTRY_NODE_RELEASE)
			bus1_recv_end_flight(peer, bus1_handle_from_entry(entry));
		list_add_tail(&entry->link, &skipped);
		entry = next;
		cond_resched();
	}
	bus1_tx_drop(tx, &skipped);
	return entry;
}

/**
 * bus1_recv_settle() - drop moot entries, so that a readable queue has something to receive
 * @peer:	peer
 *
 * Every operation of a peer of 2026 that can make the front of the peer's own queue moot ends with
 * this, except a disconnect. The operation must commit its transaction before, because the commit
 * may queue an entry that is moot from the start.
 */
void bus1_recv_settle(struct bus1_peer *peer)
{
	struct bus1_tx tx;

	lockdep_assert_held(&peer->lock);

	/* A receiver is looking at an entry. bus1_recv_end() then drops what is moot. */
	if (peer->receiving)
		return;

	bus1_tx_init(&tx, peer);
	do {
		bus1_tx_commit(&tx);
		bus1_recv_skip_moot(peer, &tx);
	} while (!list_empty(&tx.entries));
}
