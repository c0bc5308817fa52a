/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_V2016_PEER_H
#define __BUS1_V2016_PEER_H

/*
 * Peers of 2016
 *
 * They share all with the other peers but what their IDs mean. An ID names a node of one's own,
 * together with a handle to it, or a handle to another peer's node; and a peer never has two for
 * one node. What comes in again is counted: each time the user is shown an ID, he gets a reference
 * to it, and the ID ends when he has dropped all of them.
 *
 * All references of a peer's user to one node are a single handle of the core. The reference that
 * a living node has to its owner's ID is none: so a node has a handle, held or in flight, exactly
 * as long as there is any other reference, and its owner is told when the last one goes. Unlike
 * other nodes, those of 2016 (persistent ones) stay then, and may get handles again.
 *
 * Messages and notifications are queued as for any peer:
 *
 *	BUS1_ENTRY_MESSAGE		a message
 *	BUS1_ENTRY_NODE_RELEASE		another peer has destroyed its node
 *	BUS1_ENTRY_HANDLE_RELEASE	the peer has destroyed its own node, nothing more arrives
 *	BUS1_ENTRY_NODE_IDLE		the last handle of a node has gone
 */

#include <linux/list.h>
#include <linux/rbtree.h>
#include "message.h"
#include "node.h"
#include "peer.h"
#include "pool.h"
#include "v2016-hooks.h"
#include "v2016.h"

/**
 * struct bus1_v2016_id - what one ID names
 * @by_id:	link in the peer's tree by ID
 * @by_node:	link in the peer's tree by node
 * @link:	link in a list of the command that is under way
 * @id:		ID
 * @node:	node; pinned by @handle, or when it is the peer's own, as that
 * @handle:	handle of the core, which is linked as long as the node is alive. One's own node has
 *		it only while there are references and it is not destroyed.
 * @n_user:	references of the user; for a living node of one's own, without the node's own
 * @n_reserved:	how often it is about to be given a reference
 * @owned:	it is the peer's own node
 * @destroyed:	it was the peer's own node, and its reference is one of the user now
 * @seeded:	for a reset: the seed pins it
 */
struct bus1_v2016_id {
	struct rb_node by_id;
	struct rb_node by_node;
	struct list_head link;
	u64 id;
	struct bus1_node *node;
	struct bus1_handle *handle;
	u64 n_user;
	size_t n_reserved;
	bool owned;
	bool destroyed;
	bool seeded;
};

/**
 * struct bus1_v2016_shown - a message that was received without taking it
 * @delivery:	message; NULL when there is none
 * @slice:	where in the pool its data is; NULL when nowhere
 */
struct bus1_v2016_shown {
	struct bus1_delivery *delivery;
	struct bus1_slice *slice;
};

/**
 * struct bus1_v2016 - what a peer of 2016 has in addition, protected by its lock
 * @by_id:	struct bus1_v2016_id by ID
 * @by_node:	the same by node
 * @last_id:	last ID given out; they are never reused
 * @head:	message at the front of the queue, when it was looked at
 * @seed:	seed, which is in no queue; its handles are as those of a queued message
 * @state:	what was set with reset, flags being 0
 */
struct bus1_v2016 {
	struct rb_root by_id;
	struct rb_root by_node;
	u64 last_id;
	struct bus1_v2016_shown head;
	struct bus1_v2016_shown seed;
	struct bus1_2016_peer_reset state;
};

/* IDs (v2016-id.c) */

struct bus1_v2016_id *bus1_v2016_find(struct bus1_v2016 *v2016, u64 id);
int bus1_v2016_import(struct bus1_peer *peer, u64 id, struct list_head *created,
		      struct bus1_v2016_id **ret_named);
void bus1_v2016_import_commit(struct list_head *created);
void bus1_v2016_import_undo(struct bus1_peer *peer, struct list_head *created);
bool bus1_v2016_put(struct bus1_peer *peer, struct bus1_v2016_id *named, struct bus1_tx *tx);
void bus1_v2016_destroy(struct bus1_v2016_id *named, struct bus1_tx *tx);
void bus1_v2016_drop_handle(struct bus1_v2016_id *named, struct bus1_tx *tx);
void bus1_v2016_end(struct bus1_peer *peer, struct bus1_v2016_id *named);

/* what is yet to be received (v2016-queue.c) */

bool bus1_v2016_is_due(struct bus1_queue_entry *entry);
void bus1_v2016_skip_moot(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_v2016_commit(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_v2016_forget(struct bus1_v2016_shown *shown);
void bus1_v2016_drop_seed(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_v2016_slice_free(struct bus1_peer *peer, struct bus1_slice *slice);

#endif /* __BUS1_V2016_PEER_H */
