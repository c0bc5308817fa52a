// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restoring what is queued, see restore.h
 */

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/slab.h>
#include "message.h"
#include "node.h"
#include "peer.h"
#include "restore.h"

static int bus1_restore_charge_files(struct bus1_restore *restore, struct bus1_payload *payload,
				     u32 uid)
{
	const struct bus1_principal principal = { .uid = KUIDT_INIT(uid) };
	struct bus1_account *account;

	if (payload->n_files == 0)
		return 0;
	account = bus1_account_get(restore->accounts, &principal);
	if (IS_ERR(account))
		return PTR_ERR(account);
	bus1_charge_files(account, payload->n_files, U64_MAX);
	payload->sender = account;
	return 0;
}

static int bus1_restore_one_payload(struct bus1_restore *restore, struct bus1_payload *payload,
				    u32 account)
{
	int r;

	if (restore->failed || restore->handles.n != restore->counts.n_handles ||
	    restore->payloads.n >= restore->counts.n_payloads)
		return -EBADMSG;
	r = bus1_restore_reserve(&restore->payloads, sizeof(struct bus1_restore_payload));
	if (r == 0)
		r = bus1_restore_charge_files(restore, payload, account);
	if (r < 0)
		return r;

	((struct bus1_restore_payload *)restore->payloads.items)[restore->payloads.n++] =
		(struct bus1_restore_payload){
			.payload = bus1_payload_ref(payload),
			.account = account,
		};
	return 0;
}

/**
 * bus1_restore_payload() - restore a payload
 * @restore:	table with all its handles
 * @payload:	new payload with all that the front end sets. Its sender is charged for its files.
 * @account:	user whose account the sender belonged to
 *
 * Return: -EBADMSG, -ENOMEM.
 */
int bus1_restore_payload(struct bus1_restore *restore, struct bus1_payload *payload, u32 account)
{
	return bus1_restore_result(restore, bus1_restore_one_payload(restore, payload, account));
}

/* messages */

/*
 * Check where an entry belongs in the queue of a peer. The position is in the order of the queue,
 * and a transaction is not later than the clock of the peer that it is named after.
 */
static int bus1_restore_check_place(const struct bus1_restore *restore,
				    const struct bus1_restore_peer *receiver,
				    const struct bus1_queue_entry *place)
{
	u32 sender;

	if (receiver->peer->disconnected || place->timestamp == 0 || place->timestamp % 2 != 0 ||
	    place->timestamp > receiver->peer->queue.clock)
		return -EBADMSG;
	if (place->tx == 0 || place->tx > restore->counts.last_peer)
		return -EBADMSG;
	if (bus1_restore_find_peer(restore, place->tx, &sender) == 0 &&
	    place->timestamp > bus1_restore_peer_at(restore, sender)->peer->queue.clock)
		return -EBADMSG;
	if (receiver->last && !bus1_queue_entry_before(receiver->last, place))
		return -EBADMSG;
	return 0;
}

/*
 * Put an entry on the queue of a peer. bus1_restore_check_place() has checked the place. Return:
 * -EBADMSG when the place is taken.
 */
static int bus1_restore_enqueue(struct bus1_restore_peer *receiver, struct bus1_queue_entry *entry,
				const struct bus1_queue_entry *place)
{
	struct bus1_queue *queue = &receiver->peer->queue;
	struct rb_node **slot = &queue->entries.rb_root.rb_node, *parent = NULL;
	bool leftmost = true;

	while (*slot) {
		const struct bus1_queue_entry *other = bus1_queue_entry_from_rb(*slot);

		parent = *slot;
		if (bus1_queue_entry_before(place, other)) {
			slot = &parent->rb_left;
		} else if (bus1_queue_entry_before(other, place)) {
			slot = &parent->rb_right;
			leftmost = false;
		} else {
			return -EBADMSG;
		}
	}
	entry->timestamp = place->timestamp;
	entry->tx = place->tx;
	entry->index = place->index;
	rb_link_node(&entry->rb, parent, slot);
	rb_insert_color_cached(&entry->rb, &queue->entries, leftmost);
	++queue->n_entries;
	++queue->n_arrived;
	receiver->last = entry;
	return 0;
}

/* The nodes of the handles of a message. Each handle is in one message only. */
static int bus1_restore_find_carried(struct bus1_restore *restore,
				     const struct bus1_frozen_message *frozen, u32 receiver,
				     struct bus1_node **nodes)
{
	size_t i;

	for (i = 0; i < frozen->n_handles; i++) {
		const struct bus1_restore_handle *handle =
			bus1_restore_handle_at(restore, frozen->handles[i]);

		if (!handle || !bus1_restore_handle_is_carried(handle) || handle->handle ||
		    handle->holder != receiver)
			return -EBADMSG;
		nodes[i] = bus1_restore_node_at(restore, handle->node)->node;
	}
	return 0;
}

/* Make the state of the handles of a message what it was. The message is queued. */
static int bus1_restore_carried(struct bus1_restore *restore,
				const struct bus1_frozen_message *frozen,
				struct bus1_peer *receiver, struct bus1_delivery *delivery)
{
	size_t i;
	int r;

	for (i = 0; i < frozen->n_handles; i++) {
		struct bus1_restore_handle *made =
			bus1_restore_handle_at(restore, frozen->handles[i]);
		struct bus1_handle *handle = delivery->handles[i];

		/* The same handle twice in one message, or a wrong count of copies. */
		if (made->handle || handle->copied != made->copied)
			return -EBADMSG;
		made->handle = bus1_handle_ref(handle);
		if (made->state == BUS1_FROZEN_LOST) {
			handle->object.state = BUS1_OBJECT_GONE;
		} else if (made->id != BUS1_INVALID) {
			mutex_lock(&receiver->lock);
			r = bus1_restore_id(receiver, &handle->object, made->id);
			mutex_unlock(&receiver->lock);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/*
 * Make the delivery of a message. The peer that has sent it may not exist any more. All that counts
 * is its account, so a peer that is in no table takes its place.
 */
static struct bus1_delivery *bus1_restore_delivery(struct bus1_restore *restore,
						   const struct bus1_restore_payload *payload,
						   struct bus1_node *node, struct bus1_node **nodes,
						   size_t n)
{
	const struct bus1_principal principal = { .uid = KUIDT_INIT(payload->account) };
	struct bus1_delivery *delivery;
	struct bus1_account *account;
	struct bus1_peer sender = {};

	account = bus1_account_get(restore->accounts, &principal);
	if (IS_ERR(account))
		return ERR_CAST(account);
	bus1_usage_init(&sender.usage, account);
	delivery = bus1_delivery_new(&sender, node, payload->payload, nodes, n);
	bus1_account_put(account);
	return delivery;
}

static int bus1_restore_one_message(struct bus1_restore *restore,
				    const struct bus1_frozen_message *frozen,
				    struct bus1_node **nodes)
{
	struct bus1_restore_node *node = bus1_restore_node_at(restore, frozen->node);
	struct bus1_restore_payload *payload = bus1_restore_payload_at(restore, frozen->payload);
	const struct bus1_queue_entry place = {
		.timestamp = frozen->timestamp,
		.tx = frozen->tx,
		.index = frozen->index,
	};
	struct bus1_restore_peer *receiver;
	struct bus1_delivery *delivery;
	int r;

	/* On 32 bits, the number of a transaction has fewer of them than the field. */
	if (!node || !payload || place.tx != frozen->tx)
		return -EBADMSG;
	receiver = bus1_restore_peer_at(restore, node->owner);
	r = bus1_restore_check_place(restore, receiver, &place);
	if (r == 0)
		r = bus1_restore_find_carried(restore, frozen, node->owner, nodes);
	if (r < 0)
		return r;
	/* A one-shot node accepts one message, and dies. */
	if (node->node->oneshot && (node->state == BUS1_FROZEN_LIVING || node->n_messages > 0))
		return -EBADMSG;

	delivery = bus1_restore_delivery(restore, payload, node->node, nodes, frozen->n_handles);
	if (IS_ERR(delivery))
		return PTR_ERR(delivery);
	r = bus1_restore_enqueue(receiver, &delivery->entry, &place);
	if (r < 0) {
		bus1_delivery_free(delivery);
		return r;
	}
	++node->n_messages;
	node->last = &delivery->entry;
	payload->used = true;
	return bus1_restore_carried(restore, frozen, receiver->peer, delivery);
}

/**
 * bus1_restore_message() - restore a queued message
 * @restore:	table with all its payloads
 * @frozen:	the message
 *
 * Return: -EBADMSG, -ENOMEM.
 */
int bus1_restore_message(struct bus1_restore *restore, const struct bus1_frozen_message *frozen)
{
	struct bus1_node *few[4], **nodes = few;
	int r;

	if (restore->failed || restore->payloads.n != restore->counts.n_payloads ||
	    restore->n_messages >= restore->counts.n_messages ||
	    frozen->n_handles > BUS1_MAX_TRANSFERS)
		return bus1_restore_result(restore, -EBADMSG);
	if (frozen->n_handles > ARRAY_SIZE(few)) {
		nodes = kvmalloc_array(frozen->n_handles, sizeof(*nodes), GFP_KERNEL_ACCOUNT);
		if (!nodes)
			return bus1_restore_result(restore, -ENOMEM);
	}
	r = bus1_restore_one_message(restore, frozen, nodes);
	++restore->n_messages;
	if (nodes != few)
		kvfree(nodes);
	return bus1_restore_result(restore, r);
}

/* notifications */

/* A notification for the owner of a node that its last handle has gone. */
static int bus1_restore_node_notification(struct bus1_restore *restore, u32 object,
					  const struct bus1_queue_entry *place)
{
	struct bus1_restore_node *node = bus1_restore_node_at(restore, object);
	struct bus1_restore_peer *owner;
	int r;

	if (!node || node->state == BUS1_FROZEN_LIVING || node->notified)
		return -EBADMSG;
	owner = bus1_restore_peer_at(restore, node->owner);
	/* Without a handle nobody can send to the node. */
	if (node->last && !bus1_queue_entry_before(node->last, place))
		return -EBADMSG;
	r = bus1_restore_check_place(restore, owner, place);
	if (r == 0)
		r = bus1_restore_enqueue(owner, &node->node->release, place);
	if (r < 0)
		return r;
	refcount_inc(&node->node->owned);
	node->notified = true;
	return 0;
}

/* A notification for the holder of a handle that its node has gone. */
static int bus1_restore_handle_notification(struct bus1_restore *restore, u32 object,
					    const struct bus1_queue_entry *place)
{
	struct bus1_restore_handle *handle = bus1_restore_handle_at(restore, object);
	struct bus1_restore_peer *holder;
	int r;

	if (!handle || !handle->handle || handle->notified || handle->state == BUS1_FROZEN_LOST ||
	    bus1_restore_node_at(restore, handle->node)->state == BUS1_FROZEN_LIVING)
		return -EBADMSG;
	holder = bus1_restore_peer_at(restore, handle->holder);
	r = bus1_restore_check_place(restore, holder, place);
	if (r == 0)
		r = bus1_restore_enqueue(holder, &handle->handle->release, place);
	if (r < 0)
		return r;
	bus1_handle_ref(handle->handle);
	handle->notified = true;
	return 0;
}

static int bus1_restore_one_notification(struct bus1_restore *restore,
					 const struct bus1_frozen_notification *frozen)
{
	const struct bus1_queue_entry place = {
		.timestamp = frozen->timestamp,
		.tx = frozen->tx,
		.index = frozen->index,
	};
	size_t i;

	if (restore->failed || restore->n_messages != restore->counts.n_messages ||
	    restore->n_notifications >= restore->counts.n_notifications || place.tx != frozen->tx)
		return -EBADMSG;
	/* The notifications of a queue are between its messages, but have an order of their own. */
	for (i = 0; i < restore->peers.n && restore->n_notifications == 0; i++)
		bus1_restore_peer_at(restore, i)->last = NULL;
	++restore->n_notifications;
	return frozen->is_node ? bus1_restore_node_notification(restore, frozen->object, &place)
			       : bus1_restore_handle_notification(restore, frozen->object, &place);
}

/**
 * bus1_restore_notification() - restore a queued notification
 * @restore:	table with all its queued messages
 * @frozen:	the notification
 *
 * Return: -EBADMSG, -ENOMEM.
 */
int bus1_restore_notification(struct bus1_restore *restore,
			      const struct bus1_frozen_notification *frozen)
{
	return bus1_restore_result(restore, bus1_restore_one_notification(restore, frozen));
}
