/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_NODE_H
#define __BUS1_NODE_H

/*
 * Nodes and handles
 *
 * One peer owns a node, and receives on it. One peer holds a handle, and sends through it; the
 * handle refers to one node for all its life. A handle is *held* while an ID of its holder names
 * it, and *in flight* while it is part of a message that the holder has not received. Passing on a
 * handle, in a message or by a transfer, makes a new handle for each receiver.
 *
 *	owner <--- node <--- handle ---> holder	references
 *		   node ---> handle		list of handles, so that their holders can be told
 *
 * A node dies once, when the first of these happens: its owner releases it; it accepts a message
 * (if it is one-shot); or (unless it is persistent) its last handle goes, or the send that made it
 * ends without a handle to it. The operation that kills the node unlinks the handles that are left.
 * It adds a notification for each of them to its transaction, unless it releases the handle as
 * well. No handle is linked to a dead node any more.
 *
 * A handle still refers to its node when the node is dead. The handle usually ends when its holder
 * receives the notification or releases the handle. Until then the holder is charged for the
 * handle, and so for the memory of the node. The charge of the owner ends when the node has no ID
 * any more and no notification in the owner's queue. If this charge lasted as long as the handles,
 * other peers could keep the owner from making new nodes.
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
 * @owned:	number of references of the owner: one for the ID of the node, and one while
 *		@release is in a transaction or queued. Together they count as one of @refs, and are
 *		charged as one object.
 * @object:	ID and state; in the map of @owner, unless that is a peer of 2016
 * @owner:	peer that receives; referenced
 * @oneshot:	the node accepts one message
 * @persistent:	the node stays alive when its last handle goes, and each time a notification is
 *		queued for the owner. This notification is part of the handle, because several of
 *		them can be queued. All nodes of peers of 2016 are persistent, and no others.
 * @cut:	no entry in the queue of the owner up to this timestamp concerns the node, except
 *		moot entries. Protected by the lock of the owner.
 * @lock:	protects @dead, @handles and @idle
 * @dead:	no handles are added to @handles any more. It never changes back, so it may be read
 *		without the lock.
 * @handles:	linked handles, in flight or held
 * @idle:	living persistent node without handles: its last handle, until the notification in
 *		this handle is received or dropped; else NULL. Not used once the node is dead.
 * @release:	notification for the owner that the node has died
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
 * @object:	ID and state; in the map of the holder while it has an ID, unless the holder is a
 *		peer of 2016. The ID has a reference to a held handle; the message has the reference
 *		to a handle in flight.
 * @refs:	reference count
 * @linked:	it is in the node's list of handles; protected by the lock of the node
 * @copied:	it also counts as BUS1_SUM_COPIES
 * @node:	receiving end; referenced
 * @release:	notification for the holder; or, if this was the last handle of a persistent node,
 *		for the owner of the node. While queued it has a reference to the handle. It is used
 *		only after the handle was unlinked, so until then @release.link is the link in the
 *		node's list. @release.peer is the peer that is charged for the handle; referenced.
 *
 * A user can have a million handles, so the structure is small: 128 bytes in a 64-bit kernel.
 */
struct bus1_handle {
	struct bus1_object object;
	refcount_t refs;
	bool linked;
	bool copied;
	struct bus1_node *node;
	struct bus1_queue_entry release;
};

/* The holder of a handle; in a NODE_IDLE, the owner of the node. */
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

/* The handle that the peer holds under an ID, or NULL. */
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

/* Whether a handle to a node counts as BUS1_SUM_COPIES when a peer passes it on. */
static inline bool bus1_node_is_foreign(const struct bus1_node *node, const struct bus1_peer *peer)
{
	return node->owner->usage.account != peer->usage.account;
}

/* A dead node stays dead. */
static inline bool bus1_node_is_dead(const struct bus1_node *node)
{
	return READ_ONCE(node->dead);
}

/* Check the flags and IDs of transfers that a user passed. Return: 0; -EINVAL. */
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
