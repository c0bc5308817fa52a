/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_POOL_H
#define __BUS1_POOL_H

/*
 * Pools
 *
 * Where a peer finds what it has received: memory that it maps, divided into slices. Here is which
 * slice is where; the memory itself is the front end's, see struct bus1_pool_memory.
 *
 * All of a pool is blocks, one behind the other: slices, and what is free in between and behind
 * them. A new slice takes the smallest block it fits into, which leaves the endless one at the end
 * for when there is no other. It is found by its offset once it has been shown.
 *
 * All of it is protected by the lock of the peer, but for the place of a slice, which never
 * changes.
 */

#include <linux/list.h>
#include <linux/rbtree.h>
#include "acct.h"

struct bus1_slice;

/* where slices can be, in bytes; far more than can be accounted on a peer */
#define BUS1_POOL_SIZE (1ULL << 40)

/**
 * struct bus1_pool - slices
 * @memory:	memory of the front end
 * @data:	passed to @memory
 * @blocks:	all blocks, by offset
 * @slices:	those that are slices and have been shown, by offset
 * @free:	those that are free, by size
 */
struct bus1_pool {
	const struct bus1_pool_memory *memory;
	void *data;
	struct list_head blocks;
	struct rb_root slices;
	struct rb_root free;
};

/**
 * struct bus1_slice - block of a pool
 * @link:	link in the pool's list
 * @rb:		link in the tree of slices, or that of free blocks, or in none
 * @offset:	where it is, a multiple of 8
 * @size:	how long it is, a multiple of 8
 * @used:	it is a slice, else it is free
 * @dirty:	free: where in the pool its first byte is that may have memory
 * @clean:	free: where that ends; not behind @dirty when there is none
 * @kept:	slice: what the peer is charged for it
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
