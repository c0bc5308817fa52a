/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_MESSAGE_H
#define __BUS1_MESSAGE_H

/*
 * Messages
 *
 * What a sender sends is one payload, shared by all recipients. Each recipient gets a delivery of
 * its own: the payload, the node it arrives on, the handles that come with it, and what it is
 * charged. In front of a payload is room for one delivery without handles: most messages are that,
 * and so take one allocation.
 */

#include "acct.h"
#include "core.h"
#include "queue.h"

struct bus1_handle;
struct bus1_node;
struct bus1_tx;

/**
 * struct bus1_delivery - a message to one node
 * @entry:	link in the owner's queue
 * @node:	destination; pinned. NULL for the seed of a peer of 2016.
 * @payload:	what all recipients share
 * @account:	user of the sender
 * @charge:	what the receiver is charged
 * @n_handles:	number of handles
 * @handles:	handles of the receiver, in flight. The delivery owns them until it is received.
 */
struct bus1_delivery {
	struct bus1_queue_entry entry;
	struct bus1_node *node;
	struct bus1_payload *payload;
	kuid_t account;
	struct bus1_charge charge;
	size_t n_handles;
	struct bus1_handle *handles[];
};

struct bus1_delivery *bus1_delivery_new(struct bus1_peer *sender, struct bus1_node *node,
					struct bus1_payload *payload, struct bus1_node **transfers,
					size_t n_transfers);
struct bus1_delivery *bus1_delivery_free(struct bus1_delivery *delivery);
struct bus1_delivery *bus1_delivery_from_entry(struct bus1_queue_entry *entry);
void bus1_delivery_link(struct bus1_delivery *delivery);

void bus1_entry_drop(struct bus1_queue_entry *entry, struct bus1_tx *tx);

#endif /* __BUS1_MESSAGE_H */
