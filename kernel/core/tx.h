/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_TX_H
#define __BUS1_TX_H

/*
 * Transactions
 *
 * A transaction is a set of messages and notifications. All of them happen at one point of an order
 * on which all peers agree. The entries are placed on the queues in three steps:
 *
 *  stage:  Put every entry on its queue, one queue after the other. Each queue says which final
 *          timestamp it accepts at least: the next one of its clock.
 *  decide: The final timestamp is the greatest of these, and greater than the clock of the sender.
 *          This is one step. From now on the transaction has happened.
 *  commit: Give every entry the final timestamp, one queue after the other.
 *
 * For example, a sender whose clock is at 4 sends to the queues A, B and C. "n?" is a staged
 * entry, n its final timestamp:
 *
 *		clock	stage			decide		commit
 *	A	10	entry 11?, at least 12			clock 22, entry 22
 *	B	20	entry 21?, at least 22			clock 22, entry 22
 *	C	2	entry 3?, at least 4			clock 22, entry 22
 *					-> timestamp 22		in any order
 *
 * A sender can be stopped between any two steps, for any time. Nobody waits for it:
 *
 *  - Before the decision, a receiver that has an entry behind the staged one delays the
 *    transaction, and receives that entry. The queue now accepts only later final timestamps.
 *  - After the decision, a receiver makes the staged entry final itself. Other senders need only
 *    the timestamp, and find it.
 *
 * The sender does not wait for anybody either: delays make its timestamp greater, and do not cost
 * it a step.
 *
 * This is one global order. When two transactions have two receivers in common, both queues compare
 * the same values: timestamp and number of the transaction. Each receiver receives by these values.
 * A transaction that is decided after a receive gets a greater timestamp than the entry that
 * was received, because either it was staged later, or the receive has delayed it.
 *
 * The order is also causal. Nobody receives any part of a transaction before its decision. After
 * it, each operation on one of its queues finds the staged entry decided, and advances the clock to
 * its timestamp first. So a response gets a greater timestamp on each of these queues, even if a
 * receiver told the responder about the message by other means than bus1.
 *
 * This is true of what peers receive, and of commands that have returned. The end of a node or peer
 * can show itself earlier, while the transaction with the notifications is not decided yet: a send
 * fails, or a handle that is copied comes with its notification. A message that speaks of this can
 * arrive before the receiver's own notification. The reason is that a node dies under its own lock,
 * and who is to be notified is known only then.
 */

#include "queue.h"

struct bus1_peer;

/**
 * struct bus1_tx - a transaction that is being put together
 * @sender:	peer whose operation this is. Its number is the number of the transaction: the
 *		transactions of one peer never have equal timestamps.
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
