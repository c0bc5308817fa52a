/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_SAVE_H
#define __BUS1_SAVE_H

/*
 * Saving a core
 *
 * A core in user space can be moved to another process, or to another version of the same program:
 * bus1_save_begin() and the functions behind it describe all peers of a table by plain structures,
 * and restore.h makes an equal table from them. In the kernel nobody needs this, so bus1.ko does
 * not have these files.
 *
 * The structures come in an order in which each refers only to what came before it:
 *
 *	peers		by their numbers
 *	nodes
 *	handles		first those that are linked, in the order of the list of their node
 *	payloads
 *	messages	those of one queue in its order
 *	notifications	those of one queue in its order
 *
 * Nodes, handles and payloads have no names of their own, so they are named by their position:
 * the first node is node 0. Peers are named by their number.
 *
 * What follows from the rest is left out: references, lists of handles, charges, shares. A handle
 * is linked if and only if its node is alive. The clocks and the numbers that must not return are
 * saved. bus1_peer.flushed is left out, because a reset has ended all that was held before it, so
 * that the entries before it stay moot. Idle shares are left out, too. When nobody uses the table
 * meanwhile, saving what was restored gives equal structures.
 *
 * Only peers of 2026 without a pool, outside of user namespaces, can be saved: hosted cores have no
 * others.
 */

#include <linux/types.h>
#include "core.h"

/**
 * struct bus1_frozen_counts - what a table has
 * @last_peer:		number of the newest peer that the table has ever had
 * @n_peers:		number of peers
 * @n_nodes:		number of nodes
 * @n_handles:		number of handles
 * @n_payloads:		number of payloads
 * @n_messages:		number of queued messages
 * @n_notifications:	number of queued notifications
 */
struct bus1_frozen_counts {
	u64 last_peer;
	u64 n_peers;
	u64 n_nodes;
	u64 n_handles;
	u64 n_payloads;
	u64 n_messages;
	u64 n_notifications;
};

/**
 * struct bus1_frozen_peer - a peer
 * @number:		its number
 * @uid:		user whose account is charged
 * @disconnected:	it has ended, and is there only because of a front end or as the owner of
 *			nodes
 * @clock:		clock of its queue
 * @last_id:		the last ID that it was given
 */
struct bus1_frozen_peer {
	u64 number;
	u32 uid;
	bool disconnected;
	u64 clock;
	u64 last_id;
};

enum bus1_frozen_node_state {
	BUS1_FROZEN_LIVING, /* alive */
	BUS1_FROZEN_DEAD,   /* dead, but its owner has not received the entry that ends its ID */
	BUS1_FROZEN_ENDED,  /* dead, and its ID has ended */
};

/**
 * struct bus1_frozen_node - a node
 * @owner:	number of its owner
 * @id:		its ID, also after it has ended
 * @state:	enum bus1_frozen_node_state
 * @oneshot:	it accepts one message
 */
struct bus1_frozen_node {
	u64 owner;
	u64 id;
	u32 state;
	bool oneshot;
};

enum bus1_frozen_handle_state {
	BUS1_FROZEN_HELD,      /* its ID names it */
	BUS1_FROZEN_IN_FLIGHT, /* in a queued message */
	BUS1_FROZEN_LOST,      /* in a queued message, but the receiver does not get it */
	BUS1_FROZEN_RELEASED,  /* only a queued notification, which is moot, is left of it */
};

/**
 * struct bus1_frozen_handle - a handle
 * @holder:	number of its holder
 * @node:	its node
 * @id:		its ID. A handle in flight has one if its receiver has looked at the message,
 *		otherwise BUS1_INVALID. Also BUS1_INVALID in the last two states.
 * @state:	enum bus1_frozen_handle_state
 * @copied:	another user than the owner of the node has passed it on
 */
struct bus1_frozen_handle {
	u64 holder;
	u32 node;
	u64 id;
	u32 state;
	bool copied;
};

/**
 * struct bus1_frozen_message - a queued message
 * @timestamp:	its place in the queue of the owner of @node
 * @tx:		number of its transaction
 * @index:	position in its transaction
 * @node:	its destination
 * @payload:	its payload
 * @n_handles:	number of @handles
 * @handles:	the handles in it
 */
struct bus1_frozen_message {
	u64 timestamp;
	u64 tx;
	u32 index;
	u32 node;
	u32 payload;
	size_t n_handles;
	const u32 *handles;
};

/**
 * struct bus1_frozen_notification - a queued notification
 * @timestamp:	its place in the queue of the owner of the node, or of the holder of the handle
 * @tx:		number of its transaction
 * @index:	position in its transaction
 * @is_node:	it tells the owner of a node that the last handle has gone; else it tells the holder
 *		of a handle that the node has gone
 * @object:	the node or handle
 */
struct bus1_frozen_notification {
	u64 timestamp;
	u64 tx;
	u32 index;
	bool is_node;
	u32 object;
};

/**
 * struct bus1_saver - where the structures go
 * @peer:	called for each peer
 * @node:	called for each node
 * @handle:	called for each handle
 * @payload:	called for each payload
 * @message:	called for each queued message
 * @notification: called for each queued notification
 *
 * The structures are valid during the call. A function that fails ends the walk with its error.
 */
struct bus1_saver {
	int (*peer)(void *data, const struct bus1_frozen_peer *peer);
	int (*node)(void *data, const struct bus1_frozen_node *node);
	int (*handle)(void *data, const struct bus1_frozen_handle *handle);
	int (*payload)(void *data, const struct bus1_payload *payload);
	int (*message)(void *data, const struct bus1_frozen_message *message);
	int (*notification)(void *data, const struct bus1_frozen_notification *notification);
};

/**
 * struct bus1_save_set - pointers, numbered in the order in which they were added
 * @items:	the pointers
 * @n:		number of @items
 * @n_allocated: room in @items
 * @slots:	hash table: 1 + position in @items, or 0
 * @n_slots:	number of @slots, a power of two
 */
struct bus1_save_set {
	const void **items;
	size_t n;
	size_t n_allocated;
	u32 *slots;
	size_t n_slots;
};

/**
 * struct bus1_save - a table that is being saved
 * @accounts:	the table
 * @counts:	what it has
 * @nodes:	the nodes
 * @handles:	the handles
 * @n_carried:	number of handles before those that only notifications refer to
 * @payloads:	the payloads
 * @carried:	room for the handles of one message
 */
struct bus1_save {
	struct bus1_accounts *accounts;
	struct bus1_frozen_counts counts;
	struct bus1_save_set nodes;
	struct bus1_save_set handles;
	size_t n_carried;
	struct bus1_save_set payloads;
	u32 *carried;
};

int bus1_save_begin(struct bus1_save *save, struct bus1_accounts *accounts);
int bus1_save_peers(struct bus1_save *save, const struct bus1_saver *saver, void *data);
int bus1_save_rest(struct bus1_save *save, const struct bus1_saver *saver, void *data);
void bus1_save_end(struct bus1_save *save);

#endif /* __BUS1_SAVE_H */
