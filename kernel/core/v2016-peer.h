/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_V2016_PEER_H
#define __BUS1_V2016_PEER_H

/*
 * Peers of 2016
 *
 * A peer of 2016 differs from other peers only in the meaning of its IDs. An ID names either a
 * node of the peer together with a handle to that node, or a handle to the node of another peer. A
 * peer never has two IDs for one node. Instead it counts: each time the user is shown an ID, the
 * user gets a reference to it. The ID ends when the user has dropped all of them.
 *
 *	ID (n_user references) ---> one handle of the core ---> node
 *
 * All references of the user to one node are a single handle of the core. A living node also has
 * one reference to its own ID, which is no handle of the core. So a node has a handle, held or in
 * flight, exactly while there is any other reference, and its owner is told when the last one
 * goes. Unlike other nodes, those of 2016 are persistent: they stay then, and may get handles
 * again.
 *
 * Messages and notifications are queued like for any peer:
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
 * struct bus1_v2016_id - an ID and the node that it names
 * @by_id:	link in the peer's tree by ID
 * @by_node:	link in the peer's tree by node
 * @link:	link in a list of the command that is under way
 * @id:		ID
 * @node:	node; @handle references it, or the ID itself when the peer owns the node
 * @handle:	handle of the core, linked while the node is alive. An own node has it only while
 *		there are references and the node is not destroyed.
 * @n_user:	references of the user; for a living node of its own without that of the node
 * @n_reserved:	number of references that the command in progress is about to add
 * @owned:	it is the peer's own node
 * @destroyed:	it is an own node that was destroyed; the reference of the node is now the user's
 * @seeded:	during a reset: the seed carries a handle to this own node
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
 * struct bus1_v2016_shown - a message that was peeked at
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
 * @by_node:	the same by node
 * @last_id:	last ID given out; they are never reused
 * @head:	message at the front of the queue, when it was peeked at
 * @seed:	seed, which is in no queue; its handles are like those of a queued message
 * @state:	the arguments of the last reset, with flags 0
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

/* queue and seed (v2016-queue.c) */

bool bus1_v2016_is_due(struct bus1_queue_entry *entry);
void bus1_v2016_skip_moot(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_v2016_commit(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_v2016_forget(struct bus1_v2016_shown *shown);
void bus1_v2016_drop_seed(struct bus1_peer *peer, struct bus1_tx *tx);
void bus1_v2016_slice_free(struct bus1_peer *peer, struct bus1_slice *slice);

#endif /* __BUS1_V2016_PEER_H */
