/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_COMMIT_H
#define __BUS1_COMMIT_H

/*
 * Committing transactions and dropping entries
 *
 * The functions of tx.h put the entries of a transaction on their queues. They do not deal with
 * messages, nodes and handles; the functions of this file do. They drop an entry when its receiver
 * is disconnected, or shall not see the entry any more. Dropping a message releases the handles
 * that it carries. When one of them was the last handle of its node, a new notification goes to the
 * owner of this node:
 *
 *	transaction ---> bus1_tx_place() ---> queues
 *	     ^                  |
 *	     |                  v
 *	notifications <--- dropped entries
 *
 * So committing is a loop. It ends because only notifications are added, and dropping a
 * notification adds nothing.
 */

#include "message.h"
#include "tx.h"

void bus1_entry_drop(struct bus1_queue_entry *entry, struct bus1_tx *tx);
void bus1_tx_drop(struct bus1_tx *tx, struct list_head *entries);

/* Add a message to a transaction. Its handles are linked to their nodes. */
static inline void bus1_tx_add_delivery(struct bus1_tx *tx, struct bus1_delivery *delivery)
{
	bus1_delivery_link(delivery);
	bus1_tx_add(tx, &delivery->entry);
}

/**
 * bus1_tx_commit() - commit a transaction
 * @tx:		transaction; empty afterwards
 *
 * Cannot fail. Entries for disconnected peers are dropped. The notifications that dropping them
 * causes are also committed before this function returns.
 */
static inline void bus1_tx_commit(struct bus1_tx *tx)
{
	LIST_HEAD(dropped);

	while (!list_empty(&tx->entries)) {
		bus1_tx_place(tx, &dropped);
		bus1_tx_drop(tx, &dropped);
	}
}

#endif /* __BUS1_COMMIT_H */
