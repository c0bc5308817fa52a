// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transactions, see tx.h
 */

#include <linux/kernel.h>
#include <linux/sched.h>
#include "invariant.h"
#include "message.h"
#include "peer.h"
#include "queue.h"
#include "tx.h"

void bus1_tx_init(struct bus1_tx *tx, struct bus1_peer *sender)
{
	tx->sender = sender;
	INIT_LIST_HEAD(&tx->entries);
}

/**
 * bus1_tx_add() - make an entry part of a transaction
 * @tx:		transaction
 * @entry:	entry that is in no queue, together with the reference it stands for
 */
void bus1_tx_add(struct bus1_tx *tx, struct bus1_queue_entry *entry)
{
	bus1_invariant("told-once", list_empty(&entry->link) && RB_EMPTY_NODE(&entry->rb));
	list_add_tail(&entry->link, &tx->entries);
}

/**
 * bus1_tx_drop() - drop entries, with their notifications in a transaction
 * @tx:		transaction
 * @entries:	list of entries that are in no queue
 */
void bus1_tx_drop(struct bus1_tx *tx, struct list_head *entries)
{
	struct bus1_queue_entry *entry;

	while ((entry = list_first_entry_or_null(entries, struct bus1_queue_entry, link))) {
		list_del_init(&entry->link);
		bus1_entry_drop(entry, tx);
		cond_resched();
	}
}

/* Most transactions have one entry: its queue alone decides the timestamp. */
static void bus1_tx_commit_one(struct bus1_tx *tx, struct list_head *dropped)
{
	struct bus1_queue *own = &tx->sender->queue;
	struct bus1_queue_entry *entry;
	u64 timestamp;

	entry = list_first_entry(&tx->entries, struct bus1_queue_entry, link);
	list_del_init(&entry->link);
	entry->tx = (unsigned long)tx;
	timestamp = bus1_queue_push(&entry->peer->queue, entry, bus1_queue_sync(own, 0));
	if (timestamp)
		bus1_queue_sync(own, timestamp);
	else
		list_add_tail(&entry->link, dropped);
}

static void bus1_tx_commit_many(struct bus1_tx *tx, struct list_head *dropped)
{
	struct bus1_queue *own = &tx->sender->queue;
	struct bus1_queue_entry *entry;
	u64 timestamp;

	/* Later than all that the sender has sent or received, whoever else gets this. */
	timestamp = bus1_queue_sync(own, 0) + 2;
	list_for_each_entry(entry, &tx->entries, link) {
		entry->tx = (unsigned long)tx;
		timestamp = max_t(u64, timestamp,
				  bus1_queue_stage(&entry->peer->queue, entry));
		cond_resched();
	}

	bus1_queue_sync(own, timestamp);
	list_for_each_entry(entry, &tx->entries, link) {
		bus1_queue_sync(&entry->peer->queue, timestamp);
		cond_resched();
	}

	while ((entry = list_first_entry_or_null(&tx->entries, struct bus1_queue_entry, link))) {
		/* Once committed, the entry is the receiver's. */
		list_del_init(&entry->link);
		if (!bus1_queue_commit(&entry->peer->queue, entry, timestamp))
			list_add_tail(&entry->link, dropped);
		cond_resched();
	}
}

/**
 * bus1_tx_commit() - let a transaction happen
 * @tx:		transaction; empty afterwards
 *
 * Cannot fail. What was meant for peers that are disconnected is dropped; the notifications that
 * this brings about are committed as well before this returns.
 */
void bus1_tx_commit(struct bus1_tx *tx)
{
	LIST_HEAD(dropped);

	while (!list_empty(&tx->entries)) {
		if (list_is_singular(&tx->entries))
			bus1_tx_commit_one(tx, &dropped);
		else
			bus1_tx_commit_many(tx, &dropped);
		bus1_tx_drop(tx, &dropped);
	}
}
