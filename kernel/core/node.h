/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_NODE_H
#define __BUS1_NODE_H

/*
 * Nodes and handles
 *
 * A node is owned by one peer; a handle is held by one peer and refers to one node for all its
 * life. A handle is *held* when it is in the ID map of its holder, and *in flight* while it is part
 * of a message that the holder has not received. Every transfer makes a new handle.
 *
 * A node knows the handles that refer to it, so that their holders can be told when it goes. It
 * dies once, by whichever comes first: its owner releases it, its last handle goes (unless it is
 * persistent), or, when it is one-shot, a message is accepted on it. A dead node has no handles and
 * gets none; who kills it unlinks those that are left and makes the notifications part of his
 * transaction.
 *
 * A dead node is still referred to by handles whose holders have not taken notice. They pay for
 * their handles, and with them for its memory: the owner's charge ends with the ID and what is in
 * his own queue, or else others could keep him from making new ones.
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
 * @owned:	references of the owner: his map's and that of @release. All of them together have
 *		one of @refs, and are charged as one object.
 * @object:	what its ID names
 * @owner:	peer that receives; pinned
 * @oneshot:	takes one message
 * @persistent:	stays when its last handle goes, of which its owner is told each time; the
 *		notification is the handle's, as there may be several under way
 * @lock:	protects the following
 * @dead:	has no handles and gets none; may be read without the lock as it never changes back
 * @handles:	handles in flight and held
 * @idle:	persistent and without handles: the handle that was the last, or NULL
 * @release:	notification for the owner; while queued it has a reference of his
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
 * @object:	what its ID names; references by the holder's map, or by the message it is in
 * @node:	receiving end; pinned
 * @holder:	peer it belongs to; pinned
 * @link:	link in the node's list of handles, protected by its lock; empty when not linked
 * @release:	notification for the holder, or when it was the last one of a persistent node, for
 *its owner; while queued it has a reference
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
