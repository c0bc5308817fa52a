/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_QUEUE_H
#define __BUS1_QUEUE_H

/*
 * Queues
 *
 * The queue of a peer holds entries: the messages and notifications that the peer has not received
 * yet, ordered by timestamp. Each queue has its own Lamport clock. There is no lock or counter that
 * all queues share. tx.h explains where timestamps come from. A queue guarantees:
 *
 *  - An odd timestamp marks a staged entry. Its final timestamp is not known yet, but will be
 *    greater. Final timestamps are even.
 *  - The clock is never behind the timestamp of an entry that is or was in the queue.
 *  - Only the first entry can be received, and only when it is not staged. Later entries get
 *    timestamps ahead of the clock. So entries are received in the order of their final timestamps.
 *  - Entries with equal timestamps are ordered by their transaction, which has one number on all
 *    queues. Entries of one transaction stay in the order in which they were committed.
 */

#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct bus1_peer;

enum bus1_entry_type {
	BUS1_ENTRY_MESSAGE,	   /* part of a struct bus1_delivery */
	BUS1_ENTRY_NODE_RELEASE,   /* part of the struct bus1_handle whose node has gone */
	BUS1_ENTRY_HANDLE_RELEASE, /* part of the struct bus1_node whose last handle has gone */
	BUS1_ENTRY_NODE_IDLE,	   /* part of the last handle of a node; only on peers of 2016 */
};

/**
 * struct bus1_queue_entry - a message or notification to be received
 * @rb:		link in the queue; empty when it is in no queue
 * @next:	link in a transaction that is not committed yet, or in a list of entries to drop;
 *		the entry itself when it is in neither
 * @peer:	receiver; the object that contains the entry has a reference to it
 * @timestamp:	see above
 * @tx:		number of its transaction, unique among all that are under way
 * @type:	says which object contains the entry
 */
struct bus1_queue_entry {
	struct rb_node rb;
	struct bus1_queue_entry *next;
	struct bus1_peer *peer;
	u64 timestamp;
	unsigned long tx;
	enum bus1_entry_type type;
};

static inline void bus1_queue_entry_init(struct bus1_queue_entry *entry, enum bus1_entry_type type,
					 struct bus1_peer *peer)
{
	RB_CLEAR_NODE(&entry->rb);
	entry->next = entry;
	entry->peer = peer;
	entry->timestamp = 0;
	entry->tx = 0;
	entry->type = type;
}

/**
 * struct bus1_entries - entries in the order in which they were added
 * @first:	the first entry, or NULL
 * @last:	the pointer that the next entry is linked to
 */
struct bus1_entries {
	struct bus1_queue_entry *first;
	struct bus1_queue_entry **last;
};

static inline void bus1_entries_init(struct bus1_entries *entries)
{
	entries->first = NULL;
	entries->last = &entries->first;
}

/* Append an entry that is in no list. */
static inline void bus1_entries_add(struct bus1_entries *entries, struct bus1_queue_entry *entry)
{
	entry->next = NULL;
	*entries->last = entry;
	entries->last = &entry->next;
}

/* Take out the first entry. NULL when there is none. */
static inline struct bus1_queue_entry *bus1_entries_take(struct bus1_entries *entries)
{
	struct bus1_queue_entry *entry = entries->first;

	if (!entry)
		return NULL;
	entries->first = entry->next;
	if (!entries->first)
		entries->last = &entries->first;
	entry->next = entry;
	return entry;
}

/**
 * struct bus1_queue - the entries that a peer has not received yet
 * @lock:	protects this structure, and @rb, @timestamp and @tx of entries. The innermost lock.
 * @entries:	entries by timestamp and transaction
 * @clock:	Lamport clock, always even
 * @received:	timestamp of the entry that was removed last
 * @n_entries:	number of @entries
 * @sealed:	no entries can be added any more
 * @wake:	called with @lock held when the queue becomes readable or is sealed
 * @peer:	owner of the queue
 * @data:	passed to @wake
 */
struct bus1_queue {
	spinlock_t lock;
	struct rb_root_cached entries;
	u64 clock;
	u64 received;
	u64 n_entries;
	bool sealed;
	void (*wake)(struct bus1_peer *peer, void *data);
	struct bus1_peer *peer;
	void *data;
};

void bus1_queue_init(struct bus1_queue *queue, struct bus1_peer *peer,
		     void (*wake)(struct bus1_peer *peer, void *data), void *data);

u64 bus1_queue_stage(struct bus1_queue *queue, struct bus1_queue_entry *entry);
u64 bus1_queue_sync(struct bus1_queue *queue, u64 timestamp);
bool bus1_queue_commit(struct bus1_queue *queue, struct bus1_queue_entry *entry, u64 timestamp);
u64 bus1_queue_push(struct bus1_queue *queue, struct bus1_queue_entry *entry, u64 timestamp);

struct bus1_queue_entry *bus1_queue_peek(struct bus1_queue *queue);
struct bus1_queue_entry *bus1_queue_next_of_tx(struct bus1_queue *queue,
					       struct bus1_queue_entry *entry);
struct bus1_queue_entry *bus1_queue_remove(struct bus1_queue *queue,
					   struct bus1_queue_entry *entry);
void bus1_queue_seal(struct bus1_queue *queue, const struct bus1_queue_entry *except,
		     struct bus1_entries *entries);

bool bus1_queue_is_readable(struct bus1_queue *queue, bool *ret_sealed);
u64 bus1_queue_count(struct bus1_queue *queue);

#endif /* __BUS1_QUEUE_H */
