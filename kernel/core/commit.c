// SPDX-License-Identifier: GPL-2.0-only
/*
 * Committing transactions and dropping entries, see commit.h
 */

#include <linux/sched.h>
#include "commit.h"
#include "node.h"
#include "peer.h"

static void bus1_delivery_drop(struct bus1_delivery *delivery, struct bus1_tx *tx)
{
	size_t i;

	for (i = 0; i < delivery->n_handles; i++) {
		struct bus1_handle *handle = delivery->handles[i];

		/* The handle has an ID if a receiver has looked at the message. */
		if (handle->object.state == BUS1_OBJECT_NEW && handle->object.id != BUS1_INVALID)
			bus1_peer_remove(bus1_handle_holder(handle), &handle->object);
		bus1_handle_release(handle, tx);
	}
	bus1_delivery_free(delivery);
}

/**
 * bus1_entry_drop() - drop a message that its receiver does not get, or any notification
 * @entry:	entry that is in no queue and no list
 * @tx:		transaction that gets the notifications which this causes
 *
 * Frees a message, or drops the reference of a notification to its node or handle. Freeing a
 * message releases the handles in it, which can cause notifications. They are added to @tx and not
 * placed on queues here. So the function never calls itself, even if messages carry handles of each
 * other's nodes. The caller holds the lock of the receiver, or knows that no receiver has seen the
 * entry.
 */
void bus1_entry_drop(struct bus1_queue_entry *entry, struct bus1_tx *tx)
{
	switch (entry->type) {
	case BUS1_ENTRY_MESSAGE:
		bus1_delivery_drop(bus1_delivery_from_entry(entry), tx);
		break;
	case BUS1_ENTRY_NODE_RELEASE:
		bus1_handle_unref(bus1_handle_from_entry(entry));
		break;
	case BUS1_ENTRY_HANDLE_RELEASE:
		bus1_node_disown(bus1_node_from_entry(entry));
		break;
	case BUS1_ENTRY_NODE_IDLE:
		bus1_node_end_idle(bus1_handle_from_entry(entry));
		break;
	}
}

/**
 * bus1_tx_drop() - drop entries
 * @tx:		transaction that gets the notifications which this causes
 * @entries:	entries that are in no queue; empty afterwards
 */
void bus1_tx_drop(struct bus1_tx *tx, struct list_head *entries)
{
	struct bus1_queue_entry *entry;

	while ((entry = bus1_entries_take(entries))) {
		bus1_entry_drop(entry, tx);
		cond_resched();
	}
}
