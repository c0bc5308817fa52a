/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_PEER_H
#define __BUS1_PEER_H

/*
 * Peers
 *
 * A peer is a participant. It has a queue of the entries that it has not received yet, and a map
 * from IDs to objects. Its objects are the nodes that it owns and the handles that it holds. A peer
 * of 2016 has no such map, see v2016-peer.h.
 *
 *	peer A					peer B
 *	  map: ID -> node <------ node ------- handle <- ID: map
 *	  queue: entry, entry ...  ^ handles     queue: entry ...
 *				   |
 *				 handle <- message in a queue (in flight)
 *
 * An object has a reference to its peer, and a handle also has one to its node. A node has a list
 * of its handles, without references. Locks are taken in this order:
 *
 *	bus1_peer.recv_lock	one receiver at a time, may be held while copying to the user
 *	bus1_peer.lock		serialises operations of the peer; two peers are locked in the order
 *				of their addresses
 *	bus1_accounts.lock	spinlock
 *	bus1_account.lock	spinlock
 *	bus1_node.lock		spinlock
 *	bus1_queue.lock		spinlock
 *	bus1_staging.lock	spinlock
 *
 * Only a transfer takes the locks of two peers: of the source and of the destination. A thread that
 * holds a spinlock of an account, or of the table of accounts, takes no other of these locks.
 */

#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include "charge.h"
#include "core.h"
#include "map.h"
#include "queue.h"

struct bus1_pool;
struct bus1_v2016;

/**
 * struct bus1_peer - participant
 * @refs:		reference count
 * @rb:			link in the table of accounts
 * @number:		unique in the table of accounts; also the number of the peer's transactions
 * @usage:		its account, and the part of the account that this peer uses
 * @opener:		credentials of the opener, see bus1_peer_set_opener()
 * @queue:		messages and notifications that it has not received yet
 * @recv_lock:		held during a receive or reset; not used by a peer of 2016
 * @lock:		protects the following, and the objects of this peer
 * @objects:		nodes and handles by ID; a message or command owns those in state NEW. Empty
 *			on a peer of 2016.
 * @n_nodes:		number of nodes in @objects without those in state NEW, for queries
 * @n_handles:		number of handles in @objects without those in state NEW, for queries
 * @flushed:		entries up to this timestamp are moot, because of a reset
 * @pool:		memory to receive into; NULL until it is needed. It stays until the peer is
 *			freed, because a receive may be under way at the disconnect.
 * @v2016:		additional state of a peer of 2016, until the disconnect; else NULL
 * @receiving:		entry that a receiver looks at without @lock; only this receiver may free
 *			it. NULL when there is none.
 * @disconnected:	the peer has ended, so commands on it fail
 */
struct bus1_peer {
	refcount_t refs;
	struct rb_node rb;
	unsigned long number;
	struct bus1_usage usage;
	const struct cred *opener;
	struct bus1_queue queue;
	struct mutex recv_lock;

	struct mutex lock;
	struct bus1_map objects;
	u64 n_nodes;
	u64 n_handles;
	u64 flushed;
	struct bus1_pool *pool;
	struct bus1_v2016 *v2016;
	struct bus1_queue_entry *receiving;
	bool disconnected;
};

/*
 * Lock a peer for a command, before the command has an effect. Returns 0. On failure the peer is
 * not locked: -EINTR when the task is killed while it waits; -ESHUTDOWN when the peer was
 * disconnected. The wait is short, so a signal that does not kill the task does not end the wait.
 */
static inline int bus1_peer_lock(struct bus1_peer *peer)
{
	if (mutex_lock_killable(&peer->lock))
		return -EINTR;
	if (!peer->disconnected)
		return 0;
	mutex_unlock(&peer->lock);
	return -ESHUTDOWN;
}

/*
 * Ask security modules, if any are to be asked, whether the current task may do something
 * (BUS1_ACT_*) to @peer by a command on the peer @own. Nobody is asked if both are the same peer.
 * Returns 0, -EACCES or -ENOMEM.
 */
static inline int bus1_peer_ask(const struct bus1_peer *own, struct bus1_peer *peer,
				unsigned int acts)
{
	bus1_ask_t ask = own->usage.account->accounts->ask;

	return ask && peer != own ? ask(peer, acts) : 0;
}

struct bus1_peer *bus1_peer_next(struct bus1_accounts *accounts, unsigned long number);

int bus1_peer_lock_two(struct bus1_peer *a, struct bus1_peer *b);
void bus1_peer_unlock_two(struct bus1_peer *a, struct bus1_peer *b);

struct bus1_object *bus1_peer_find(struct bus1_peer *peer, u64 id);
void bus1_peer_add(struct bus1_peer *peer, struct bus1_object *object);
void bus1_peer_hold(struct bus1_peer *peer, struct bus1_object *object);
void bus1_peer_remove(struct bus1_peer *peer, struct bus1_object *object);

#endif /* __BUS1_PEER_H */
