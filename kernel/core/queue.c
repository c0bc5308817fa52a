// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues, see queue.h
 */

#include <linux/kernel.h>
#include <linux/sched.h>
#include "invariant.h"
#include "queue.h"

/* number of entries to remove before other threads get the lock */
#define BUS1_QUEUE_BATCH 64

static struct bus1_queue_entry *bus1_queue_entry_from_rb(struct rb_node *rb)
{
	return rb_entry(rb, struct bus1_queue_entry, rb);
}

/* The first entry if it is final, else NULL. */
static struct bus1_queue_entry *bus1_queue_head(struct bus1_queue *queue)
{
	struct rb_node *rb = rb_first_cached(&queue->entries);

	return rb && !(bus1_queue_entry_from_rb(rb)->timestamp & 1) ? bus1_queue_entry_from_rb(rb)
								    : NULL;
}

static bool bus1_queue_entry_before(const struct bus1_queue_entry *a,
				    const struct bus1_queue_entry *b)
{
	return a->timestamp < b->timestamp || (a->timestamp == b->timestamp && a->tx < b->tx);
}

/* Entries that compare equal stay in the order in which they are inserted. */
static void bus1_queue_insert(struct bus1_queue *queue, struct bus1_queue_entry *entry)
{
	struct rb_node **slot = &queue->entries.rb_root.rb_node;
	struct rb_node *parent = NULL;
	bool leftmost = true;

	while (*slot) {
		struct bus1_queue_entry *other = bus1_queue_entry_from_rb(*slot);

		parent = *slot;
		if (bus1_queue_entry_before(entry, other)) {
			slot = &parent->rb_left;
		} else {
			slot = &parent->rb_right;
			leftmost = false;
		}
	}
	rb_link_node(&entry->rb, parent, slot);
	rb_insert_color_cached(&entry->rb, &queue->entries, leftmost);
	++queue->n_entries;
}

static void bus1_queue_unlink(struct bus1_queue *queue, struct bus1_queue_entry *entry)
{
	rb_erase_cached(&entry->rb, &queue->entries);
	RB_CLEAR_NODE(&entry->rb);
	--queue->n_entries;
}

/* Give an entry a later timestamp. It keeps its place unless the next entry is earlier now. */
static void bus1_queue_finalize(struct bus1_queue *queue, struct bus1_queue_entry *entry,
				u64 timestamp)
{
	struct rb_node *next = rb_next(&entry->rb);

	entry->timestamp = timestamp;
	if (!next || bus1_queue_entry_before(entry, bus1_queue_entry_from_rb(next)))
		return;
	bus1_queue_unlink(queue, entry);
	bus1_queue_insert(queue, entry);
}

static void bus1_queue_wake(struct bus1_queue *queue)
{
	if (queue->wake)
		queue->wake(queue->peer, queue->data);
}

void bus1_queue_init(struct bus1_queue *queue, struct bus1_peer *peer,
		     void (*wake)(struct bus1_peer *peer, void *data), void *data)
{
	*queue = (struct bus1_queue){
		.entries = RB_ROOT_CACHED,
		.wake = wake,
		.peer = peer,
		.data = data,
	};
	spin_lock_init(&queue->lock);
}

/**
 * bus1_queue_stage() - add an entry whose final timestamp is not known yet
 * @queue:	queue
 * @entry:	entry that is in no queue, with its transaction set
 *
 * Until the entry is committed, no entry behind it can be received. Does nothing on a sealed queue.
 *
 * Return: the least final timestamp that this queue accepts; 0 when it is sealed.
 */
u64 bus1_queue_stage(struct bus1_queue *queue, struct bus1_queue_entry *entry)
{
	u64 timestamp = 0;

	spin_lock(&queue->lock);
	if (!queue->sealed) {
		entry->timestamp = queue->clock + 1;
		timestamp = queue->clock += 2;
		bus1_queue_insert(queue, entry);
	}
	spin_unlock(&queue->lock);
	return timestamp;
}

/**
 * bus1_queue_sync() - advance the clock
 * @queue:	queue
 * @timestamp:	a final timestamp
 *
 * Return: the clock, which is not behind @timestamp.
 */
u64 bus1_queue_sync(struct bus1_queue *queue, u64 timestamp)
{
	spin_lock(&queue->lock);
	if (queue->clock < timestamp)
		queue->clock = timestamp;
	else
		timestamp = queue->clock;
	spin_unlock(&queue->lock);
	return timestamp;
}

/**
 * bus1_queue_commit() - make a staged entry final
 * @queue:	queue
 * @entry:	entry that was given to bus1_queue_stage()
 * @timestamp:	final timestamp; the clock must have been advanced to it
 *
 * On success the receiver owns the entry. It may receive and free the entry before this returns.
 *
 * Return: true; false when the queue is sealed, and the caller still owns the entry.
 */
bool bus1_queue_commit(struct bus1_queue *queue, struct bus1_queue_entry *entry, u64 timestamp)
{
	bool readable;

	spin_lock(&queue->lock);
	if (queue->sealed) {
		if (!RB_EMPTY_NODE(&entry->rb))
			bus1_queue_unlink(queue, entry);
		spin_unlock(&queue->lock);
		return false;
	}

	bus1_invariant("drop-once", !RB_EMPTY_NODE(&entry->rb));
	bus1_invariant("staged-is-lower-bound",
		       entry->timestamp & 1 && entry->timestamp < timestamp);
	bus1_invariant("committed-is-even", !(timestamp & 1));
	bus1_invariant("clock-covers", timestamp <= queue->clock);
	readable = bus1_queue_head(queue);
	bus1_queue_finalize(queue, entry, timestamp);
	if (!readable && bus1_queue_head(queue))
		bus1_queue_wake(queue);
	spin_unlock(&queue->lock);
	return true;
}

/**
 * bus1_queue_push() - stage and commit the only entry of a transaction
 * @queue:	queue
 * @entry:	entry that is in no queue, with its transaction set
 * @timestamp:	the final timestamp will be greater than this
 *
 * On success the receiver owns the entry.
 *
 * Return: the final timestamp; 0 when the queue is sealed, and the caller still owns the entry.
 */
u64 bus1_queue_push(struct bus1_queue *queue, struct bus1_queue_entry *entry, u64 timestamp)
{
	bool readable;

	spin_lock(&queue->lock);
	if (queue->sealed) {
		spin_unlock(&queue->lock);
		return 0;
	}

	timestamp = queue->clock = max_t(u64, queue->clock, timestamp) + 2;
	entry->timestamp = timestamp;
	readable = bus1_queue_head(queue);
	bus1_queue_insert(queue, entry);
	if (!readable && bus1_queue_head(queue))
		bus1_queue_wake(queue);
	spin_unlock(&queue->lock);
	return timestamp;
}

/**
 * bus1_queue_peek() - look at the entry that is received next
 * @queue:	queue
 *
 * The caller must be the only receiver. Then this entry stays the next one until it is removed.
 *
 * Return: the entry, or NULL.
 */
struct bus1_queue_entry *bus1_queue_peek(struct bus1_queue *queue)
{
	struct bus1_queue_entry *entry;

	spin_lock(&queue->lock);
	entry = bus1_queue_head(queue);
	spin_unlock(&queue->lock);
	return entry;
}

/**
 * bus1_queue_next_of_tx() - look at the next entry of the same transaction
 * @queue:	queue
 * @entry:	result of bus1_queue_peek() or of this function
 *
 * When the first entry of a queue is final, all entries of its transaction are final.
 *
 * Return: the entry, or NULL.
 */
struct bus1_queue_entry *bus1_queue_next_of_tx(struct bus1_queue *queue,
					       struct bus1_queue_entry *entry)
{
	struct bus1_queue_entry *next = NULL;
	struct rb_node *rb;

	spin_lock(&queue->lock);
	rb = rb_next(&entry->rb);
	if (rb)
		next = bus1_queue_entry_from_rb(rb);
	if (next && (next->timestamp != entry->timestamp || next->tx != entry->tx))
		next = NULL;
	spin_unlock(&queue->lock);
	return next;
}

/**
 * bus1_queue_remove() - take an entry out
 * @queue:	queue
 * @entry:	result of bus1_queue_peek()
 *
 * Return: the entry that is received next, or NULL, like bus1_queue_peek().
 */
struct bus1_queue_entry *bus1_queue_remove(struct bus1_queue *queue, struct bus1_queue_entry *entry)
{
	struct bus1_queue_entry *next;

	spin_lock(&queue->lock);
	bus1_invariant("received-in-order",
		       bus1_queue_head(queue) == entry && entry->timestamp >= queue->received);
	queue->received = entry->timestamp;
	bus1_queue_unlink(queue, entry);
	next = bus1_queue_head(queue);
	spin_unlock(&queue->lock);
	return next;
}

/**
 * bus1_queue_seal() - empty a queue for good
 * @queue:	queue
 * @except:	entry that a receiver looks at, and will drop itself; or NULL
 * @entries:	all other final entries are added. Senders drop the entries that they have staged.
 */
void bus1_queue_seal(struct bus1_queue *queue, const struct bus1_queue_entry *except,
		     struct bus1_entries *entries)
{
	struct bus1_queue_entry *entry;
	struct rb_node *rb;
	unsigned int n;

	spin_lock(&queue->lock);
	queue->sealed = true;
	bus1_queue_wake(queue);
	queue->wake = NULL;

	do {
		for (n = 0; n < BUS1_QUEUE_BATCH; n++) {
			rb = rb_first_cached(&queue->entries);
			if (!rb)
				break;
			entry = bus1_queue_entry_from_rb(rb);
			bus1_queue_unlink(queue, entry);
			if (!(entry->timestamp & 1) && entry != except)
				bus1_entries_add(entries, entry);
		}
		spin_unlock(&queue->lock);
		cond_resched();
		spin_lock(&queue->lock);
	} while (rb);
	spin_unlock(&queue->lock);
}

/* Whether the first entry can be received, and whether the queue is sealed. Never sleeps. */
bool bus1_queue_is_readable(struct bus1_queue *queue, bool *ret_sealed)
{
	bool readable;

	spin_lock(&queue->lock);
	readable = bus1_queue_head(queue);
	*ret_sealed = queue->sealed;
	spin_unlock(&queue->lock);
	return readable;
}

/* Number of entries, including the staged ones. */
u64 bus1_queue_count(struct bus1_queue *queue)
{
	u64 n;

	spin_lock(&queue->lock);
	n = queue->n_entries;
	spin_unlock(&queue->lock);
	return n;
}
