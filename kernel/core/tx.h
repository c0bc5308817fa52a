/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_TX_H
#define __BUS1_TX_H

/*
 * Transactions
 *
 * A transaction is a set of messages and notifications that happen at one point of the order that
 * all peers agree on. It is committed in three steps, each of which visits the queues one by one:
 *
 *  stage:  put every entry on its queue, which blocks the queue behind it, and advance that queue's
 *          clock. The final timestamp is the greatest of these clocks and the sender's.
 *  sync:   advance every clock to the final timestamp; those that gave it are there already.
 *  commit: give every entry the final timestamp and unblock.
 *
 * Why this is one global order: two transactions with two receivers in common are compared by the
 * same values, timestamp and transaction, on both; and neither queue lets anything pass an entry
 * that may still turn out to be earlier, as staged timestamps are lower bounds. Why it is causal:
 * nothing of a transaction can be seen before the clocks of all its receivers have passed its
 * timestamp. Whatever is done in response, and be it told by other means than bus1, gets a greater
 * one on each of these queues. Nobody ever waits for anybody but the receivers of the very message
 * that is being staged.
 */

#include "queue.h"

struct bus1_peer;

/**
 * struct bus1_tx - transaction in the making
 * @sender:	peer whose operation this is
 * @entries:	what it consists of
 */
struct bus1_tx {
	struct bus1_peer *sender;
	struct bus1_entries entries;
};

void bus1_tx_init(struct bus1_tx *tx, struct bus1_peer *sender);
void bus1_tx_add(struct bus1_tx *tx, struct bus1_queue_entry *entry);
void bus1_tx_place(struct bus1_tx *tx, struct bus1_entries *dropped);

#endif /* __BUS1_TX_H */
