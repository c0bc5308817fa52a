// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues, see queue.h
 */

#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include "invariant.h"
#include "queue.h"

/* number of entries to remove or make final before other threads get the lock */
#define BUS1_QUEUE_BATCH 64

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
	++queue->n_arrived;
}

static void bus1_queue_wake(struct bus1_queue *queue, unsigned int n)
{
	if (queue->wake)
		queue->wake(queue->peer, n, queue->data);
}

static void bus1_queue_unlink(struct bus1_queue *queue, struct bus1_queue_entry *entry)
{
	rb_erase_cached(&entry->rb, &queue->entries);
	--queue->n_entries;
}

/* Take one entry out of a group, and return it. @first is taken when it is the only one left. */
static struct bus1_queue_entry *bus1_queue_unstage(struct bus1_queue *queue,
						   struct bus1_queue_entry *first)
{
	struct bus1_queue_entry *entry = first->group;

	--queue->n_entries;
	if (entry) {
		first->group = entry->group;
		return entry;
	}
	list_del_init(&first->staged);
	return first;
}

/*
 * The first staged entry of a transaction, or NULL. Transactions that make no progress are at the
 * front of the list, so the list is searched from the back.
 */
static struct bus1_queue_entry *bus1_queue_group(struct bus1_queue *queue,
						 const struct bus1_staging *staging)
{
	struct bus1_queue_entry *first;

	list_for_each_entry_reverse(first, &queue->staged, staged) {
		if (first->staging == staging)
			return first;
	}
	return NULL;
}

/*
 * Make at most BUS1_QUEUE_BATCH entries of a group final. Their transaction is decided. As soon as
 * its last entry has left the list of the staging, the transaction may end, and then the staging
 * does not exist any more.
 */
static void bus1_queue_finalize(struct bus1_queue *queue, struct bus1_queue_entry *first)
{
	struct bus1_staging *staging = first->staging;
	unsigned long tx = staging->tx;
	u64 final = READ_ONCE(staging->final);
	struct bus1_queue_entry *entry;
	unsigned int n = 0;

	bus1_invariant("committed-is-even", !(final & 1));
	queue->clock = max_t(u64, queue->clock, final);
	do {
		entry = bus1_queue_unstage(queue, first);

		bus1_invariant("staged-is-lower-bound",
			       entry->timestamp & 1 && entry->timestamp < final);
		spin_lock(&staging->lock);
		list_del_init(&entry->link);
		spin_unlock(&staging->lock);
		entry->timestamp = final;
		entry->tx = tx;
		bus1_queue_insert(queue, entry);
	} while (++n < BUS1_QUEUE_BATCH && entry != first);
	bus1_queue_wake(queue, n);
}

/*
 * Advance the clock to the final timestamps of all transactions that are decided and have a staged
 * entry in this queue. Other peers may have received entries of such a transaction already. What
 * these peers, or others that heard from them by whatever means, now add to this queue gets a
 * greater timestamp.
 *
 * Return: the first staged entry of @staging, or NULL.
 */
static struct bus1_queue_entry *bus1_queue_settle(struct bus1_queue *queue,
						  const struct bus1_staging *staging)
{
	struct bus1_queue_entry *first, *group = NULL;

	list_for_each_entry(first, &queue->staged, staged) {
		queue->clock = max_t(u64, queue->clock, READ_ONCE(first->staging->final));
		if (first->staging == staging)
			group = first;
	}
	return group;
}

/* Delay the transaction of a group, unless it is decided. Return: its final timestamp, or 0. */
static u64 bus1_queue_delay(struct bus1_queue *queue, struct bus1_queue_entry *first)
{
	struct bus1_staging *staging = first->staging;
	u64 final;

	spin_lock(&staging->lock);
	final = staging->final;
	if (!final)
		staging->least = max_t(u64, staging->least, queue->clock + 2);
	spin_unlock(&staging->lock);
	if (!final)
		first->timestamp = queue->clock + 1;
	return final;
}

/*
 * Find a group whose transaction is decided, with a final timestamp up to @until. Such a group must
 * become final before an entry with the timestamp @until can be received. Until one is found, delay
 * the transactions that are not decided and could still get a final timestamp up to @before.
 *
 * Return: the first entry of the group, or NULL.
 */
static struct bus1_queue_entry *bus1_queue_decided(struct bus1_queue *queue, u64 until, u64 before)
{
	struct bus1_queue_entry *first;

	list_for_each_entry(first, &queue->staged, staged) {
		u64 final = READ_ONCE(first->staging->final);

		if (!final && first->timestamp < before)
			final = bus1_queue_delay(queue, first);
		if (final && final <= until)
			return first;
	}
	return NULL;
}

/* Make a bounded number of entries of a group final. Then others can get the lock for a moment. */
static void bus1_queue_finalize_yielding(struct bus1_queue *queue, struct bus1_queue_entry *first)
{
	bus1_queue_finalize(queue, first);
	spin_unlock(&queue->lock);
	cond_resched();
	spin_lock(&queue->lock);
}

/*
 * The entry that is received next, or NULL. It stays the next one until it is removed. Others can
 * get the lock before this returns.
 */
static struct bus1_queue_entry *bus1_queue_head(struct bus1_queue *queue)
{
	struct bus1_queue_entry *first, *head;
	struct rb_node *rb;

	for (;;) {
		rb = rb_first_cached(&queue->entries);
		head = rb ? bus1_queue_entry_from_rb(rb) : NULL;
		first = NULL;
		if (!queue->sealed)
			first = head ? bus1_queue_decided(queue, head->timestamp, head->timestamp)
				     : bus1_queue_decided(queue, U64_MAX, 0);
		if (!first)
			return head;
		bus1_queue_finalize_yielding(queue, first);
	}
}

void bus1_queue_init(struct bus1_queue *queue, struct bus1_peer *peer,
		     void (*wake)(struct bus1_peer *peer, unsigned int n, void *data), void *data)
{
	*queue = (struct bus1_queue){
		.entries = RB_ROOT_CACHED,
		.wake = wake,
		.peer = peer,
		.data = data,
	};
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->staged);
}

/**
 * bus1_staging_init() - begin to stage a transaction
 * @staging:	set up
 * @tx:		number of the transaction. No other transaction may have both the same number and
 *		the same final timestamp.
 * @entries:	its entries, by @link; empty afterwards
 */
void bus1_staging_init(struct bus1_staging *staging, unsigned long tx, struct list_head *entries)
{
	spin_lock_init(&staging->lock);
	staging->tx = tx;
	INIT_LIST_HEAD(&staging->entries);
	list_splice_init(entries, &staging->entries);
	staging->least = 0;
	staging->final = 0;
}

/**
 * bus1_staging_decide() - decide the final timestamp of a transaction
 * @staging:	transaction whose entries are all staged
 * @timestamp:	the least final timestamp that the sender and all queues accept
 *
 * From now on every receiver can make its own entries final, and receive them.
 *
 * Return: the final timestamp.
 */
u64 bus1_staging_decide(struct bus1_staging *staging, u64 timestamp)
{
	spin_lock(&staging->lock);
	timestamp = max_t(u64, timestamp, staging->least);
	WRITE_ONCE(staging->final, timestamp);
	spin_unlock(&staging->lock);
	return timestamp;
}

/**
 * bus1_queue_stage() - add an entry whose final timestamp is not known yet
 * @queue:	queue
 * @entry:	entry of @staging that is in no queue
 * @staging:	its transaction, which is not decided
 *
 * Does nothing on a sealed queue.
 *
 * Return: the least final timestamp that this queue accepts; 0 when it is sealed.
 */
u64 bus1_queue_stage(struct bus1_queue *queue, struct bus1_queue_entry *entry,
		     struct bus1_staging *staging)
{
	struct bus1_queue_entry *first;
	u64 timestamp = 0;

	spin_lock(&queue->lock);
	if (!queue->sealed) {
		first = bus1_queue_settle(queue, staging);
		timestamp = queue->clock + 2;
		entry->timestamp = queue->clock + 1;
		entry->staging = staging;
		entry->group = NULL;
		INIT_LIST_HEAD(&entry->staged);
		if (first) {
			entry->group = first->group;
			first->group = entry;
			first->timestamp = entry->timestamp;
		} else {
			list_add_tail(&entry->staged, &queue->staged);
		}
		++queue->n_entries;
	}
	spin_unlock(&queue->lock);
	return timestamp;
}

/**
 * bus1_queue_sync() - advance the clock
 * @queue:	queue
 * @timestamp:	a final timestamp, or 0
 *
 * Return: the clock, which is not behind @timestamp. Unless the queue is sealed, the clock is also
 * not behind the transactions that are decided and have a staged entry in this queue.
 */
u64 bus1_queue_sync(struct bus1_queue *queue, u64 timestamp)
{
	spin_lock(&queue->lock);
	if (!queue->sealed)
		bus1_queue_settle(queue, NULL);
	if (queue->clock < timestamp)
		queue->clock = timestamp;
	else
		timestamp = queue->clock;
	spin_unlock(&queue->lock);
	return timestamp;
}

/**
 * bus1_queue_commit() - make staged entries of a transaction final
 * @queue:	queue
 * @entry:	the entry that was first in @staging's list a moment ago. It may have become final
 *		since then, and may have been received and freed.
 * @staging:	its transaction, which is decided
 *
 * Makes a bounded number of the transaction's entries in this queue final; @entry need not be one
 * of them. The receiver owns these entries then, and may have received and freed them when this
 * returns.
 *
 * Return: false when the queue was sealed while @entry was not final: the caller owns @entry, which
 * is in no list any more. Otherwise true.
 */
bool bus1_queue_commit(struct bus1_queue *queue, struct bus1_queue_entry *entry,
		       struct bus1_staging *staging)
{
	struct bus1_queue_entry *first;
	bool is_dropped;

	spin_lock(&queue->lock);
	if (!queue->sealed) {
		first = bus1_queue_group(queue, staging);
		if (first)
			bus1_queue_finalize(queue, first);
		spin_unlock(&queue->lock);
		return true;
	}

	/* If the entry became final before the seal, it does not belong to the sender any more. */
	spin_lock(&staging->lock);
	is_dropped =
		list_first_entry_or_null(&staging->entries, struct bus1_queue_entry, link) == entry;
	if (is_dropped)
		list_del_init(&entry->link);
	spin_unlock(&staging->lock);
	if (is_dropped && entry->timestamp) {
		/* Nobody else uses the groups of a sealed queue. */
		if (!list_empty(&entry->staged))
			list_del_init(&entry->staged);
		entry->timestamp = 0;
		--queue->n_entries;
	}
	spin_unlock(&queue->lock);
	return !is_dropped;
}

/**
 * bus1_queue_push() - add the only entry of a transaction
 * @queue:	queue
 * @entry:	entry that is in no queue
 * @tx:		number of the transaction
 * @timestamp:	the final timestamp will be greater than this
 *
 * On success the receiver owns the entry.
 *
 * Return: the final timestamp; 0 when the queue is sealed: then the caller still owns the entry.
 */
u64 bus1_queue_push(struct bus1_queue *queue, struct bus1_queue_entry *entry, unsigned long tx,
		    u64 timestamp)
{
	spin_lock(&queue->lock);
	if (queue->sealed) {
		spin_unlock(&queue->lock);
		return 0;
	}

	bus1_queue_settle(queue, NULL);
	queue->clock = max_t(u64, queue->clock, timestamp) + 2;
	timestamp = queue->clock;
	entry->timestamp = timestamp;
	entry->tx = tx;
	bus1_queue_insert(queue, entry);
	bus1_queue_wake(queue, 1);
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
 * bus1_queue_cut() - make sure that nothing is added before a point of the queue any more
 * @queue:		queue
 * @ret_n_arrived:	set to @n_arrived of the queue, for bus1_queue_has_changed()
 *
 * Return: the timestamp of this point. Every entry that becomes final from now on is later.
 */
u64 bus1_queue_cut(struct bus1_queue *queue, u64 *ret_n_arrived)
{
	struct bus1_queue_entry *first;
	u64 cut;

	spin_lock(&queue->lock);
	while (!queue->sealed && (first = bus1_queue_decided(queue, U64_MAX, U64_MAX)))
		bus1_queue_finalize_yielding(queue, first);
	cut = queue->clock;
	*ret_n_arrived = queue->n_arrived;
	spin_unlock(&queue->lock);
	return cut;
}

/* The first final entry that is later than a timestamp; NULL if there is none. */
struct bus1_queue_entry *bus1_queue_after(struct bus1_queue *queue, u64 timestamp)
{
	struct bus1_queue_entry *found = NULL;
	struct rb_node *rb;

	spin_lock(&queue->lock);
	rb = queue->entries.rb_root.rb_node;
	while (rb) {
		struct bus1_queue_entry *entry = bus1_queue_entry_from_rb(rb);

		if (entry->timestamp > timestamp) {
			found = entry;
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	spin_unlock(&queue->lock);
	return found;
}

/* The final entry behind @entry, or NULL. Nobody may remove @entry meanwhile. */
struct bus1_queue_entry *bus1_queue_next(struct bus1_queue *queue, struct bus1_queue_entry *entry)
{
	struct rb_node *rb;

	spin_lock(&queue->lock);
	rb = rb_next(&entry->rb);
	spin_unlock(&queue->lock);
	return rb ? bus1_queue_entry_from_rb(rb) : NULL;
}

/**
 * bus1_queue_next_of_tx() - look at the next entry of the same transaction
 * @queue:	queue
 * @entry:	result of bus1_queue_peek() or of this function
 *
 * When bus1_queue_peek() has returned an entry, all entries of its transaction that are in the
 * queue are final.
 *
 * Return: the entry, or NULL.
 */
struct bus1_queue_entry *bus1_queue_next_of_tx(struct bus1_queue *queue,
					       struct bus1_queue_entry *entry)
{
	struct bus1_queue_entry *next = bus1_queue_next(queue, entry);

	if (next && (next->timestamp != entry->timestamp || next->tx != entry->tx))
		next = NULL;
	return next;
}

/* Whether no staged entry can get a final timestamp that is less than that of @entry. */
static __maybe_unused bool bus1_queue_is_certain(struct bus1_queue *queue,
						 const struct bus1_queue_entry *entry)
{
	struct bus1_queue_entry *first;

	list_for_each_entry(first, &queue->staged, staged) {
		u64 final = READ_ONCE(first->staging->final);

		if ((final ? final : first->timestamp) < entry->timestamp)
			return false;
	}
	return true;
}

/**
 * bus1_queue_remove() - take an entry out
 * @queue:	queue
 * @entry:	result of bus1_queue_peek(), or a final entry up to the last bus1_queue_cut()
 *
 * Return: the entry that is received next, or NULL, like bus1_queue_peek().
 */
struct bus1_queue_entry *bus1_queue_remove(struct bus1_queue *queue, struct bus1_queue_entry *entry)
{
	struct bus1_queue_entry *next;

	spin_lock(&queue->lock);
	bus1_invariant("received-when-certain", bus1_queue_is_certain(queue, entry));
	bus1_invariant("clock-covers", entry->timestamp <= queue->clock);
	if (rb_first_cached(&queue->entries) == &entry->rb) {
		bus1_invariant("received-in-order", entry->timestamp >= queue->received);
		queue->received = entry->timestamp;
	}
	bus1_queue_unlink(queue, entry);
	entry->timestamp = 0;
	next = bus1_queue_head(queue);
	spin_unlock(&queue->lock);
	return next;
}

/**
 * bus1_queue_seal() - empty a queue for good
 * @queue:	queue
 * @except:	entry that a receiver looks at, and that this receiver will drop; or NULL
 * @entries:	all other final entries are added, by @link. Each sender drops the entries that it
 *		has staged.
 */
void bus1_queue_seal(struct bus1_queue *queue, const struct bus1_queue_entry *except,
		     struct list_head *entries)
{
	struct bus1_queue_entry *entry;
	struct rb_node *rb;
	unsigned int n;

	spin_lock(&queue->lock);
	queue->sealed = true;
	bus1_queue_wake(queue, 1);
	queue->wake = NULL;

	do {
		for (n = 0; n < BUS1_QUEUE_BATCH; n++) {
			rb = rb_first_cached(&queue->entries);
			if (!rb)
				break;
			entry = bus1_queue_entry_from_rb(rb);
			bus1_queue_unlink(queue, entry);
			entry->timestamp = 0;
			if (entry != except)
				list_add_tail(&entry->link, entries);
		}
		spin_unlock(&queue->lock);
		cond_resched();
		spin_lock(&queue->lock);
	} while (rb);
	spin_unlock(&queue->lock);
}

/**
 * bus1_queue_is_readable() - report whether an entry can be received
 * @queue:	queue
 * @ret_sealed:	set to whether the queue is sealed
 *
 * An entry whose transaction is decided can be received, even if the sender was stopped before it
 * made the entry final. Then nobody has been woken for the entry yet. Never sleeps.
 *
 * Return: whether an entry can be received.
 */
bool bus1_queue_is_readable(struct bus1_queue *queue, bool *ret_sealed)
{
	bool readable;

	spin_lock(&queue->lock);
	readable = rb_first_cached(&queue->entries) ||
		   (!queue->sealed && bus1_queue_decided(queue, U64_MAX, 0));
	*ret_sealed = queue->sealed;
	spin_unlock(&queue->lock);
	return readable;
}

/*
 * Whether the queue is sealed; or whether, since the bus1_queue_cut() that returned @n_arrived, an
 * entry became final, the transaction of a staged entry was decided, or bus1_queue_touch() was
 * called. Never sleeps.
 */
bool bus1_queue_has_changed(struct bus1_queue *queue, u64 n_arrived)
{
	bool changed;

	spin_lock(&queue->lock);
	changed = queue->sealed || queue->n_arrived != n_arrived ||
		  bus1_queue_decided(queue, U64_MAX, 0);
	spin_unlock(&queue->lock);
	return changed;
}

/* Let bus1_queue_has_changed() return true, because the node of a filter may have gone. */
void bus1_queue_touch(struct bus1_queue *queue)
{
	spin_lock(&queue->lock);
	++queue->n_arrived;
	spin_unlock(&queue->lock);
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
