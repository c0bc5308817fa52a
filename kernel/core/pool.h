/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_POOL_H
#define __BUS1_POOL_H

/*
 * Pools
 *
 * A pool is memory that a peer maps and receives messages into. Each message gets a slice. This is
 * the allocator of slices; the front end has the memory itself (struct bus1_pool_memory).
 *
 * A pool is a row of blocks without gaps. Each block is a slice or free; the last one is free and
 * reaches to the end of the pool:
 *
 *	| slice | free | slice | slice | free .......... |
 *
 * A new slice takes the smallest free block that it fits into. So the last block is used only when
 * no other is large enough. bus1_slice_find() finds a slice once bus1_slice_show() was called.
 *
 * The lock of the peer protects all of this, except the place of a slice, which never changes.
 */

#include <linux/list.h>
#include <linux/rbtree.h>
#include "acct.h"

struct bus1_slice;

/* The end of the last block, in bytes: far more than a peer can be charged for. */
#define BUS1_POOL_SIZE (1ULL << 40)

/**
 * struct bus1_pool - slices
 * @memory:	memory of the front end
 * @data:	passed to @memory
 * @blocks:	all blocks, by offset
 * @slices:	blocks that are slices and have been shown, by offset
 * @free:	blocks that are free, by size
 */
struct bus1_pool {
	const struct bus1_pool_memory *memory;
	void *data;
	struct list_head blocks;
	struct rb_root slices;
	struct rb_root free;
};

/**
 * struct bus1_slice - a block of a pool, free or not
 * @link:	link in the pool's list
 * @rb:		link in the tree of slices, or that of free blocks, or in none
 * @offset:	where it is, a multiple of 8
 * @size:	how long it is, a multiple of 8
 * @used:	it is a slice, else it is free
 * @dirty:	free block: offset of the first byte that may have memory
 * @clean:	free block: end of these bytes; not greater than @dirty when there are none
 * @kept:	slice: the amount that the peer is charged for it
 */
struct bus1_slice {
	struct list_head link;
	struct rb_node rb;
	u64 offset;
	u64 size;
	bool used;
	u64 dirty;
	u64 clean;
	u64 kept[_BUS1_RESOURCE_N];
};

struct bus1_pool *bus1_pool_new(const struct bus1_pool_memory *memory, void *data);
struct bus1_pool *bus1_pool_free(struct bus1_pool *pool);
struct bus1_slice *bus1_slice_new(struct bus1_pool *pool, u64 size);
void bus1_slice_show(struct bus1_pool *pool, struct bus1_slice *slice);
struct bus1_slice *bus1_slice_free(struct bus1_pool *pool, struct bus1_slice *slice);
struct bus1_slice *bus1_slice_find(struct bus1_pool *pool, u64 offset);
struct bus1_slice *bus1_slice_first(struct bus1_pool *pool);

#endif /* __BUS1_POOL_H */
