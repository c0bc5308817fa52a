// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages, see message.h
 */

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include "message.h"
#include "node.h"
#include "peer.h"

/* The delivery that is part of the memory of the payload. */
static struct bus1_delivery *bus1_payload_delivery(struct bus1_payload *payload)
{
	return (struct bus1_delivery *)payload - 1;
}

struct bus1_payload *bus1_payload_new(size_t n_data, size_t n_files)
{
	struct bus1_payload *payload;
	struct bus1_delivery *first;
	size_t size, head, i;
	bool apart;

	if (n_data > BUS1_MAX_DATA || n_files > BUS1_MAX_PAYLOAD_FILES)
		return ERR_PTR(-EMSGSIZE);

	size = struct_size(payload, files, n_files);
	head = sizeof(*first) + size;
	apart = bus1_payload_is_apart(head, n_data);
	first = kvmalloc(apart ? head : head + n_data, GFP_KERNEL_ACCOUNT);
	if (!first)
		return ERR_PTR(-ENOMEM);

	payload = (struct bus1_payload *)(first + 1);
	payload->data = (u8 *)payload + size;
	if (apart) {
		payload->data = kvmalloc(n_data, GFP_KERNEL_ACCOUNT);
		if (!payload->data) {
			kvfree(first);
			return ERR_PTR(-ENOMEM);
		}
	}
	refcount_set(&payload->refs, 1);
	payload->addressed = false;
	payload->n_kept = bus1_payload_allocated(head, n_data) - head - n_data;
	payload->sender = NULL;
	payload->creds = (struct bus1_creds){};
	payload->n_data = n_data;
	payload->n_files = n_files;
	for (i = 0; i < n_files; i++)
		payload->files[i] = NULL;
	return payload;
}

int bus1_payload_charge_files(struct bus1_payload *payload, struct bus1_peer *sender, u64 max)
{
	struct bus1_account *account = sender->usage.account;
	u64 n = payload->n_files;

	if (n == 0)
		return 0;
	if (!bus1_charge_files(account, n, max))
		return -ETOOMANYREFS;
	refcount_inc(&account->refs);
	payload->sender = account;
	return 0;
}

static void bus1_payload_uncharge_files(struct bus1_payload *payload)
{
	if (!payload->sender)
		return;
	bus1_uncharge_files(payload->sender, payload->n_files);
	bus1_account_put(payload->sender);
}

struct bus1_payload *bus1_payload_ref(struct bus1_payload *payload)
{
	refcount_inc(&payload->refs);
	return payload;
}

struct bus1_payload *bus1_payload_unref(struct bus1_payload *payload)
{
	size_t i;

	if (!payload || !refcount_dec_and_test(&payload->refs))
		return NULL;

	for (i = 0; i < payload->n_files; i++) {
		if (payload->files[i])
			fput(payload->files[i]);
	}
	bus1_payload_uncharge_files(payload);
	put_pid(payload->creds.pid);
	put_pid(payload->creds.tid);
	put_cred(payload->creds.cred);
	if (payload->data != (u8 *)payload + struct_size(payload, files, payload->n_files))
		kvfree(payload->data);
	kvfree(bus1_payload_delivery(payload));
	return NULL;
}

/* Allocate a delivery. Only its payload is set. */
static struct bus1_delivery *bus1_delivery_alloc(struct bus1_payload *payload, size_t n_transfers)
{
	struct bus1_delivery *delivery;

	if (n_transfers == 0 && !payload->addressed) {
		payload->addressed = true;
		delivery = bus1_payload_delivery(payload);
	} else if (n_transfers == 0) {
		delivery = kmalloc(sizeof(*delivery), GFP_KERNEL_ACCOUNT);
	} else {
		delivery =
			kvmalloc(struct_size(delivery, handles, n_transfers), GFP_KERNEL_ACCOUNT);
	}
	if (!delivery)
		return NULL;
	delivery->payload = bus1_payload_ref(payload);
	return delivery;
}

static void bus1_delivery_dealloc(struct bus1_delivery *delivery)
{
	struct bus1_payload *payload = delivery->payload;

	if (delivery != bus1_payload_delivery(payload))
		kvfree(delivery);
	bus1_payload_unref(payload);
}

/* The bytes of memory that a delivery keeps beyond the costs of a message and its handles. */
static size_t bus1_delivery_kept(const struct bus1_delivery *delivery)
{
	size_t size;

	if (likely(delivery->n_handles == 0))
		return 0;
	size = struct_size(delivery, handles, delivery->n_handles);
	return bus1_allocated(size) - size;
}

/* The amounts that the receiver is charged for a message. */
static void bus1_delivery_amount(const struct bus1_delivery *delivery,
				 u64 ret_amount[_BUS1_SUM_N_MESSAGE])
{
	ret_amount[BUS1_RESOURCE_BYTES] = delivery->payload->n_data;
	ret_amount[BUS1_RESOURCE_OBJECTS] = delivery->n_handles;
	ret_amount[BUS1_RESOURCE_MESSAGES] = 1;
	ret_amount[BUS1_RESOURCE_FILES] = delivery->payload->n_files;
	ret_amount[BUS1_SUM_KEPT] = delivery->payload->n_kept + bus1_delivery_kept(delivery);
	ret_amount[BUS1_SUM_COPIES] = delivery->n_copies;
}

/* Make the handles of a message. The receiver has been charged for them. */
static int bus1_delivery_add_handles(struct bus1_delivery *delivery, const struct bus1_peer *sender,
				     struct bus1_node **transfers)
{
	struct bus1_peer *receiver = delivery->entry.peer;
	size_t n = delivery->n_handles, n_copies = delivery->n_copies, i;

	for (i = 0; i < n; i++) {
		bool copied = bus1_node_is_foreign(transfers[i], sender);

		delivery->handles[i] = bus1_handle_new(receiver, transfers[i], copied);
		if (!delivery->handles[i]) {
			bus1_uncharge_objects(&receiver->usage, n - i, n_copies);
			while (++i < n)
				delivery->handles[i] = NULL;
			return -ENOMEM;
		}
		n_copies -= copied;
	}
	return 0;
}

/**
 * bus1_delivery_new() - make the delivery for one recipient, and charge the recipient
 * @sender:		sender
 * @node:		destination; NULL for a seed, which the sender keeps
 * @payload:		payload of the message
 * @transfers:		nodes of the handles that the message carries
 * @n_transfers:	number of @transfers
 *
 * Apart from the charge, the delivery has no effect before it is linked and committed.
 *
 * Return: the delivery; ERR_PTR(-EDQUOT), ERR_PTR(-ENOMEM).
 */
struct bus1_delivery *bus1_delivery_new(struct bus1_peer *sender, struct bus1_node *node,
					struct bus1_payload *payload, struct bus1_node **transfers,
					size_t n_transfers)
{
	struct bus1_peer *receiver = node ? node->owner : sender;
	u64 amount[_BUS1_SUM_N_MESSAGE];
	struct bus1_delivery *delivery;
	size_t i;
	int r;

	delivery = bus1_delivery_alloc(payload, n_transfers);
	if (!delivery)
		return ERR_PTR(-ENOMEM);

	bus1_queue_entry_init(&delivery->entry, BUS1_ENTRY_MESSAGE, receiver);
	delivery->n_handles = n_transfers;
	delivery->n_copies = 0;
	for (i = 0; i < n_transfers; i++)
		delivery->n_copies += bus1_node_is_foreign(transfers[i], sender);
	bus1_delivery_amount(delivery, amount);
	r = bus1_charge(&receiver->usage, &sender->usage, amount, &delivery->share);
	if (r < 0) {
		bus1_delivery_dealloc(delivery);
		return ERR_PTR(r);
	}
	delivery->charged = true;
	delivery->node = node ? bus1_node_ref(node) : NULL;
	payload->account = sender->usage.account->uid;

	if (n_transfers > 0 && bus1_delivery_add_handles(delivery, sender, transfers) < 0) {
		bus1_delivery_free(delivery);
		return ERR_PTR(-ENOMEM);
	}
	return delivery;
}

/**
 * bus1_delivery_uncharge() - end the charge of the receiver, except for the handles
 * @delivery:	message, which may be uncharged already
 * @keep:	the receiver stays charged for one message, and the caller must end that charge
 *
 * What the message took from the sender's share is free again. Each handle stays charged while it
 * exists.
 *
 * Return: whether the receiver is charged for one message now because of @keep.
 */
bool bus1_delivery_uncharge(struct bus1_delivery *delivery, bool keep)
{
	const u64 kept[_BUS1_SUM_N_MESSAGE] = {
		[BUS1_RESOURCE_OBJECTS] = delivery->n_handles,
		[BUS1_RESOURCE_MESSAGES] = keep,
		[BUS1_SUM_COPIES] = delivery->n_copies,
	};
	u64 amount[_BUS1_SUM_N_MESSAGE];

	if (!delivery->charged)
		return false;
	delivery->charged = false;

	bus1_delivery_amount(delivery, amount);
	bus1_uncharge_message(&delivery->entry.peer->usage, delivery->share, amount, kept);
	return keep;
}

/* Free a delivery, or NULL. The handles that it still owns must not be linked. */
void bus1_delivery_free(struct bus1_delivery *delivery)
{
	size_t i;

	if (!delivery)
		return;

	bus1_delivery_uncharge(delivery, false);
	for (i = 0; i < delivery->n_handles; i++)
		bus1_handle_unref(delivery->handles[i]);
	bus1_node_unref(delivery->node);
	bus1_delivery_dealloc(delivery);
}

/**
 * bus1_delivery_link() - link the handles of a message to their nodes
 * @delivery:	message that is about to be committed
 *
 * A handle whose node is dead is not received, but the message is. The sender gets a notification
 * for its own handle of this node, unless the sender's handle ends before.
 */
void bus1_delivery_link(struct bus1_delivery *delivery)
{
	size_t i;

	for (i = 0; i < delivery->n_handles; i++) {
		if (!bus1_handle_link(delivery->handles[i]))
			delivery->handles[i]->object.state = BUS1_OBJECT_GONE;
	}
}
