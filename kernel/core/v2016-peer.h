/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_V2016_PEER_H
#define __BUS1_V2016_PEER_H

/*
 * Peers of 2016
 *
 * A peer of 2016 differs from other peers mainly in the meaning of its IDs. An ID names either a
 * node of the peer together with a handle to that node, or a handle to the node of another peer. A
 * peer never has two IDs for one node. Instead it counts references: each time the user gets an ID,
 * by a message or a transfer, the user gets one more reference to it. The ID ends when all
 * references to it have been dropped.
 *
 *	ID (n_user references) ---> one handle of the core ---> node
 *
 * All references of one user to a node share a single handle of the core. A living node also has
 * one reference to its own ID, which needs no handle of the core. So a living node has a handle,
 * held or in flight, exactly while there is any other reference. When the last handle goes, a
 * notification is queued for the owner. Nodes of 2016 are persistent: they survive this, and can
 * get handles again.
 *
 * Messages and notifications are queued like for any peer:
 *
 *	BUS1_ENTRY_MESSAGE		a message
 *	BUS1_ENTRY_NODE_RELEASE		a node of another peer, to which this peer has a handle, has
 *					gone
 *	BUS1_ENTRY_HANDLE_RELEASE	this peer has destroyed a node of its own, so nothing more
 *					arrives at the node
 *	BUS1_ENTRY_NODE_IDLE		the last handle to a node of this peer has gone
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
 * struct bus1_v2016_id - an ID and the node that it names
 * @by_id:	link in the peer's tree by ID
 * @by_node:	link in the peer's tree by node
 * @link:	link in a list of the command that is under way
 * @id:		ID
 * @node:	node. If the peer owns the node, the ID has a reference to it; else @handle, or the
 *		handle that is about to be installed, has one.
 * @handle:	handle of the core, linked while the node is alive. NULL while @n_user is 0, and
 *		after the peer has destroyed its own node.
 * @n_user:	number of references of the user, without the reference of a living own node
 * @n_reserved:	number of references that the command in progress is about to add
 * @owned:	the peer owns the node
 * @destroyed:	the peer owns the node and has destroyed it; the user has taken over the reference
 *		that the node had
 * @seeded:	during a reset: the peer owns the node, the node is alive, and the seed carries a
 *		handle to it
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
 * struct bus1_v2016_shown - a message that may have been received into the pool by a peek
 * @delivery:	message; NULL when there is none
 * @slice:	its slice in the pool; NULL when it has none
 */
struct bus1_v2016_shown {
	struct bus1_delivery *delivery;
	struct bus1_slice *slice;
};

/**
 * struct bus1_v2016 - additional state of a peer of 2016, protected by its lock
 * @by_id:	struct bus1_v2016_id by ID
 * @by_node:	struct bus1_v2016_id by node
 * @last_id:	the last ID that the core has chosen; it never chooses an ID twice
 * @head:	message at the front of the queue, if a receive has looked at it
 * @seed:	message that the peer keeps for itself. It is in no queue; its handles are in
 *		flight.
 * @state:	peer_flags and limits that resets have set, or the defaults; the field flags is
 *		always 0
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
int bus1_v2016_check(struct bus1_v2016 *v2016, u64 id);
int bus1_v2016_import(struct bus1_peer *peer, u64 id, struct list_head *created,
		      struct bus1_v2016_id **ret_named);
void bus1_v2016_import_commit(struct list_head *created);
void bus1_v2016_import_undo(struct bus1_peer *peer, struct list_head *created);
bool bus1_v2016_put(struct bus1_peer *peer, struct bus1_v2016_id *named, struct bus1_tx *tx);
void bus1_v2016_destroy(struct bus1_v2016_id *named, struct bus1_tx *tx);
void bus1_v2016_drop_handle(struct bus1_v2016_id *named, struct bus1_tx *tx);
void bus1_v2016_end(struct bus1_peer *peer, struct bus1_v2016_id *named);

/* queue and seed (v2016-queue.c) */

bool bus1_v2016_is_due(struct bus1_queue_entry *entry);
void bus1_v2016_skip_moot(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_v2016_commit(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_v2016_forget(struct bus1_v2016_shown *shown);
void bus1_v2016_drop_seed(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_v2016_slice_free(struct bus1_peer *peer, struct bus1_slice *slice);

#endif /* __BUS1_V2016_PEER_H */
