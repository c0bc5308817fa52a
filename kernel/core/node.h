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
 * A node dies once, at the first of these: its owner releases it; its last handle goes (unless the
 * node is persistent); a message is accepted on it (when it is one-shot). The operation that kills
 * the node unlinks the handles that are left, and adds their notifications to its transaction. A
 * dead node never gets handles again.
 *
 * Handles whose holders have not received the notification still refer to a dead node. Their
 * holders are charged for the handles, and so for the memory of the node. The owner's charge ends
 * with the ID and with the notification in its own queue. Otherwise other peers could keep the
 * owner from making new nodes.
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
 * @owned:	references of the owner: that of its map and that of @release. All of them together
 *		have one of @refs, and are charged as one object.
 * @object:	its entry in the map of its owner
 * @owner:	peer that receives; referenced
 * @oneshot:	takes one message
 * @persistent:	stays when its last handle goes, and notifies its owner each time. The handle has
 *		the notification, because several can be queued. Only nodes of 2016 are persistent.
 * @lock:	protects the following
 * @dead:	has no handles and gets none; may be read without the lock as it never changes back
 * @handles:	handles in flight and held
 * @idle:	persistent and without handles: the handle that was the last, or NULL
 * @release:	notification for the owner; while queued it has a reference of the owner
 */
struct bus1_node {
	refcount_t refs;
	refcount_t owned;
	struct bus1_object object;
	struct bus1_peer *owner;
	bool oneshot;
	bool persistent;

	spinlock_t lock;
	bool dead;
	struct list_head handles;
	struct bus1_handle *idle;

	struct bus1_queue_entry release;
};

/**
 * struct bus1_handle - sending end
 * @refs:	reference count
 * @object:	its entry in the map of its holder. The map has a reference, or the message it is
 *		in.
 * @node:	receiving end; referenced
 * @holder:	peer it belongs to; referenced
 * @link:	link in the node's list of handles, protected by its lock; empty when not linked
 * @release:	notification for the holder; or for the owner of a persistent node whose last handle
 *		this was. While queued it has a reference.
 */
struct bus1_handle {
	refcount_t refs;
	struct bus1_object object;
	struct bus1_node *node;
	struct bus1_peer *holder;
	struct list_head link;
	struct bus1_queue_entry release;
};

static inline struct bus1_node *bus1_node_from_object(struct bus1_object *object)
{
	return object && object->is_node ? container_of(object, struct bus1_node, object) : NULL;
}

static inline struct bus1_handle *bus1_handle_from_object(struct bus1_object *object)
{
	return object && !object->is_node ? container_of(object, struct bus1_handle, object) : NULL;
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

/* Once true it stays true. */
static inline bool bus1_node_is_dead(const struct bus1_node *node)
{
	return READ_ONCE(node->dead);
}

struct bus1_node *bus1_node_new(struct bus1_peer *owner, bool oneshot);
struct bus1_node *bus1_node_unref(struct bus1_node *node);
void bus1_node_disown(struct bus1_node *node);
void bus1_node_release(struct bus1_node *node, struct bus1_tx *tx);
bool bus1_node_consume(struct bus1_node *node, struct bus1_handle *handle);
void bus1_node_release_unused(struct bus1_node *node, struct bus1_tx *tx);

struct bus1_handle *bus1_handle_new(struct bus1_peer *holder, struct bus1_node *node);
struct bus1_handle *bus1_handle_ref(struct bus1_handle *handle);
struct bus1_handle *bus1_handle_unref(struct bus1_handle *handle);
bool bus1_handle_link(struct bus1_handle *handle);
void bus1_handle_release(struct bus1_handle *handle, struct bus1_tx *tx);
void bus1_handle_notify(struct bus1_handle *handle, struct bus1_tx *tx);
bool bus1_node_is_idle(struct bus1_handle *handle);
void bus1_node_end_idle(struct bus1_handle *handle);

int bus1_transfer_check(const struct bus1_transfer *transfer);
struct bus1_handle *bus1_peer_find_handle(struct bus1_peer *peer, u64 id);
int bus1_peer_create_node(struct bus1_peer *peer, u64 flags, struct bus1_node **ret_node);
void bus1_peer_destroy_node(struct bus1_peer *peer, struct bus1_node *node);

#endif /* __BUS1_NODE_H */
