/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_MOOT_H
#define __BUS1_MOOT_H

/*
 * Moot entries
 *
 * An entry is moot when its receiver shall not see it any more, because of something that the
 * receiver did itself after the entry was queued:
 *
 *	it released the node that a message was sent to, or that a notification is about
 *	it released the handle that a notification is about, or used it up as one-shot
 *	it was reset
 *
 * One more is moot: a notification about a handle whose message is still further back in the queue.
 * The receiver does not know of that handle yet. It gets BUS1_INVALID in its place later.
 *
 * Entries become moot where they are, at the front or further back. They are dropped when they
 * reach the front: every operation that can make the front moot, and every receive, ends with
 * bus1_recv_settle(). So a readable queue has something to receive.
 */

#include "message.h"
#include "node.h"
#include "peer.h"

struct bus1_tx;

/* The node or handle whose ID the receiver sees with an entry. NULL for an entry of 2016 only. */
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

/* Whether the receiver is still to see an entry; else it is moot. */
static inline bool bus1_entry_is_due(struct bus1_queue_entry *entry)
{
	return entry->timestamp > entry->peer->flushed &&
	       bus1_entry_object(entry)->state == BUS1_OBJECT_HELD;
}

struct bus1_queue_entry *bus1_recv_skip_moot(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_recv_settle(struct bus1_peer *peer);

#endif /* __BUS1_MOOT_H */
