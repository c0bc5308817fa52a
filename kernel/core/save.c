// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving a core, see save.h
 *
 * The first walk finds all objects, and gives them their numbers. What it finds first depends only
 * on what the structures say, so that an equal table gives equal structures. The other walks report
 * what the first one has found.
 */

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "message.h"
#include "node.h"
#include "peer.h"
#include "save.h"

/* sets of pointers */

static size_t bus1_save_hash(const void *item)
{
	u64 hash = (u64)(unsigned long)item * 0x9e3779b97f4a7c15ULL;

	return hash >> 32;
}

/* The slot of a pointer, or the free slot where it belongs. The table is never full. */
static u32 *bus1_save_slot(const struct bus1_save_set *set, const void *item)
{
	size_t i = bus1_save_hash(item) & (set->n_slots - 1);

	while (set->slots[i] && set->items[set->slots[i] - 1] != item)
		i = (i + 1) & (set->n_slots - 1);
	return &set->slots[i];
}

static int bus1_save_set_grow(struct bus1_save_set *set)
{
	size_t n = set->n_allocated ? 2 * set->n_allocated : 64, i;
	struct bus1_save_set grown = { .n = set->n, .n_allocated = n, .n_slots = 2 * n };

	if (n > U32_MAX)
		return -EOVERFLOW;
	grown.items = kvmalloc_array(n, sizeof(*grown.items), GFP_KERNEL_ACCOUNT);
	grown.slots = kvcalloc(grown.n_slots, sizeof(*grown.slots), GFP_KERNEL_ACCOUNT);
	if (!grown.items || !grown.slots) {
		kvfree(grown.items);
		kvfree(grown.slots);
		return -ENOMEM;
	}
	for (i = 0; i < set->n; i++) {
		grown.items[i] = set->items[i];
		*bus1_save_slot(&grown, grown.items[i]) = i + 1;
	}
	kvfree(set->items);
	kvfree(set->slots);
	*set = grown;
	return 0;
}

/* Add a pointer, unless the set has it. Return: -EOVERFLOW, -ENOMEM. */
static int bus1_save_set_add(struct bus1_save_set *set, const void *item)
{
	u32 *slot;
	int r;

	if (set->n == set->n_allocated) {
		r = bus1_save_set_grow(set);
		if (r < 0)
			return r;
	}
	slot = bus1_save_slot(set, item);
	if (*slot == 0) {
		set->items[set->n++] = item;
		*slot = set->n;
	}
	return 0;
}

/* The number of a pointer. Return: -EUCLEAN when the set does not have it. */
static int bus1_save_set_find(const struct bus1_save_set *set, const void *item, u32 *ret)
{
	const u32 *slot = set->n_slots ? bus1_save_slot(set, item) : NULL;

	if (!slot || *slot == 0)
		return -EUCLEAN;
	*ret = *slot - 1;
	return 0;
}

static void bus1_save_set_free(struct bus1_save_set *set)
{
	kvfree(set->items);
	kvfree(set->slots);
	*set = (struct bus1_save_set){};
}

/* walks */

static struct bus1_queue_entry *bus1_save_first(const struct bus1_peer *peer)
{
	struct rb_node *rb = rb_first_cached(&peer->queue.entries);

	return rb ? bus1_queue_entry_from_rb(rb) : NULL;
}

static struct bus1_queue_entry *bus1_save_next(const struct bus1_queue_entry *entry)
{
	struct rb_node *rb = rb_next(&entry->rb);

	return rb ? bus1_queue_entry_from_rb(rb) : NULL;
}

#define bus1_save_for_each_entry(entry, peer) \
	for (entry = bus1_save_first(peer); entry; entry = bus1_save_next(entry))

#define bus1_save_for_each_object(object, peer) \
	for (object = bus1_map_first(&(peer)->objects); object; object = bus1_map_next(object))

/* what the walks have in common */
struct bus1_save_walk {
	struct bus1_save *save;
	const struct bus1_saver *saver;
	void *data;
};

/* Visit all peers in the order of their numbers, until a visit fails. */
static int bus1_save_visit(struct bus1_save_walk *walk,
			   int (*visit)(struct bus1_save_walk *walk, struct bus1_peer *peer))
{
	unsigned long number = 0;
	struct bus1_peer *peer;
	int r = 0;

	while (r == 0 && (peer = bus1_peer_next(walk->save->accounts, number))) {
		number = peer->number + 1;
		r = visit(walk, peer);
		bus1_peer_unref(peer);
		cond_resched();
	}
	return r;
}

/* the first walk */

static int bus1_save_check_peer(const struct bus1_peer *peer)
{
	if (peer->v2016 || peer->pool || peer->usage.account->depth > 1)
		return -EOPNOTSUPP;
	if (peer->receiving || !list_empty(&peer->queue.staged) ||
	    peer->usage.used[BUS1_SUM_PENDING] > 0)
		return -EBUSY;
	return 0;
}

static int bus1_save_find_message(struct bus1_save *save, const struct bus1_delivery *delivery)
{
	const struct bus1_payload *payload = delivery->payload;
	size_t i;
	int r;

	if (!delivery->node || (payload->n_files > 0 && !payload->sender))
		return -EOPNOTSUPP;
	++save->counts.n_messages;
	r = bus1_save_set_add(&save->nodes, delivery->node);
	for (i = 0; i < delivery->n_handles && r == 0; i++)
		r = bus1_save_set_add(&save->nodes, delivery->handles[i]->node);
	if (r == 0)
		r = bus1_save_set_add(&save->payloads, payload);
	return r;
}

static int bus1_save_find_entry(struct bus1_save *save, struct bus1_queue_entry *entry)
{
	if (entry->type == BUS1_ENTRY_MESSAGE)
		return bus1_save_find_message(save, bus1_delivery_from_entry(entry));

	++save->counts.n_notifications;
	switch (entry->type) {
	case BUS1_ENTRY_NODE_RELEASE:
		return bus1_save_set_add(&save->nodes, bus1_handle_from_entry(entry)->node);
	case BUS1_ENTRY_HANDLE_RELEASE:
		return bus1_save_set_add(&save->nodes, bus1_node_from_entry(entry));
	default:
		return -EOPNOTSUPP;
	}
}

/* Find the nodes and payloads that a peer knows. */
static int bus1_save_find(struct bus1_save_walk *walk, struct bus1_peer *peer)
{
	struct bus1_save *save = walk->save;
	struct bus1_queue_entry *entry;
	struct bus1_object *object;
	int r;

	r = bus1_save_check_peer(peer);
	if (r < 0)
		return r;
	++save->counts.n_peers;
	bus1_save_for_each_object(object, peer)
	{
		if (object->state != BUS1_OBJECT_HELD && object->state != BUS1_OBJECT_NEW)
			return -EBUSY;
		r = bus1_save_set_add(&save->nodes,
				      object->is_node ? bus1_node_from_object(object)
						      : bus1_handle_from_object(object)->node);
		if (r < 0)
			return r;
	}
	bus1_save_for_each_entry(entry, peer)
	{
		r = bus1_save_find_entry(save, entry);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Find the linked handles of all nodes. */
static int bus1_save_find_linked(struct bus1_save *save)
{
	const struct bus1_handle *handle;
	size_t i;
	int r;

	for (i = 0; i < save->nodes.n; i++) {
		const struct bus1_node *node = save->nodes.items[i];

		if (node->persistent)
			return -EOPNOTSUPP;
		list_for_each_entry(handle, &node->handles, release.link) {
			r = bus1_save_set_add(&save->handles, handle);
			if (r < 0)
				return r;
		}
		cond_resched();
	}
	return 0;
}

/* Find the handles in messages. Those that are linked were found before. */
static int bus1_save_find_carried(struct bus1_save_walk *walk, struct bus1_peer *peer)
{
	struct bus1_queue_entry *entry;
	size_t i;
	int r;

	bus1_save_for_each_entry(entry, peer)
	{
		const struct bus1_delivery *delivery = bus1_delivery_from_entry(entry);

		if (entry->type != BUS1_ENTRY_MESSAGE)
			continue;
		for (i = 0; i < delivery->n_handles; i++) {
			r = bus1_save_set_add(&walk->save->handles, delivery->handles[i]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Find the handles in notifications. */
static int bus1_save_find_notified(struct bus1_save_walk *walk, struct bus1_peer *peer)
{
	struct bus1_queue_entry *entry;
	int r;

	bus1_save_for_each_entry(entry, peer)
	{
		if (entry->type != BUS1_ENTRY_NODE_RELEASE)
			continue;
		r = bus1_save_set_add(&walk->save->handles, bus1_handle_from_entry(entry));
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Check that all handles of a peer were found. A held handle is linked, or its holder has a
 * notification about it.
 */
static int bus1_save_check_found(struct bus1_save_walk *walk, struct bus1_peer *peer)
{
	struct bus1_object *object;
	u32 position;
	int r = 0;

	bus1_save_for_each_object(object, peer)
	{
		if (!object->is_node)
			r = bus1_save_set_find(&walk->save->handles,
					       bus1_handle_from_object(object), &position);
		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * bus1_save_begin() - find everything that belongs to a table of accounts
 * @save:	set up; bus1_save_end() frees it, also after a failure
 * @accounts:	table that nobody uses until bus1_save_end()
 *
 * The table stays as it is.
 *
 * Return: -EBUSY when a command is under way; -EOPNOTSUPP when there is anything that cannot be
 * saved; -ENOMEM; -EOVERFLOW when there are more than 2^32 objects.
 */
int bus1_save_begin(struct bus1_save *save, struct bus1_accounts *accounts)
{
	struct bus1_save_walk walk = { .save = save };
	int r;

	*save = (struct bus1_save){
		.accounts = accounts,
		.counts.last_peer = accounts->last_peer,
	};
	save->carried =
		kvmalloc_array(BUS1_MAX_TRANSFERS, sizeof(*save->carried), GFP_KERNEL_ACCOUNT);
	if (!save->carried)
		return -ENOMEM;
	r = bus1_save_visit(&walk, bus1_save_find);
	if (r == 0)
		r = bus1_save_find_linked(save);
	if (r == 0)
		r = bus1_save_visit(&walk, bus1_save_find_carried);
	save->n_carried = save->handles.n;
	if (r == 0)
		r = bus1_save_visit(&walk, bus1_save_find_notified);
	if (r == 0)
		r = bus1_save_visit(&walk, bus1_save_check_found);
	save->counts.n_nodes = save->nodes.n;
	save->counts.n_handles = save->handles.n;
	save->counts.n_payloads = save->payloads.n;
	return r;
}

/* the other walks */

static int bus1_save_peer(struct bus1_save_walk *walk, struct bus1_peer *peer)
{
	const struct bus1_frozen_peer frozen = {
		.number = peer->number,
		.uid = __kuid_val(peer->usage.account->uid),
		.disconnected = peer->disconnected,
		.clock = peer->queue.clock,
		.last_id = peer->objects.last_id,
	};

	return walk->saver->peer(walk->data, &frozen);
}

static int bus1_save_node(struct bus1_save_walk *walk, const struct bus1_node *node)
{
	const struct bus1_frozen_node frozen = {
		.owner = node->owner->number,
		.id = node->object.id,
		.state = !node->dead				  ? BUS1_FROZEN_LIVING
			 : node->object.state == BUS1_OBJECT_HELD ? BUS1_FROZEN_DEAD
								  : BUS1_FROZEN_ENDED,
		.oneshot = node->oneshot,
	};

	return walk->saver->node(walk->data, &frozen);
}

static int bus1_save_handle(struct bus1_save_walk *walk, size_t i)
{
	const struct bus1_handle *handle = walk->save->handles.items[i];
	struct bus1_frozen_handle frozen = {
		.holder = bus1_handle_holder(handle)->number,
		.id = handle->object.id,
		.copied = handle->copied,
	};
	int r;

	r = bus1_save_set_find(&walk->save->nodes, handle->node, &frozen.node);
	if (r < 0)
		return r;
	/* A handle whose message was dropped may still look as if it was in flight. */
	if (handle->object.state == BUS1_OBJECT_HELD)
		frozen.state = BUS1_FROZEN_HELD;
	else if (i >= walk->save->n_carried)
		frozen.state = BUS1_FROZEN_RELEASED;
	else if (handle->object.state == BUS1_OBJECT_NEW)
		frozen.state = BUS1_FROZEN_IN_FLIGHT;
	else
		frozen.state = BUS1_FROZEN_LOST;
	/* Nobody needs the ID that such a handle may have had. */
	if (frozen.state == BUS1_FROZEN_RELEASED)
		frozen.id = BUS1_INVALID;
	return walk->saver->handle(walk->data, &frozen);
}

static int bus1_save_message(struct bus1_save_walk *walk, const struct bus1_delivery *delivery)
{
	const struct bus1_queue_entry *entry = &delivery->entry;
	struct bus1_save *save = walk->save;
	struct bus1_frozen_message frozen = {
		.timestamp = entry->timestamp,
		.tx = entry->tx,
		.index = entry->index,
		.n_handles = delivery->n_handles,
		.handles = save->carried,
	};
	size_t i;
	int r;

	r = bus1_save_set_find(&save->nodes, delivery->node, &frozen.node);
	if (r == 0)
		r = bus1_save_set_find(&save->payloads, delivery->payload, &frozen.payload);
	for (i = 0; i < delivery->n_handles && r == 0; i++)
		r = bus1_save_set_find(&save->handles, delivery->handles[i], &save->carried[i]);
	return r < 0 ? r : walk->saver->message(walk->data, &frozen);
}

static int bus1_save_messages(struct bus1_save_walk *walk, struct bus1_peer *peer)
{
	struct bus1_queue_entry *entry;
	int r = 0;

	bus1_save_for_each_entry(entry, peer)
	{
		if (entry->type == BUS1_ENTRY_MESSAGE)
			r = bus1_save_message(walk, bus1_delivery_from_entry(entry));
		if (r < 0)
			return r;
	}
	return 0;
}

static int bus1_save_notification(struct bus1_save_walk *walk, struct bus1_queue_entry *entry)
{
	struct bus1_frozen_notification frozen = {
		.timestamp = entry->timestamp,
		.tx = entry->tx,
		.index = entry->index,
		.is_node = entry->type == BUS1_ENTRY_HANDLE_RELEASE,
	};
	int r;

	if (frozen.is_node)
		r = bus1_save_set_find(&walk->save->nodes, bus1_node_from_entry(entry),
				       &frozen.object);
	else
		r = bus1_save_set_find(&walk->save->handles, bus1_handle_from_entry(entry),
				       &frozen.object);
	return r < 0 ? r : walk->saver->notification(walk->data, &frozen);
}

static int bus1_save_notifications(struct bus1_save_walk *walk, struct bus1_peer *peer)
{
	struct bus1_queue_entry *entry;
	int r = 0;

	bus1_save_for_each_entry(entry, peer)
	{
		if (entry->type != BUS1_ENTRY_MESSAGE)
			r = bus1_save_notification(walk, entry);
		if (r < 0)
			return r;
	}
	return 0;
}

/**
 * bus1_save_peers() - report all peers
 * @save:	result of a bus1_save_begin() that has succeeded
 * @saver:	where they go
 * @data:	passed to the functions of @saver
 *
 * Return: the error of @saver.
 */
int bus1_save_peers(struct bus1_save *save, const struct bus1_saver *saver, void *data)
{
	struct bus1_save_walk walk = { save, saver, data };

	return bus1_save_visit(&walk, bus1_save_peer);
}

/**
 * bus1_save_rest() - report everything else
 * @save:	result of a bus1_save_begin() that has succeeded
 * @saver:	where it goes
 * @data:	passed to the functions of @saver
 *
 * Return: the error of @saver.
 */
int bus1_save_rest(struct bus1_save *save, const struct bus1_saver *saver, void *data)
{
	struct bus1_save_walk walk = { save, saver, data };
	size_t i;
	int r = 0;

	for (i = 0; i < save->nodes.n && r == 0; i++)
		r = bus1_save_node(&walk, save->nodes.items[i]);
	for (i = 0; i < save->handles.n && r == 0; i++)
		r = bus1_save_handle(&walk, i);
	for (i = 0; i < save->payloads.n && r == 0; i++)
		r = saver->payload(data, save->payloads.items[i]);
	if (r == 0)
		r = bus1_save_visit(&walk, bus1_save_messages);
	if (r == 0)
		r = bus1_save_visit(&walk, bus1_save_notifications);
	return r;
}

/* Free what bus1_save_begin() has allocated. */
void bus1_save_end(struct bus1_save *save)
{
	bus1_save_set_free(&save->nodes);
	bus1_save_set_free(&save->handles);
	bus1_save_set_free(&save->payloads);
	kvfree(save->carried);
	save->carried = NULL;
}
