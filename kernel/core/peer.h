/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_PEER_H
#define __BUS1_PEER_H

/*
 * Peers
 *
 * A peer is a queue and a map from IDs to the nodes it owns and the handles it holds. Locks are
 * taken in this order:
 *
 *	bus1_peer.recv_lock	one receiver at a time, may be held while copying to the user
 *	bus1_peer.lock		serialises operations of the peer; two of them by address
 *	bus1_account.lock
 *	bus1_accounts.lock
 *	bus1_node.lock		spinlock
 *	bus1_queue.lock		spinlock
 *
 * No operation but the transfer command takes the lock of a peer other than its own.
 */

#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/xarray.h>
#include "acct.h"
#include "core.h"
#include "queue.h"

struct bus1_pool;
struct bus1_v2016;

enum bus1_object_state {
	BUS1_OBJECT_NEW,    /* node: about to be created; handle: in flight */
	BUS1_OBJECT_HELD,   /* the ID names it */
	BUS1_OBJECT_MARKED, /* as HELD, while a release command collects what it was given */
	BUS1_OBJECT_GONE,   /* the ID was ended, or never will be given out */
};

/**
 * struct bus1_object - what an ID can name
 * @id:		ID, BUS1_INVALID while it has none
 * @state:	see above
 * @is_node:	part of a struct bus1_node, else of a struct bus1_handle
 *
 * All of it is protected by the lock of the peer it belongs to; a handle in flight that has no ID
 * yet is the sender's until the message is queued, then the receiver's.
 */
struct bus1_object {
	u64 id;
	enum bus1_object_state state;
	bool is_node;
};

/**
 * struct bus1_peer - participant
 * @refs:		reference count
 * @number:		names it in the table of its account, for whoever looks from outside
 * @account:		account of its user
 * @usage:		its part of the account
 * @queue:		what it has yet to receive
 * @recv_lock:		serialises receivers
 * @lock:		protects the following, and the objects of this peer
 * @objects:		nodes and handles by ID; those in state NEW are owned by someone else
 * @last_id:		last ID given out; IDs are never reused
 * @n_nodes:		number of nodes in @objects, for queries
 * @n_handles:		number of handles in @objects that are not in flight, for queries
 * @flushed:		what has at most this timestamp is not received any more
 * @pool:		where messages are received to; NULL before the user wants that. It stays
 *			until the peer is gone: a receive may be under way when that ends.
 * @v2016:		for a peer of 2016, whose objects are there; else NULL
 * @receiving:		entry that a receiver looks at without @lock: only it may free that
 * @disconnected:	every operation fails
 */
struct bus1_peer {
	refcount_t refs;
	unsigned long number;
	struct bus1_account *account;
	struct bus1_usage usage;
	struct bus1_queue queue;
	struct mutex recv_lock;

	struct mutex lock;
	struct xarray objects;
	u64 last_id;
	u64 n_nodes;
	u64 n_handles;
	u64 flushed;
	struct bus1_pool *pool;
	struct bus1_v2016 *v2016;
	struct bus1_queue_entry *receiving;
	bool disconnected;
};

void bus1_peer_lock_two(struct bus1_peer *a, struct bus1_peer *b);
void bus1_peer_unlock_two(struct bus1_peer *a, struct bus1_peer *b);

struct bus1_object *bus1_peer_find(struct bus1_peer *peer, u64 id);
int bus1_peer_add(struct bus1_peer *peer, struct bus1_object *object);
void bus1_peer_hold(struct bus1_peer *peer, struct bus1_object *object);
void bus1_peer_remove(struct bus1_peer *peer, struct bus1_object *object);

#endif /* __BUS1_PEER_H */
