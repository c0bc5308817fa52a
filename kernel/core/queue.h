/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_QUEUE_H
#define __BUS1_QUEUE_H

/*
 * Queues
 *
 * The queue of a peer holds entries: the messages and notifications that the peer has not received
 * yet. Each queue has its own Lamport clock. There is no lock or counter that all queues share.
 * tx.h explains where timestamps come from.
 *
 *	staged:	entry 13?  entry 17?		no order; the final timestamp will be greater
 *			   entry 17?		of the same transaction as the one above it
 *	final:	entry 10   entry 12   entry 14	in the order of their timestamps
 *
 * A queue guarantees:
 *
 *  - An odd timestamp marks a staged entry. Final timestamps are even.
 *  - The clock is never behind a final timestamp that is or was in the queue. New entries get
 *    timestamps greater than the clock.
 *  - Nothing waits for a staged entry. To receive the first final entry, a receiver delays the
 *    transactions that are not decided yet and could still come before this entry: their final
 *    timestamps will be greater than the clock. So entries are received in the order of their final
 *    timestamps. (A receive with a struct bus1_recv_filter leaves out other entries.)
 *  - Before an entry is added, the clock is advanced to the final timestamps of the transactions
 *    that are decided and have an entry staged here. Such a staged entry becomes final when its
 *    sender commits it, or earlier, when a receiver needs it.
 *  - The staged entries of one transaction are one group. An operation may have to search all
 *    groups. The cost of this search depends on the number of transactions under way, and not on
 *    the number of their entries. In the kernel, a transaction with several entries is under way
 *    only while its thread runs, or is preempted: a thread does not sleep or stop inside of one. So
 *    a user can slow down a queue only in proportion to the number of the user's threads that are
 *    ready to run, and limits of the number of processes bound that.
 *    test/vm/test-attack-crowd.c measures how much a user can slow down a queue.
 *  - An entry whose transaction is decided can be received at once, and makes the queue readable.
 *    But the receiver is woken for the entry only when the sender, or a receive, makes the entry
 *    final. So a receiver that sleeps may receive the entry as late as if the sender had been
 *    stopped before the decision. If another entry wakes the receiver earlier, the receiver
 *    receives both in the order of their timestamps.
 *  - Entries with equal timestamps are ordered by the number of their transaction, which is the
 *    same on all queues. Entries of one transaction have the order in which they were staged.
 */

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct bus1_peer;
struct bus1_staging;

enum bus1_entry_type {
	BUS1_ENTRY_MESSAGE,	   /* part of a struct bus1_delivery */
	BUS1_ENTRY_NODE_RELEASE,   /* part of the struct bus1_handle whose node has gone */
	BUS1_ENTRY_HANDLE_RELEASE, /* part of the struct bus1_node that has died */
	BUS1_ENTRY_NODE_IDLE,	   /* part of the last handle of a node; only on peers of 2016 */
};

/**
 * struct bus1_queue_entry - a message or notification to be received
 * @rb:		link in the queue while the entry is final
 * @staged:	in the first staged entry of a group: link in the queue; in the other staged
 *		entries: empty
 * @group:	while the entry is staged: the next entry of its group, or NULL
 * @link:	link in a transaction until the entry is final, or in a list of entries to drop;
 *		in a handle that is not used as an entry yet: link in the node's list of handles.
 *		Else empty.
 * @peer:	receiver. It is not freed before the object that contains the entry.
 * @timestamp:	see above; 0 when the entry is in no queue
 * @staging:	its transaction while the entry is staged
 * @tx:		number of its transaction once the entry is final
 * @index:	position in its transaction
 * @type:	says which object contains the entry
 */
struct bus1_queue_entry {
	union {
		struct rb_node rb;
		struct {
			struct list_head staged;
			struct bus1_queue_entry *group;
		};
	};
	struct list_head link;
	struct bus1_peer *peer;
	u64 timestamp;
	union {
		struct bus1_staging *staging;
		unsigned long tx;
	};
	u32 index;
	enum bus1_entry_type type;
};

static inline void bus1_queue_entry_init(struct bus1_queue_entry *entry, enum bus1_entry_type type,
					 struct bus1_peer *peer)
{
	INIT_LIST_HEAD(&entry->link);
	entry->peer = peer;
	entry->timestamp = 0;
	entry->tx = 0;
	entry->index = 0;
	entry->type = type;
}

static inline struct bus1_queue_entry *bus1_queue_entry_from_rb(struct rb_node *rb)
{
	return rb_entry(rb, struct bus1_queue_entry, rb);
}

/* The order of a queue. */
static inline bool bus1_queue_entry_before(const struct bus1_queue_entry *a,
					   const struct bus1_queue_entry *b)
{
	if (a->timestamp != b->timestamp)
		return a->timestamp < b->timestamp;
	return a->tx != b->tx ? a->tx < b->tx : a->index < b->index;
}

/* Take the first entry out of a list. Returns NULL when the list is empty. */
static inline struct bus1_queue_entry *bus1_entries_take(struct list_head *entries)
{
	struct bus1_queue_entry *entry;

	entry = list_first_entry_or_null(entries, struct bus1_queue_entry, link);
	if (entry)
		list_del_init(&entry->link);
	return entry;
}

/**
 * struct bus1_staging - what a transaction shares with the queues on which its entries are staged
 * @lock:	protects @entries, @least and @final. The innermost lock.
 * @tx:		number of the transaction; does not change
 * @entries:	the entries of the transaction that are not final yet, by @link
 * @least:	the final timestamp must not be less
 * @final:	the final timestamp; 0 until it is decided. It never changes after that, and may be
 *		read without the lock.
 *
 * The structure is on the stack of the sender's thread, which must not return from the function
 * before @entries is empty. A queue may use the structure while it has a staged entry of this
 * transaction.
 */
struct bus1_staging {
	spinlock_t lock;
	unsigned long tx;
	struct list_head entries;
	u64 least;
	u64 final;
};

/**
 * struct bus1_queue - the entries that a peer has not received yet
 * @lock:	protects this structure, and the fields of its entries except @link
 * @entries:	final entries by timestamp, transaction and index
 * @staged:	the first staged entry of each transaction
 * @clock:	Lamport clock, always even
 * @received:	timestamp of the entry that was removed from the front last
 * @n_entries:	number of entries, final and staged
 * @n_arrived:	number of entries that ever became final, plus calls of bus1_queue_touch()
 * @sealed:	no entries can be added any more
 * @wake:	called with @lock held when entries become final, or the queue is sealed; may be
 *		NULL
 * @peer:	owner of the queue
 * @data:	passed to @wake
 */
struct bus1_queue {
	spinlock_t lock;
	struct rb_root_cached entries;
	struct list_head staged;
	u64 clock;
	u64 received;
	u64 n_entries;
	u64 n_arrived;
	bool sealed;
	void (*wake)(struct bus1_peer *peer, unsigned int n, void *data);
	struct bus1_peer *peer;
	void *data;
};

void bus1_queue_init(struct bus1_queue *queue, struct bus1_peer *peer,
		     void (*wake)(struct bus1_peer *peer, unsigned int n, void *data), void *data);

void bus1_staging_init(struct bus1_staging *staging, unsigned long tx, struct list_head *entries);
u64 bus1_staging_decide(struct bus1_staging *staging, u64 timestamp);

u64 bus1_queue_stage(struct bus1_queue *queue, struct bus1_queue_entry *entry,
		     struct bus1_staging *staging);
u64 bus1_queue_sync(struct bus1_queue *queue, u64 timestamp);
bool bus1_queue_commit(struct bus1_queue *queue, struct bus1_queue_entry *entry,
		       struct bus1_staging *staging);
u64 bus1_queue_push(struct bus1_queue *queue, struct bus1_queue_entry *entry, unsigned long tx,
		    u64 timestamp);

struct bus1_queue_entry *bus1_queue_peek(struct bus1_queue *queue);
u64 bus1_queue_cut(struct bus1_queue *queue, u64 *ret_n_arrived);
struct bus1_queue_entry *bus1_queue_after(struct bus1_queue *queue, u64 timestamp);
struct bus1_queue_entry *bus1_queue_next(struct bus1_queue *queue, struct bus1_queue_entry *entry);
struct bus1_queue_entry *bus1_queue_next_of_tx(struct bus1_queue *queue,
					       struct bus1_queue_entry *entry);
struct bus1_queue_entry *bus1_queue_remove(struct bus1_queue *queue,
					   struct bus1_queue_entry *entry);
void bus1_queue_seal(struct bus1_queue *queue, const struct bus1_queue_entry *except,
		     struct list_head *entries);

bool bus1_queue_is_readable(struct bus1_queue *queue, bool *ret_sealed);
u64 bus1_queue_count(struct bus1_queue *queue);
bool bus1_queue_has_changed(struct bus1_queue *queue, u64 n_arrived);
void bus1_queue_touch(struct bus1_queue *queue);

#endif /* __BUS1_QUEUE_H */
