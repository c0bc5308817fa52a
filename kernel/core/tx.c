// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transactions, see tx.h
 */

#include <linux/kernel.h>
#include <linux/sched.h>
#include "invariant.h"
#include "peer.h"
#include "tx.h"

void bus1_tx_init(struct bus1_tx *tx, struct bus1_peer *sender)
{
	tx->sender = sender;
	bus1_entries_init(&tx->entries);
}

/**
 * bus1_tx_add() - add an entry to a transaction
 * @tx:		transaction
 * @entry:	entry that is in no queue. The transaction takes over the caller's reference to it.
 */
void bus1_tx_add(struct bus1_tx *tx, struct bus1_queue_entry *entry)
{
	bus1_invariant("told-once", entry->next == entry && RB_EMPTY_NODE(&entry->rb));
	bus1_entries_add(&tx->entries, entry);
}

/* Most transactions have one entry: its queue alone decides the timestamp. */
static void bus1_tx_place_one(struct bus1_tx *tx, struct bus1_entries *dropped)
{
	struct bus1_queue_entry *entry = bus1_entries_take(&tx->entries);
	struct bus1_queue *own = &tx->sender->queue;
	u64 timestamp;

	entry->tx = (unsigned long)tx;
	timestamp = bus1_queue_push(&entry->peer->queue, entry, bus1_queue_sync(own, 0));
	if (timestamp)
		bus1_queue_sync(own, timestamp);
	else
		bus1_entries_add(dropped, entry);
}

static void bus1_tx_place_many(struct bus1_tx *tx, struct bus1_entries *dropped)
{
	struct bus1_queue *own = &tx->sender->queue;
	struct bus1_queue_entry *entry;
	u64 timestamp;

	/* The transaction must be later than everything that the sender has sent or received. */
	timestamp = bus1_queue_sync(own, 0) + 2;
	for (entry = tx->entries.first; entry; entry = entry->next) {
		entry->tx = (unsigned long)tx;
		timestamp = max_t(u64, timestamp, bus1_queue_stage(&entry->peer->queue, entry));
		cond_resched();
	}

	bus1_queue_sync(own, timestamp);
	for (entry = tx->entries.first; entry; entry = entry->next) {
		/* Staging has already advanced the clock of this queue to the timestamp. */
		if (entry->timestamp + 1 == timestamp)
			continue;
		bus1_queue_sync(&entry->peer->queue, timestamp);
		cond_resched();
	}

	/* The receiver owns an entry once it is committed. */
	while ((entry = bus1_entries_take(&tx->entries))) {
		if (!bus1_queue_commit(&entry->peer->queue, entry, timestamp))
			bus1_entries_add(dropped, entry);
		cond_resched();
	}
}

/**
 * bus1_tx_place() - stage, sync and commit the entries of a transaction
 * @tx:		transaction with at least one entry; empty afterwards
 * @dropped:	entries for disconnected receivers are added; they are in no queue
 */
void bus1_tx_place(struct bus1_tx *tx, struct bus1_entries *dropped)
{
	if (!tx->entries.first->next)
		bus1_tx_place_one(tx, dropped);
	else
		bus1_tx_place_many(tx, dropped);
}
