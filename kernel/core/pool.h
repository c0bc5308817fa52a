/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_POOL_H
#define __BUS1_POOL_H

/*
 * Pools
 *
 * A pool is memory that a peer maps and receives messages into. Each message gets a slice of it.
 * This file allocates slices. The front end provides the memory (struct bus1_pool_memory).
 *
 * A pool is a row of blocks without gaps. Each block is either a slice or free. The last block is
 * always free, and reaches to the end of the pool:
 *
 *	| slice | free | slice | slice | free .......... |
 *
 * A new slice takes the smallest free block that it fits into. So the last block is used only when
 * no other block is large enough. bus1_slice_find() finds only slices that were passed to
 * bus1_slice_show().
 *
 * The lock of the peer protects everything here. The offset and size of a slice never change.
 */

#include <linux/list.h>
#include <linux/rbtree.h>
#include "acct.h"

struct bus1_slice;

/* The end of the last block, in bytes. A peer can never be charged for as much. */
#define BUS1_POOL_SIZE (1ULL << 40)

/**
 * struct bus1_pool - the blocks of a pool
 * @memory:	memory, provided by the front end
 * @data:	passed to @memory
 * @blocks:	all blocks, by offset
 * @slices:	slices that have been shown, by offset
 * @free:	free blocks, by size
 */
struct bus1_pool {
	const struct bus1_pool_memory *memory;
	void *data;
	struct list_head blocks;
	struct rb_root slices;
	struct rb_root free;
};

/**
 * struct bus1_slice - a block of a pool, a slice or free
 * @link:	link in the pool's list
 * @rb:		link in the tree of shown slices or in that of free blocks; empty when in neither
 * @offset:	offset in the pool in bytes, a multiple of 8
 * @size:	size in bytes, a multiple of 8
 * @used:	it is a slice, else it is free
 * @dirty:	free block: offset of the first byte that may have memory
 * @clean:	free block: end of the bytes that may have memory; at most @dirty when there are
 * none
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
void bus1_pool_free(struct bus1_pool *pool);
struct bus1_slice *bus1_slice_new(struct bus1_pool *pool, u64 size);
void bus1_slice_show(struct bus1_pool *pool, struct bus1_slice *slice);
void bus1_slice_free(struct bus1_pool *pool, struct bus1_slice *block);
struct bus1_slice *bus1_slice_find(struct bus1_pool *pool, u64 offset);
struct bus1_slice *bus1_slice_first(struct bus1_pool *pool);

#endif /* __BUS1_POOL_H */
