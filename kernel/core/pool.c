// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools, see pool.h
 */

#include <linux/bug.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "pool.h"

static struct bus1_slice *bus1_slice_from_rb(struct rb_node *rb)
{
	return rb_entry(rb, struct bus1_slice, rb);
}

static bool bus1_block_is_smaller(const struct bus1_slice *a, const struct bus1_slice *b)
{
	return a->size < b->size || (a->size == b->size && a->offset < b->offset);
}

static bool bus1_block_is_before(const struct bus1_slice *a, const struct bus1_slice *b)
{
	return a->offset < b->offset;
}

static __always_inline void bus1_block_insert(struct rb_root *root, struct bus1_slice *block,
					      bool (*less)(const struct bus1_slice *a,
							   const struct bus1_slice *b))
{
	struct rb_node **slot = &root->rb_node, *parent = NULL;

	while (*slot) {
		parent = *slot;
		slot = less(block, bus1_slice_from_rb(parent)) ? &parent->rb_left
							       : &parent->rb_right;
	}
	rb_link_node(&block->rb, parent, slot);
	rb_insert_color(&block->rb, root);
}

static void bus1_pool_insert_free(struct bus1_pool *pool, struct bus1_slice *block)
{
	bus1_block_insert(&pool->free, block, bus1_block_is_smaller);
}

/* From now on bus1_slice_find() and bus1_slice_first() can find the slice. */
void bus1_slice_show(struct bus1_pool *pool, struct bus1_slice *slice)
{
	bus1_block_insert(&pool->slices, slice, bus1_block_is_before);
}

/* The smallest free block of at least this size, or NULL. */
static struct bus1_slice *bus1_pool_find_free(struct bus1_pool *pool, u64 size)
{
	struct rb_node *rb = pool->free.rb_node;
	struct bus1_slice *found = NULL;

	while (rb) {
		struct bus1_slice *block = bus1_slice_from_rb(rb);

		if (block->size >= size) {
			found = block;
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	return found;
}

/**
 * bus1_pool_new() - make an empty pool
 * @memory:	memory, provided by the front end
 * @data:	passed to @memory
 * @usage:	usage of the peer, which is charged
 *
 * Return: the pool; ERR_PTR(-ENOMEM).
 */
struct bus1_pool *bus1_pool_new(const struct bus1_pool_memory *memory, void *data,
				struct bus1_usage *usage)
{
	struct bus1_slice *block;
	struct bus1_pool *pool;

	pool = kzalloc(sizeof(*pool), GFP_KERNEL_ACCOUNT);
	block = kzalloc(sizeof(*block), GFP_KERNEL_ACCOUNT);
	if (!pool || !block) {
		kfree(block);
		kfree(pool);
		return ERR_PTR(-ENOMEM);
	}
	block->size = BUS1_POOL_SIZE;

	pool->memory = memory;
	pool->data = data;
	pool->usage = usage;
	INIT_LIST_HEAD(&pool->blocks);
	list_add_tail(&block->link, &pool->blocks);
	bus1_pool_insert_free(pool, block);
	return pool;
}

/* Free a pool, or NULL. It has no slices any more, and bus1_pool_trim() has ended it. */
void bus1_pool_free(struct bus1_pool *pool)
{
	struct bus1_slice *block;

	if (!pool)
		return;

	block = list_first_entry(&pool->blocks, struct bus1_slice, link);
	WARN_ON(!list_is_singular(&pool->blocks) || block->used || pool->charged > 0);
	kfree(block);
	kfree(pool);
}

static void bus1_pool_charge(struct bus1_pool *pool, u64 n)
{
	const u64 amount[_BUS1_SUM_N_MESSAGE] = { [BUS1_RESOURCE_BYTES] = n };

	if (n > 0)
		bus1_charge_anyway(pool->usage, amount);
	pool->charged += n;
}

/* Free the memory of pages that are not occupied, and end the charge for them. */
static void bus1_pool_discard(struct bus1_pool *pool, u64 start, u64 end)
{
	const u64 amount[_BUS1_SUM_N_MESSAGE] = { [BUS1_RESOURCE_BYTES] = end - start };

	if (start == end)
		return;
	pool->memory->discard(pool->data, start, end - start);
	bus1_uncharge(pool->usage, amount);
	pool->charged -= end - start;
}

/*
 * The most bytes of kept pages. The peer is charged for these pages, so they must not be a large
 * part of what the peer may have.
 */
static u64 bus1_pool_max_kept(const struct bus1_pool *pool)
{
	const struct bus1_usage *usage = pool->usage;
	u64 max;

	max = min_t(u64, READ_ONCE(usage->max[BUS1_RESOURCE_BYTES]),
		    usage->account->accounts->limits.max[BUS1_RESOURCE_BYTES]);
	return pool->ended ? 0 : min_t(u64, PAGE_ALIGN_DOWN(max / 16), BUS1_POOL_KEPT);
}

/*
 * Pages become occupied. They are the first whole pages of a free block. So if kept pages are among
 * them, these are the first of the kept pages, and the peer is charged for them already.
 */
static void bus1_pool_occupy(struct bus1_pool *pool, u64 start, u64 end)
{
	u64 n_kept = 0;

	if (pool->kept < pool->kept_end && start <= pool->kept && pool->kept < end) {
		n_kept = min(end, pool->kept_end) - pool->kept;
		pool->kept += n_kept;
	}
	bus1_pool_charge(pool, end - start - n_kept);
}

/*
 * Pages are not occupied any more. If they adjoin the kept pages, keep them, too. Otherwise free
 * the pages that were kept, and keep the new ones instead. Free kept pages that are too many.
 */
static void bus1_pool_vacate(struct bus1_pool *pool, u64 start, u64 end)
{
	u64 max = bus1_pool_max_kept(pool);

	if (pool->kept < pool->kept_end && pool->kept_end == start) {
		pool->kept_end = end;
	} else if (pool->kept < pool->kept_end && pool->kept == end) {
		pool->kept = start;
	} else {
		bus1_pool_discard(pool, pool->kept, pool->kept_end);
		pool->kept = start;
		pool->kept_end = end;
	}

	/* A new slice is put at the start of a free block, so free the pages at the end. */
	if (pool->kept_end - pool->kept > max) {
		bus1_pool_discard(pool, pool->kept + max, pool->kept_end);
		pool->kept_end = pool->kept + max;
	}
}

/**
 * bus1_pool_trim() - free the kept pages
 * @pool:	pool, which may still have slices
 * @forever:	keep no pages from now on
 */
void bus1_pool_trim(struct bus1_pool *pool, bool forever)
{
	pool->ended |= forever;
	bus1_pool_discard(pool, pool->kept, pool->kept_end);
	pool->kept_end = pool->kept;
}

/**
 * bus1_slice_new() - make a slice
 * @pool:	pool
 * @size:	least size in bytes
 *
 * The content of the slice is undefined. bus1_slice_find() does not find it before
 * bus1_slice_show(). The peer is charged for the pages that the slice is in, but not for a message.
 *
 * Return: the slice; ERR_PTR(-ENOMEM).
 */
struct bus1_slice *bus1_slice_new(struct bus1_pool *pool, u64 size)
{
	struct bus1_slice *slice, *rest;
	u64 start, end;

	size = max_t(u64, size, 8);
	size += -size & 7;
	slice = bus1_pool_find_free(pool, size);
	if (!slice)
		return ERR_PTR(-ENOMEM);

	/* The pages at both ends may be occupied by the neighbours of the free block. */
	start = PAGE_ALIGN(slice->offset);
	end = min_t(u64, PAGE_ALIGN(slice->offset + size),
		    PAGE_ALIGN_DOWN(slice->offset + slice->size));

	if (slice->size > size) {
		rest = kzalloc(sizeof(*rest), GFP_KERNEL_ACCOUNT);
		if (!rest)
			return ERR_PTR(-ENOMEM);
		rest->offset = slice->offset + size;
		rest->size = slice->size - size;
		list_add(&rest->link, &slice->link);
		bus1_pool_insert_free(pool, rest);
		slice->size = size;
	}
	rb_erase(&slice->rb, &pool->free);
	slice->used = true;
	slice->charged = false;
	RB_CLEAR_NODE(&slice->rb);
	if (start < end)
		bus1_pool_occupy(pool, start, end);
	return slice;
}

/* Merge a block with the next one. Both are free, and in no tree. */
static void bus1_pool_merge(struct bus1_slice *block, struct bus1_slice *next)
{
	block->size += next->size;
	list_del_init(&next->link);
	kfree(next);
}

/* Free a slice, or NULL. Pages that only this slice occupied are kept, or freed and not charged. */
void bus1_slice_free(struct bus1_pool *pool, struct bus1_slice *block)
{
	struct bus1_slice *other;
	u64 start, end;
	bool shown;

	if (!block)
		return;

	shown = !RB_EMPTY_NODE(&block->rb);
	if (shown)
		rb_erase(&block->rb, &pool->slices);
	block->used = false;
	start = PAGE_ALIGN_DOWN(block->offset);
	end = PAGE_ALIGN(block->offset + block->size);

	/* There is always a next block: the last one is never a slice. */
	other = list_next_entry(block, link);
	if (!other->used) {
		rb_erase(&other->rb, &pool->free);
		bus1_pool_merge(block, other);
	}
	if (block->link.prev != &pool->blocks) {
		other = list_entry(block->link.prev, struct bus1_slice, link);
		if (!other->used) {
			rb_erase(&other->rb, &pool->free);
			bus1_pool_merge(other, block);
			block = other;
		}
	}
	bus1_pool_insert_free(pool, block);

	start = max_t(u64, start, PAGE_ALIGN(block->offset));
	end = min_t(u64, end, PAGE_ALIGN_DOWN(block->offset + block->size));
	if (start < end)
		bus1_pool_vacate(pool, start, end);
	/* The receive for this slice has failed, and must leave no charge. So keep no pages. */
	if (!shown)
		bus1_pool_trim(pool, false);
}

/* The slice that starts at an offset, if it was shown; else NULL. */
struct bus1_slice *bus1_slice_find(struct bus1_pool *pool, u64 offset)
{
	struct rb_node *rb = pool->slices.rb_node;

	while (rb) {
		struct bus1_slice *slice = bus1_slice_from_rb(rb);

		if (slice->offset == offset)
			return slice;
		rb = offset < slice->offset ? rb->rb_left : rb->rb_right;
	}
	return NULL;
}

/* The shown slice with the lowest offset, or NULL when there is none. */
struct bus1_slice *bus1_slice_first(struct bus1_pool *pool)
{
	struct rb_node *rb = rb_first(&pool->slices);

	return rb ? bus1_slice_from_rb(rb) : NULL;
}
