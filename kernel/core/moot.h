/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_MOOT_H
#define __BUS1_MOOT_H

/*
 * Moot entries
 *
 * A moot entry is one that its receiver shall not see any more, because after the entry was queued
 * the receiver
 *
 *	released the node that the message was sent to, or that the notification is about,
 *	released the handle that the notification is about, or sent through this handle to a
 *	one-shot node,
 *	or was reset.
 *
 * A notification about a handle is also moot while the message with this handle is still further
 * back in the queue, because the receiver does not know the handle yet. If the notification is
 * dropped, the receiver gets BUS1_INVALID in the message instead of the handle.
 *
 * An entry can become moot anywhere in the queue. It is dropped when it reaches the front, see
 * bus1_recv_settle(). While a receive is under way, moot entries stay at the front until it ends.
 * At other times a readable queue has something to receive, with one exception. A transaction can
 * be under way while the receiver releases the node or handle that the entry of this transaction is
 * about, or is reset. The entry can become final afterwards, and is moot from the start, because
 * the sender does not have the lock of the receiver. Such an entry can stay at the front until the
 * next receive.
 *
 * All this is about peers of 2026. For those of 2016 see v2016-queue.c.
 */

#include "message.h"
#include "node.h"
#include "peer.h"

struct bus1_tx;

/* The node or handle whose ID the receiver gets with an entry. NULL for BUS1_ENTRY_NODE_IDLE. */
static inline struct bus1_object *bus1_entry_object(struct bus1_queue_entry *entry)
{
	switch (entry->type) {
	case BUS1_ENTRY_MESSAGE:
		return &bus1_delivery_from_entry(entry)->node->object;
	case BUS1_ENTRY_NODE_RELEASE:
		return &bus1_handle_from_entry(entry)->object;
	case BUS1_ENTRY_HANDLE_RELEASE:
		return &bus1_node_from_entry(entry)->object;
	case BUS1_ENTRY_NODE_IDLE:
		break;
	}
	return NULL;
}

/* Whether a receiver of 2026 shall still see an entry. If not, the entry is moot. */
static inline bool bus1_entry_is_due(struct bus1_queue_entry *entry)
{
	return entry->timestamp > entry->peer->flushed &&
	       bus1_entry_object(entry)->state == BUS1_OBJECT_HELD;
}

struct bus1_queue_entry *bus1_recv_skip_moot(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_recv_settle(struct bus1_peer *peer);

#endif /* __BUS1_MOOT_H */
