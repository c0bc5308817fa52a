/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_NODE_H
#define __BUS1_NODE_H

/*
 * Nodes and handles
 *
 * One peer owns a node, and receives on it. One peer holds a handle, and sends through it; the
 * handle refers to one node for all its life. A handle is *held* when it is in the ID map of its
 * holder, and *in flight* while it is part of a message that the holder has not received. Every
 * transfer makes a new handle.
 *
 *	owner <--- node <--- handle ---> holder	references
 *		   node ---> handle		list of handles, so that their holders can be told
 *
 * A node dies once, when the first of these happens: its owner releases it; its last handle goes
 * (unless the node is persistent); or it accepts a message (if it is one-shot). The operation that
 * kills the node unlinks the handles that are left, and adds their notifications to its
 * transaction. A dead node never gets handles again.
 *
 * A handle refers to its dead node until its holder has received the notification. The holder is
 * charged for the handle, and so for the memory of the node. The charge of the owner ends when the
 * node has no ID any more and no notification in the owner's queue. If it lasted longer, other
 * peers could keep the owner from making new nodes.
 */

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include "core.h"
#include "peer.h"
#include "queue.h"

struct bus1_tx;

/**
 * struct bus1_node - receiving end
 * @refs:	reference count
 * @owned:	references of the owner: one of its map and one of @release. Together they count as
 *		one of @refs, and are charged as one object.
 * @object:	its entry in the map of its owner
 * @owner:	peer that receives; referenced
 * @oneshot:	the node accepts one message
 * @persistent:	the node stays when its last handle goes, and notifies its owner each time. The
 *		entry is in the handle, because several can be queued. Only nodes of 2016 are so.
 * @cut:	nothing in the queue of the owner up to this timestamp concerns the node, except
 *		what is not due. Protected by the lock of the owner.
 * @lock:	protects the following
 * @dead:	the node has no handles and gets none. It never changes back, so it may be read
 *		without the lock.
 * @handles:	handles in flight and held
 * @idle:	persistent node without handles: its last handle, until the owner has received the
 *		notification; else NULL
 * @release:	notification for the owner; while queued it has one of @owned
 */
struct bus1_node {
	refcount_t refs;
	refcount_t owned;
	struct bus1_object object;
	struct bus1_peer *owner;
	bool oneshot;
	bool persistent;
	u64 cut;

	spinlock_t lock;
	bool dead;
	struct list_head handles;
	struct bus1_handle *idle;

	struct bus1_queue_entry release;
};

/**
 * struct bus1_handle - sending end
 * @object:	its entry in the map of its holder. The map has a reference to the handle; in
 *		flight, the message has it.
 * @refs:	reference count
 * @linked:	it is in the node's list of handles; protected by the lock of the node
 * @copied:	it is charged as BUS1_SUM_COPIES
 * @node:	receiving end; referenced
 * @release:	notification for the holder; or, if this was the last handle of a persistent node,
 *		for the owner of the node. While queued it has a reference to the handle. There is
 *		none before the handle is unlinked, so until then its link is the one in the node's
 *		list. Its receiver is the peer that is charged for the handle; referenced.
 *
 * Users can have a million handles, so the structure is small (128 bytes).
 */
struct bus1_handle {
	struct bus1_object object;
	refcount_t refs;
	bool linked;
	bool copied;
	struct bus1_node *node;
	struct bus1_queue_entry release;
};

/* The peer that a handle belongs to. */
static inline struct bus1_peer *bus1_handle_holder(const struct bus1_handle *handle)
{
	return handle->release.peer;
}

static inline struct bus1_node *bus1_node_from_object(struct bus1_object *object)
{
	return object && object->is_node ? container_of(object, struct bus1_node, object) : NULL;
}

static inline struct bus1_handle *bus1_handle_from_object(struct bus1_object *object)
{
	return object && !object->is_node ? container_of(object, struct bus1_handle, object) : NULL;
}

/* The handle that an ID names, or NULL. */
static inline struct bus1_handle *bus1_peer_find_handle(struct bus1_peer *peer, u64 id)
{
	return bus1_handle_from_object(bus1_peer_find(peer, id));
}

/* The node that a HANDLE_RELEASE is about. */
static inline struct bus1_node *bus1_node_from_entry(struct bus1_queue_entry *entry)
{
	return container_of(entry, struct bus1_node, release);
}

/* The handle that a NODE_RELEASE or NODE_IDLE is about. */
static inline struct bus1_handle *bus1_handle_from_entry(struct bus1_queue_entry *entry)
{
	return container_of(entry, struct bus1_handle, release);
}

static inline struct bus1_node *bus1_node_ref(struct bus1_node *node)
{
	refcount_inc(&node->refs);
	return node;
}

/* Whether a handle that a peer passes on counts as BUS1_SUM_COPIES. */
static inline bool bus1_node_is_foreign(const struct bus1_node *node, const struct bus1_peer *peer)
{
	return node->owner->usage.account != peer->usage.account;
}

/* Once this is true, it stays true. */
static inline bool bus1_node_is_dead(const struct bus1_node *node)
{
	return READ_ONCE(node->dead);
}

/* Check the transfers that a user passed. Return: -EINVAL. */
static inline int bus1_transfers_check(const struct bus1_transfer *transfers, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		u64 flags = transfers[i].flags;

		if (flags & ~(BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT))
			return -EINVAL;
		if (flags & BUS1_TRANSFER_FLAG_CREATE ? transfers[i].id != BUS1_INVALID : flags)
			return -EINVAL;
	}
	return 0;
}

struct bus1_node *bus1_node_new(struct bus1_peer *owner, bool oneshot);
void bus1_node_unref(struct bus1_node *node);
void bus1_node_disown(struct bus1_node *node);
void bus1_node_release(struct bus1_node *node, struct bus1_tx *tx);
bool bus1_node_consume(struct bus1_node *node, struct bus1_handle *handle);
void bus1_node_release_unused(struct bus1_node *node, struct bus1_tx *tx);

struct bus1_handle *bus1_handle_new(struct bus1_peer *holder, struct bus1_node *node, bool copied);
struct bus1_handle *bus1_handle_ref(struct bus1_handle *handle);
void bus1_handle_unref(struct bus1_handle *handle);
bool bus1_handle_link(struct bus1_handle *handle);
void bus1_handle_release(struct bus1_handle *handle, struct bus1_tx *tx);
void bus1_handle_notify(struct bus1_handle *handle, struct bus1_tx *tx);
bool bus1_node_is_idle(struct bus1_handle *handle);
void bus1_node_end_idle(struct bus1_handle *handle);

void bus1_object_drop(struct bus1_object *object);
int bus1_peer_create_node(struct bus1_peer *peer, u64 flags, struct bus1_node **ret_node);
void bus1_peer_destroy_node(struct bus1_peer *peer, struct bus1_node *node);

#endif /* __BUS1_NODE_H */
