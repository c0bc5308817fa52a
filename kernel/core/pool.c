// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools, see pool.h
 */

#include <linux/bug.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "pool.h"

/* bytes; a smaller free range keeps its memory, because it is likely to be used again soon */
#define BUS1_POOL_DISCARD (256 * 1024)

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

/* From now on bus1_slice_find() finds a slice. */
void bus1_slice_show(struct bus1_pool *pool, struct bus1_slice *slice)
{
	bus1_block_insert(&pool->slices, slice, bus1_block_is_before);
}

/* The smallest free block of at least this size. */
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
 *
 * Return: the pool; ERR_PTR(-ENOMEM).
 */
struct bus1_pool *bus1_pool_new(const struct bus1_pool_memory *memory, void *data)
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
	INIT_LIST_HEAD(&pool->blocks);
	list_add_tail(&block->link, &pool->blocks);
	bus1_pool_insert_free(pool, block);
	return pool;
}

/* Free a pool, or NULL. All its slices must have been freed before. */
void bus1_pool_free(struct bus1_pool *pool)
{
	struct bus1_slice *block;

	if (!pool)
		return;

	block = list_first_entry(&pool->blocks, struct bus1_slice, link);
	WARN_ON(!list_is_singular(&pool->blocks) || block->used);
	kfree(block);
	kfree(pool);
}

/**
 * bus1_slice_new() - make a slice
 * @pool:	pool
 * @size:	least size in bytes
 *
 * The content of the slice is undefined. Nobody finds it before bus1_slice_show().
 *
 * Return: the slice; ERR_PTR(-ENOMEM).
 */
struct bus1_slice *bus1_slice_new(struct bus1_pool *pool, u64 size)
{
	struct bus1_slice *slice, *rest;

	size = max_t(u64, size, 8);
	size += -size & 7;
	slice = bus1_pool_find_free(pool, size);
	if (!slice)
		return ERR_PTR(-ENOMEM);

	if (slice->size > size) {
		rest = kzalloc(sizeof(*rest), GFP_KERNEL_ACCOUNT);
		if (!rest)
			return ERR_PTR(-ENOMEM);
		rest->offset = slice->offset + size;
		rest->size = slice->size - size;
		rest->dirty = max_t(u64, slice->dirty, rest->offset);
		rest->clean = slice->clean;
		list_add(&rest->link, &slice->link);
		bus1_pool_insert_free(pool, rest);
		slice->size = size;
	}
	rb_erase(&slice->rb, &pool->free);
	slice->used = true;
	memset(slice->kept, 0, sizeof(slice->kept));
	RB_CLEAR_NODE(&slice->rb);
	return slice;
}

/* Merge two neighbours, which are both free. The second one is in no tree any more. */
static void bus1_pool_merge(struct bus1_slice *block, struct bus1_slice *next)
{
	block->size += next->size;
	if (block->dirty >= block->clean) {
		block->dirty = next->dirty;
		block->clean = next->clean;
	} else if (next->dirty < next->clean) {
		block->clean = next->clean;
	}
	list_del_init(&next->link);
	kfree(next);
}

/* Free a slice, or NULL. */
void bus1_slice_free(struct bus1_pool *pool, struct bus1_slice *block)
{
	struct bus1_slice *other;

	if (!block)
		return;

	if (!RB_EMPTY_NODE(&block->rb))
		rb_erase(&block->rb, &pool->slices);
	block->used = false;
	block->dirty = block->offset;
	block->clean = block->offset + block->size;

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

	if (block->dirty < block->clean && block->clean - block->dirty >= BUS1_POOL_DISCARD) {
		pool->memory->discard(pool->data, block->dirty, block->clean - block->dirty);
		block->dirty = block->clean;
	}
	bus1_pool_insert_free(pool, block);
}

/* The slice that was shown and starts at an offset, or NULL. */
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

/* The first slice that was shown, or NULL when there is none. */
struct bus1_slice *bus1_slice_first(struct bus1_pool *pool)
{
	struct rb_node *rb = rb_first(&pool->slices);

	return rb ? bus1_slice_from_rb(rb) : NULL;
}
