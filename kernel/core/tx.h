/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_TX_H
#define __BUS1_TX_H

/*
 * Transactions
 *
 * A transaction is a set of messages and notifications that all happen at one point of an order on
 * which all peers agree. It is placed on the queues in three steps. Each visits the queues one by
 * one:
 *
 *  stage:  put every entry on its queue, which blocks the queue behind it, and advance that queue's
 *          clock. The final timestamp is the greatest of these clocks and the sender's.
 *  sync:   advance every clock to the final timestamp; those that gave it are there already.
 *  commit: give every entry the final timestamp and unblock.
 *
 * For example, a sender whose clock is at 4 sends to the queues A, B and C. "n?" is a staged
 * entry, n its final timestamp:
 *
 *		clock	stage			sync		commit
 *	A	10	clock 12, entry 11?	clock 22	entry 22
 *	B	20	clock 22, entry 21?	clock 22	entry 22
 *	C	2	clock 4, entry 3?	clock 22	entry 22
 *			-> timestamp 22				in any order
 *
 * Between stage and commit nothing behind the staged entry can be received from that queue.
 *
 * Why this is one global order: two transactions with two receivers in common are compared by the
 * same values, timestamp and transaction, on both; and neither queue lets anything pass an entry
 * that may still turn out to be earlier, as staged timestamps are lower bounds. Why it is causal:
 * nothing of a transaction can be seen before the clocks of all its receivers have passed its
 * timestamp. Any response to it gets a greater timestamp on each of these queues, also when a
 * receiver told the responder by other means than bus1. Only the receivers of a message wait while
 * it is staged.
 */

#include "queue.h"

struct bus1_peer;

/**
 * struct bus1_tx - transaction in the making
 * @sender:	peer whose operation this is
 * @entries:	its entries
 */
struct bus1_tx {
	struct bus1_peer *sender;
	struct bus1_entries entries;
};

void bus1_tx_init(struct bus1_tx *tx, struct bus1_peer *sender);
void bus1_tx_add(struct bus1_tx *tx, struct bus1_queue_entry *entry);
void bus1_tx_place(struct bus1_tx *tx, struct bus1_entries *dropped);

#endif /* __BUS1_TX_H */
