// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queue and the seed of a peer of 2016, and the slices of peeked messages
 *
 * Entries can become moot, as in the queues of other peers (moot.h), but under other conditions.
 */

#include <linux/sched.h>
#include "cmd-slice.h"
#include "commit.h"
#include "v2016-peer.h"

/* Whether the user shall still see an entry. If not, the entry is moot. */
bool bus1_v2016_is_due(struct bus1_queue_entry *entry)
{
	struct bus1_handle *handle;

	if (entry->timestamp <= entry->peer->flushed)
		return false;

	switch (entry->type) {
	case BUS1_ENTRY_MESSAGE:
		return bus1_delivery_from_entry(entry)->node->object.state == BUS1_OBJECT_HELD;
	case BUS1_ENTRY_NODE_RELEASE:
		/* About its own node the peer gets a HANDLE_RELEASE instead, or nothing. */
		handle = bus1_handle_from_entry(entry);
		return handle->object.state == BUS1_OBJECT_HELD &&
		       handle->node->owner != entry->peer;
	case BUS1_ENTRY_HANDLE_RELEASE:
		return bus1_node_from_entry(entry)->object.state == BUS1_OBJECT_HELD;
	case BUS1_ENTRY_NODE_IDLE:
		return bus1_node_is_idle(bus1_handle_from_entry(entry));
	}
	return false;
}

/*
 * Forget a message. If it has a slice, the slice takes over the charge for one message, and of the
 * other charges for the message only that for its handles stays.
 */
void bus1_v2016_forget(struct bus1_v2016_shown *shown)
{
	if (shown->slice)
		shown->slice->charged = bus1_delivery_uncharge(shown->delivery, true);
	*shown = (struct bus1_v2016_shown){};
}

/**
 * bus1_v2016_skip_moot() - drop moot entries at the front of the queue
 * @peer:	peer
 * @tx:		transaction that gets the notifications which dropping them causes
 */
void bus1_v2016_skip_moot(struct bus1_peer *peer, struct bus1_tx *tx)
{
	struct bus1_v2016_shown *head = &peer->v2016->head;
	struct bus1_queue_entry *entry;
	struct bus1_handle *handle;
	LIST_HEAD(skipped);

	lockdep_assert_held(&peer->lock);

	while ((entry = bus1_queue_peek(&peer->queue)) && !bus1_v2016_is_due(entry)) {
		if (head->delivery && entry == &head->delivery->entry)
			bus1_v2016_forget(head);
		if (entry->type == BUS1_ENTRY_NODE_RELEASE) {
			/*
			 * The node of this handle has gone. If the handle is still in a message,
			 * the receiver of the message finds BUS1_2016_INVALID in its place.
			 */
			handle = bus1_handle_from_entry(entry);
			if (handle->object.state == BUS1_OBJECT_NEW)
				handle->object.state = BUS1_OBJECT_GONE;
		}
		bus1_queue_remove(&peer->queue, entry);
		list_add_tail(&entry->link, &skipped);
		cond_resched();
	}
	bus1_tx_drop(tx, &skipped);
}

/**
 * bus1_v2016_commit() - commit a transaction, and drop moot entries at the front of the queue
 * @peer:	peer whose operation this is
 * @tx:		its transaction; empty afterwards
 *
 * Every operation that can make an entry at the front of its own peer's queue moot ends with this
 * function. So a readable queue has something to receive, with the exception that moot.h describes.
 * Entries are dropped also after the commit, because the transaction may queue entries that are
 * moot from the start.
 */
void bus1_v2016_commit(struct bus1_peer *peer, struct bus1_tx *tx)
{
	bus1_v2016_skip_moot(peer, tx);
	while (!list_empty(&tx->entries)) {
		bus1_tx_commit(tx);
		bus1_v2016_skip_moot(peer, tx);
	}
}

void bus1_v2016_drop_seed(struct bus1_peer *peer, struct bus1_tx *tx)
{
	struct bus1_delivery *seed = peer->v2016->seed.delivery;

	bus1_v2016_forget(&peer->v2016->seed);
	if (seed)
		bus1_entry_drop(&seed->entry, tx);
}

/* Free a slice, which may belong to a message that was peeked at. */
void bus1_v2016_slice_free(struct bus1_peer *peer, struct bus1_slice *slice)
{
	struct bus1_v2016 *v2016 = peer->v2016;

	if (v2016->head.slice == slice)
		v2016->head.slice = NULL;
	if (v2016->seed.slice == slice)
		v2016->seed.slice = NULL;
	bus1_peer_free_slice(peer, slice);
}
