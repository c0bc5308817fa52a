/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_COMMIT_H
#define __BUS1_COMMIT_H

/*
 * Committing transactions and dropping entries
 *
 * tx.h puts the entries of a transaction on their queues. It knows nothing of what an entry is part
 * of. This floor does: when a receiver is disconnected, or is not to see an entry any more, the
 * entry is dropped. Dropping a message releases the handles that it carries. When one of them was
 * the last handle of its node, a new notification goes to the owner of that node:
 *
 *	transaction ---> bus1_tx_place() ---> queues
 *	     ^                  |
 *	     |                  v
 *	notifications <--- dropped entries
 *
 * So committing is a loop. It ends because each round drops entries that existed before, and
 * only notifications are added, which carry nothing.
 */

#include "tx.h"

void bus1_entry_drop(struct bus1_queue_entry *entry, struct bus1_tx *tx);
void bus1_tx_drop(struct bus1_tx *tx, struct bus1_entries *entries);

/**
 * bus1_tx_commit() - let a transaction happen
 * @tx:		transaction; empty afterwards
 *
 * Cannot fail. Entries for disconnected peers are dropped. The notifications that this causes are
 * committed as well before this returns.
 */
static inline void bus1_tx_commit(struct bus1_tx *tx)
{
	struct bus1_entries dropped;

	bus1_entries_init(&dropped);
	while (tx->entries.first) {
		bus1_tx_place(tx, &dropped);
		if (dropped.first)
			bus1_tx_drop(tx, &dropped);
	}
}

#endif /* __BUS1_COMMIT_H */
