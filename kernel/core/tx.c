// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transactions, see tx.h
 */

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/sched.h>
#include "invariant.h"
#include "peer.h"
#include "tx.h"

void bus1_tx_init(struct bus1_tx *tx, struct bus1_peer *sender)
{
	tx->sender = sender;
	INIT_LIST_HEAD(&tx->entries);
}

/**
 * bus1_tx_add() - add an entry to a transaction
 * @tx:		transaction
 * @entry:	entry that is in no queue. The transaction takes over the message, or the caller's
 *		reference to the node or handle of a notification.
 */
void bus1_tx_add(struct bus1_tx *tx, struct bus1_queue_entry *entry)
{
	bus1_invariant("told-once", list_empty(&entry->link) && entry->timestamp == 0);
	list_add_tail(&entry->link, &tx->entries);
}

/*
 * Place the only entry of a transaction, as most transactions have only one. It is not staged: its
 * queue chooses a timestamp that is greater than the clocks of the sender and of the queue.
 */
static void bus1_tx_place_one(struct bus1_tx *tx, struct list_head *dropped)
{
	struct bus1_queue_entry *entry = bus1_entries_take(&tx->entries);
	struct bus1_queue *own = &tx->sender->queue;
	u64 timestamp;

	entry->index = 0;
	timestamp = bus1_queue_push(&entry->peer->queue, entry, tx->sender->number,
				    bus1_queue_sync(own, 0));
	if (timestamp)
		bus1_queue_sync(own, timestamp);
	else
		list_add_tail(&entry->link, dropped);
}

/* Stage all entries. Return: the least final timestamp that the sender and all queues accept. */
static u64 bus1_tx_stage(struct bus1_tx *tx, struct bus1_staging *staging)
{
	struct bus1_queue_entry *entry;
	u64 timestamp;
	u32 index = 0;

	/* The transaction must be later than everything that the sender has sent or received. */
	timestamp = bus1_queue_sync(&tx->sender->queue, 0) + 2;
	list_for_each_entry(entry, &staging->entries, link) {
		entry->index = index++;
		timestamp = max_t(u64, timestamp,
				  bus1_queue_stage(&entry->peer->queue, entry, staging));
		cond_resched();
	}
	return timestamp;
}

/*
 * The first entry that is not final yet, of a decided transaction; or NULL. @ret_receiver is set to
 * the receiver of the entry, with a reference.
 */
static struct bus1_queue_entry *bus1_tx_next(struct bus1_staging *staging,
					     struct bus1_peer **ret_receiver)
{
	struct bus1_queue_entry *entry;

	spin_lock(&staging->lock);
	entry = list_first_entry_or_null(&staging->entries, struct bus1_queue_entry, link);
	if (entry)
		*ret_receiver = bus1_peer_ref(entry->peer);
	spin_unlock(&staging->lock);
	return entry;
}

static void bus1_tx_place_many(struct bus1_tx *tx, struct list_head *dropped)
{
	struct bus1_queue_entry *entry;
	struct bus1_staging staging;
	struct bus1_peer *receiver;
	u64 timestamp;

	bus1_staging_init(&staging, tx->sender->number, &tx->entries);
	timestamp = bus1_staging_decide(&staging, bus1_tx_stage(tx, &staging));
	bus1_queue_sync(&tx->sender->queue, timestamp);

	while ((entry = bus1_tx_next(&staging, &receiver))) {
		if (!bus1_queue_commit(&receiver->queue, entry, &staging))
			list_add_tail(&entry->link, dropped);
		bus1_peer_unref(receiver);
		cond_resched();
	}
}

/**
 * bus1_tx_place() - put the entries of a transaction on their queues
 * @tx:		transaction with at least one entry; empty afterwards
 * @dropped:	entries for disconnected receivers are added; they are in no queue
 */
void bus1_tx_place(struct bus1_tx *tx, struct list_head *dropped)
{
	if (list_is_singular(&tx->entries))
		bus1_tx_place_one(tx, dropped);
	else
		bus1_tx_place_many(tx, dropped);
}
