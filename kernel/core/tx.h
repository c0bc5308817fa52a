/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_TX_H
#define __BUS1_TX_H

/*
 * Transactions
 *
 * A transaction is a set of messages and notifications. All of them happen at one point of an order
 * on which all peers agree. The entries are placed on the queues in three steps. Each step visits
 * the queues one by one:
 *
 *  stage:  Put every entry on its queue, and advance the clock of that queue. The staged entry
 *          blocks the queue behind it. The final timestamp is the greatest of these clocks and the
 *          clock of the sender.
 *  sync:   Advance every clock to the final timestamp.
 *  commit: Give every entry the final timestamp. It does not block its queue any more.
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
 * Between stage and commit no entry behind the staged one can be received from that queue. Only the
 * receivers of the transaction wait.
 *
 * This is one global order. When two transactions have two receivers in common, both queues compare
 * the same values: timestamp and transaction. A staged timestamp is less than the final one, so an
 * entry that may still turn out to be earlier blocks the later ones.
 *
 * The order is also causal. Nobody can see any part of a transaction before the clocks of all its
 * receivers have reached its timestamp. So a response gets a greater timestamp on each of these
 * queues, even if a receiver told the responder about the message by other means than bus1.
 */

#include "queue.h"

struct bus1_peer;

/**
 * struct bus1_tx - a transaction that is being put together
 * @sender:	peer whose operation this is
 * @entries:	entries that are not placed yet
 */
struct bus1_tx {
	struct bus1_peer *sender;
	struct bus1_entries entries;
};

void bus1_tx_init(struct bus1_tx *tx, struct bus1_peer *sender);
void bus1_tx_add(struct bus1_tx *tx, struct bus1_queue_entry *entry);
void bus1_tx_place(struct bus1_tx *tx, struct bus1_entries *dropped);

#endif /* __BUS1_TX_H */
