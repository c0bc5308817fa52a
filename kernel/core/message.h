/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_MESSAGE_H
#define __BUS1_MESSAGE_H

/*
 * Messages
 *
 * A message has one payload, which all recipients share. Each recipient gets a delivery of its own:
 * a reference to the payload, the node that the message arrives on, the handles that come with it,
 * and the charge. The memory of a payload begins with room for one delivery without handles, so
 * that most messages take one allocation:
 *
 *	[delivery | payload, files, data]  <--- delivery, delivery ...	(the other recipients)
 *
 * The allocator rounds most sizes up to powers of two. So data of 4 KiB, together with what is
 * before it, would take 8 KiB. The data gets an allocation of its own if that saves at least
 * BUS1_APART_MIN bytes.
 */

#include <linux/container_of.h>
#include "acct.h"
#include "core.h"
#include "queue.h"

struct bus1_handle;
struct bus1_node;

/* A second allocation costs about as much as zeroing this many bytes. */
#define BUS1_APART_MIN 1024

/**
 * bus1_payload_is_apart() - decide whether the data of a payload is an allocation of its own
 * @head:	bytes before the data
 * @n_data:	bytes of data, at most BUS1_MAX_DATA
 */
static inline bool bus1_payload_is_apart(size_t head, size_t n_data)
{
	return n_data > BUS1_APART_MIN &&
	       bus1_allocated(head) + bus1_allocated(n_data) + BUS1_APART_MIN <=
		       bus1_allocated(head + n_data);
}

/* The memory that a payload takes, in one allocation or two. */
static inline size_t bus1_payload_allocated(size_t head, size_t n_data)
{
	return bus1_payload_is_apart(head, n_data) ? bus1_allocated(head) + bus1_allocated(n_data)
						   : bus1_allocated(head + n_data);
}

/**
 * struct bus1_delivery - a message to one node
 * @entry:	entry in the receiver's queue
 * @node:	destination; referenced. NULL for the seed of a peer of 2016.
 * @payload:	the part that all recipients share; referenced
 * @share:	the sender's share of the receiver's account; NULL when they have the same account
 * @n_handles:	number of @handles
 * @n_copies:	number of those that count as BUS1_SUM_COPIES
 * @charged:	the receiver is charged for the message
 * @handles:	handles of the receiver, in flight. The delivery owns them until it is received. An
 *		entry is NULL when the receiver has taken the handle.
 *
 * A multicast makes many deliveries, so the structure is small (104 bytes on 64-bit kernels).
 */
struct bus1_delivery {
	struct bus1_queue_entry entry;
	struct bus1_node *node;
	struct bus1_payload *payload;
	struct bus1_share *share;
	u16 n_handles;
	u16 n_copies;
	bool charged;
	struct bus1_handle *handles[];
};

static inline struct bus1_delivery *bus1_delivery_from_entry(struct bus1_queue_entry *entry)
{
	return container_of(entry, struct bus1_delivery, entry);
}

struct bus1_delivery *bus1_delivery_new(struct bus1_peer *sender, struct bus1_node *node,
					struct bus1_payload *payload, struct bus1_node **transfers,
					size_t n_transfers);
bool bus1_delivery_uncharge(struct bus1_delivery *delivery, bool keep);
void bus1_delivery_free(struct bus1_delivery *delivery);
void bus1_delivery_link(struct bus1_delivery *delivery);

#endif /* __BUS1_MESSAGE_H */
