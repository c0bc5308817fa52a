/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_TX_H
#define __BUS1_TX_H

/*
 * Transactions
 *
 * A transaction is a set of messages and notifications. All of them happen at one point of an order
 * on which all peers agree. A single entry is placed on its queue in one step. Several entries are
 * placed on their queues in three steps:
 *
 *  stage:  Put every entry on its queue, one after the other. Each queue says which final timestamp
 *          it accepts at least: its clock plus 2.
 *  decide: The final timestamp is the greatest of these, or greater: it is greater than the clock
 *          of the sender, and receivers may have delayed it. The decision is one atomic step. From
 *          now on the transaction has happened.
 *  commit: Give every entry the final timestamp, one queue after the other.
 *
 * For example, a sender whose clock is at 4 sends to the queues A, B and C. A question mark shows
 * that an entry is staged:
 *
 *		clock	stage			decide		commit
 *	A	10	entry 11?, at least 12			clock 22, entry 22
 *	B	20	entry 21?, at least 22			clock 22, entry 22
 *	C	2	entry 3?, at least 4			clock 22, entry 22
 *					-> timestamp 22		in any order
 *
 * A sender can be stopped between any two steps, for any time. Nobody waits for it:
 *
 *  - Before the decision, a receiver whose next final entry is behind the staged one delays the
 *    transaction, and receives the final entry. The queue now accepts only later final timestamps
 *    for the transaction.
 *  - After the decision, a receiver makes the staged entry final itself. Other senders need only
 *    the final timestamp, which they find in the staged entry's transaction.
 *
 * The sender does not wait for anybody either: delays make its timestamp greater, and do not cost
 * it a step.
 *
 * This is one global order. When two transactions have two receivers in common, both queues compare
 * the same values: timestamp and number of the transaction. Each receiver receives in the order of
 * these values, unless it uses a filter. A transaction that is decided after a receive from one of
 * its queues gets a greater timestamp than the received entry: either its entry was staged with a
 * greater timestamp, or the receive has delayed it.
 *
 * The order is also causal. Nobody receives any part of a transaction before its decision. After
 * the decision, whoever adds an entry to one of its queues finds its staged entry decided, and
 * first advances the clock of the queue to its timestamp. So a response gets a greater timestamp
 * than the transaction on each of these queues, even if a receiver told the responder about the
 * message by other means than bus1.
 *
 * The causal order holds for what peers receive, and for commands that have returned. But the end
 * of a node or peer can be seen earlier, while the transaction with the notifications is not
 * decided yet: for example, a send finds the node dead, or a transferred handle comes with a
 * notification at once. A message that tells of this can arrive before the receiver's own
 * notification. The reason is that a node dies under its own lock, and only then it is known who
 * has to be notified.
 */

#include "queue.h"

struct bus1_peer;

/**
 * struct bus1_tx - a transaction that is being put together
 * @sender:	peer whose operation this is. The number of the peer is also the number of the
 *		transaction, because transactions of one peer never have equal timestamps.
 * @entries:	entries that are not placed yet, by @link
 */
struct bus1_tx {
	struct bus1_peer *sender;
	struct list_head entries;
};

void bus1_tx_init(struct bus1_tx *tx, struct bus1_peer *sender);
void bus1_tx_add(struct bus1_tx *tx, struct bus1_queue_entry *entry);
void bus1_tx_place(struct bus1_tx *tx, struct list_head *dropped);

#endif /* __BUS1_TX_H */
