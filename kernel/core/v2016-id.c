// SPDX-License-Identifier: GPL-2.0-only
/*
 * IDs of peers of 2016, see v2016-peer.h
 */

#include <linux/bug.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "acct.h"
#include "tx.h"
#include "v2016-peer.h"

struct bus1_v2016_id *bus1_v2016_find(struct bus1_v2016 *v2016, u64 id)
{
	struct rb_node *rb = v2016->by_id.rb_node;

	while (rb) {
		struct bus1_v2016_id *named = rb_entry(rb, struct bus1_v2016_id, by_id);

		if (named->id == id)
			return named;
		rb = id < named->id ? rb->rb_left : rb->rb_right;
	}
	return NULL;
}

static struct bus1_v2016_id *bus1_v2016_find_node(struct bus1_v2016 *v2016, struct bus1_node *node)
{
	struct rb_node *rb = v2016->by_node.rb_node;

	while (rb) {
		struct bus1_v2016_id *named = rb_entry(rb, struct bus1_v2016_id, by_node);

		if (named->node == node)
			return named;
		rb = (unsigned long)node < (unsigned long)named->node ? rb->rb_left : rb->rb_right;
	}
	return NULL;
}

static struct bus1_v2016_id *bus1_v2016_add(struct bus1_v2016 *v2016, u64 id,
					    struct bus1_node *node)
{
	struct rb_node **slot, *parent;
	struct bus1_v2016_id *named;

	named = kzalloc(sizeof(*named), GFP_KERNEL_ACCOUNT);
	if (!named)
		return NULL;
	INIT_LIST_HEAD(&named->link);
	named->id = id;
	named->node = node;

	for (slot = &v2016->by_id.rb_node, parent = NULL; *slot;) {
		parent = *slot;
		slot = id < rb_entry(parent, struct bus1_v2016_id, by_id)->id ? &parent->rb_left
									      : &parent->rb_right;
	}
	rb_link_node(&named->by_id, parent, slot);
	rb_insert_color(&named->by_id, &v2016->by_id);

	for (slot = &v2016->by_node.rb_node, parent = NULL; *slot;) {
		struct bus1_v2016_id *other;

		parent = *slot;
		other = rb_entry(parent, struct bus1_v2016_id, by_node);
		slot = (unsigned long)node < (unsigned long)other->node ? &parent->rb_left
									: &parent->rb_right;
	}
	rb_link_node(&named->by_node, parent, slot);
	rb_insert_color(&named->by_node, &v2016->by_node);
	return named;
}

/**
 * bus1_v2016_end() - end an ID
 * @peer:	peer
 * @named:	ID without a handle. If the peer owns the node, the node is dead, or the command
 *		that made the node fails.
 */
void bus1_v2016_end(struct bus1_peer *peer, struct bus1_v2016_id *named)
{
	rb_erase(&named->by_id, &peer->v2016->by_id);
	rb_erase(&named->by_node, &peer->v2016->by_node);
	WARN_ON(!list_empty(&named->link));
	if (named->owned) {
		named->node->object.state = BUS1_OBJECT_GONE;
		bus1_node_disown(named->node);
	}
	kfree(named);
}

static int bus1_v2016_create(struct bus1_peer *peer, u64 id, struct bus1_v2016_id **ret_named)
{
	struct bus1_v2016_id *named;
	struct bus1_node *node;

	node = bus1_node_new(peer, false);
	if (IS_ERR(node))
		return PTR_ERR(node);

	named = bus1_v2016_add(peer->v2016, id, node);
	if (!named) {
		bus1_node_disown(node);
		return -ENOMEM;
	}
	named->owned = true;
	node->persistent = true;
	node->object.id = id;
	node->object.state = BUS1_OBJECT_HELD;
	*ret_named = named;
	return 0;
}

/*
 * Check that a user may choose an ID that is not in use. Returns 0; -ENXIO if only the core can
 * choose it; -EINVAL if it is marked as the node of another peer.
 */
static int bus1_v2016_check_new(u64 id)
{
	if (id & BUS1_2016_HANDLE_MANAGED)
		return -ENXIO;
	return id & BUS1_2016_HANDLE_REMOTE ? -EINVAL : 0;
}

/* Check that an ID exists, or that a user may choose it. Returns 0, -ENXIO or -EINVAL. */
int bus1_v2016_check(struct bus1_v2016 *v2016, u64 id)
{
	return bus1_v2016_find(v2016, id) ? 0 : bus1_v2016_check_new(id);
}

/**
 * bus1_v2016_import() - find an ID that the user passed, or make a node with this ID
 * @peer:	peer
 * @id:		ID
 * @created:	a new ID is appended. bus1_v2016_import_commit() or bus1_v2016_import_undo() must
 *		follow.
 * @ret_named:	set to the ID
 *
 * Return: 0; -ENXIO for an unknown ID that only the core can choose; -EINVAL for an unknown ID that
 * is marked as the node of another peer; -EDQUOT, -ENOMEM.
 */
int bus1_v2016_import(struct bus1_peer *peer, u64 id, struct list_head *created,
		      struct bus1_v2016_id **ret_named)
{
	int r;

	*ret_named = bus1_v2016_find(peer->v2016, id);
	if (*ret_named)
		return 0;
	r = bus1_v2016_check_new(id);
	if (r < 0)
		return r;
	r = bus1_v2016_create(peer, id, ret_named);
	if (r < 0)
		return r;
	list_add_tail(&(*ret_named)->link, created);
	return 0;
}

void bus1_v2016_import_commit(struct list_head *created)
{
	while (!list_empty(created))
		list_del_init(created->next);
}

void bus1_v2016_import_undo(struct bus1_peer *peer, struct list_head *created)
{
	struct bus1_v2016_id *named;

	while ((named = list_first_entry_or_null(created, struct bus1_v2016_id, link))) {
		list_del_init(&named->link);
		bus1_v2016_end(peer, named);
		cond_resched();
	}
}

/**
 * bus1_v2016_reserve() - find or make the ID of a node, so that installing a handle cannot fail
 * @peer:	peer
 * @node:	node, referenced by the handle that is about to be installed
 * @ret_named:	set to the ID; to NULL for a node of @peer whose ID has ended
 *
 * After a success, bus1_v2016_install() or bus1_v2016_unreserve() must follow before the peer is
 * unlocked, unless @ret_named is set to NULL.
 *
 * Return: 0; -ENOMEM.
 */
int bus1_v2016_reserve(struct bus1_peer *peer, struct bus1_node *node,
		       struct bus1_v2016_id **ret_named)
{
	struct bus1_v2016 *v2016 = peer->v2016;
	struct bus1_v2016_id *named;

	lockdep_assert_held(&peer->lock);

	named = bus1_v2016_find_node(v2016, node);
	if (!named && node->owner != peer) {
		u64 id = v2016->last_id + 4;

		named = bus1_v2016_add(v2016, id, node);
		if (!named)
			return -ENOMEM;
		v2016->last_id = id;
	}
	if (named)
		++named->n_reserved;
	*ret_named = named;
	return 0;
}

void bus1_v2016_unreserve(struct bus1_peer *peer, struct bus1_v2016_id *named)
{
	if (named && --named->n_reserved == 0 && named->n_user == 0 && !named->owned)
		bus1_v2016_end(peer, named);
}

static void bus1_v2016_handle_drop(struct bus1_handle *handle, struct bus1_tx *tx)
{
	handle->object.state = BUS1_OBJECT_GONE;
	bus1_handle_release(handle, tx);
	bus1_handle_unref(handle);
}

/**
 * bus1_v2016_install() - give the user a reference
 * @named:	result of bus1_v2016_reserve()
 * @handle:	handle to the same node, linked unless the node is dead. This function takes over
 *		the caller's reference. May be NULL if the ID has a handle already, or if it needs
 *		none because the peer has destroyed the node.
 * @tx:		transaction that gets notifications
 *
 * Return: the ID; BUS1_2016_INVALID if @named is NULL.
 */
u64 bus1_v2016_install(struct bus1_v2016_id *named, struct bus1_handle *handle, struct bus1_tx *tx)
{
	if (!named) {
		if (handle)
			bus1_v2016_handle_drop(handle, tx);
		return BUS1_2016_INVALID;
	}

	--named->n_reserved;
	++named->n_user;
	if (handle && (named->handle || named->destroyed)) {
		/* The ID has a handle already, or needs none. */
		bus1_v2016_handle_drop(handle, tx);
	} else if (handle) {
		named->handle = handle;
		handle->object.id = named->id;
		handle->object.state = BUS1_OBJECT_HELD;
	}
	return named->id;
}

/*
 * Drop the handle of an ID, if it has one, because the user has no references to the ID any more,
 * or because the peer destroys the node.
 */
void bus1_v2016_drop_handle(struct bus1_v2016_id *named, struct bus1_tx *tx)
{
	struct bus1_handle *handle = named->handle;

	named->handle = NULL;
	if (handle)
		bus1_v2016_handle_drop(handle, tx);
}

/**
 * bus1_v2016_put() - drop a reference of the user
 * @peer:	peer
 * @named:	ID with at least one reference of the user
 * @tx:		transaction that gets notifications
 *
 * Return: whether the ID still exists.
 */
bool bus1_v2016_put(struct bus1_peer *peer, struct bus1_v2016_id *named, struct bus1_tx *tx)
{
	if (--named->n_user > 0)
		return true;

	bus1_v2016_drop_handle(named, tx);
	if (named->owned && !named->destroyed)
		return true;
	bus1_v2016_end(peer, named);
	return false;
}

/**
 * bus1_v2016_destroy() - destroy a node
 * @named:	ID of a living node that the peer owns
 * @tx:		transaction that gets the notifications
 *
 * The user takes over the reference that the node had to its ID.
 */
void bus1_v2016_destroy(struct bus1_v2016_id *named, struct bus1_tx *tx)
{
	named->destroyed = true;
	++named->n_user;
	/*
	 * The owner gets no NODE_RELEASE about its own handle, because bus1_node_release() skips
	 * handles of the sender in the state GONE. Instead bus1_v2016_nodes_destroy() queues a
	 * HANDLE_RELEASE, if the ID still exists afterwards.
	 */
	if (named->handle)
		named->handle->object.state = BUS1_OBJECT_GONE;
	bus1_node_release(named->node, tx);
	bus1_v2016_drop_handle(named, tx);
}
