/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_POOL_H
#define __BUS1_POOL_H

/*
 * Pools
 *
 * A pool is memory that the program of a peer maps, and that messages are received into. The data
 * of each such message gets a slice of the pool. The functions here allocate slices. The front end
 * provides the memory (struct bus1_pool_memory).
 *
 * A pool is a row of blocks without gaps. Each block is either a slice or free. The last block is
 * always free, and reaches to the end of the pool:
 *
 *	| slice | free | slice | slice | free .......... |
 *
 * A new slice takes the start of the smallest free block that it fits into. So the last block is
 * used only when no other block is large enough. bus1_slice_find() finds only slices that were
 * passed to bus1_slice_show().
 *
 * Memory has pages, and a page that a slice is in is *occupied*. When a page is not occupied any
 * more, its memory is freed, unless the page is *kept*. The kept pages are one small range of pages
 * in a free block that were occupied recently: the next slice is likely to be put there. Only
 * occupied and kept pages can have memory, and the peer is charged for each of them. This charge
 * may exceed limits: otherwise a peer whose queue is full could not receive. When the message is
 * taken out of the queue, this charge replaces the charge for its data. So a peer is charged for at
 * most about twice as much as it may be.
 *
 * The lock of the peer protects everything here. The offset and size of a slice never change, so
 * the receiver that fills the slice can read them without the lock.
 */

#include <linux/list.h>
#include <linux/rbtree.h>
#include "charge.h"

struct bus1_slice;

/* The end of the last block, in bytes: much more than BUS1_DEFAULT_MAX_BYTES. */
#define BUS1_POOL_SIZE (1ULL << 40)

/* the most bytes of kept pages */
#define BUS1_POOL_KEPT ((u64)64 * 1024)

/**
 * struct bus1_pool - the blocks of a pool
 * @memory:	memory, provided by the front end
 * @data:	passed to @memory
 * @usage:	usage of the peer, which is charged
 * @charged:	bytes that the peer is charged for occupied and kept pages
 * @kept:	offset of the kept pages
 * @kept_end:	end of the kept pages; equal to @kept when there are none
 * @ended:	no pages are to be kept any more
 * @blocks:	all blocks, by offset
 * @slices:	slices that have been shown, by offset
 * @free:	free blocks, by size
 */
struct bus1_pool {
	const struct bus1_pool_memory *memory;
	void *data;
	struct bus1_usage *usage;
	u64 charged;
	u64 kept;
	u64 kept_end;
	bool ended;
	struct list_head blocks;
	struct rb_root slices;
	struct rb_root free;
};

/**
 * struct bus1_slice - a block of a pool, which is a slice or free
 * @link:	link in the pool's list
 * @rb:		link in the tree of shown slices or in that of free blocks; empty when in neither
 * @offset:	offset in the pool in bytes, a multiple of 8
 * @size:	size in bytes, a multiple of 8
 * @used:	the block is a slice; else it is free
 * @charged:	for a slice: the peer is charged for one message because of the slice
 */
struct bus1_slice {
	struct list_head link;
	struct rb_node rb;
	u64 offset;
	u64 size;
	bool used;
	bool charged;
};

struct bus1_pool *bus1_pool_new(const struct bus1_pool_memory *memory, void *data,
				struct bus1_usage *usage);
void bus1_pool_trim(struct bus1_pool *pool, bool forever);
void bus1_pool_free(struct bus1_pool *pool);
struct bus1_slice *bus1_slice_new(struct bus1_pool *pool, u64 size);
void bus1_slice_show(struct bus1_pool *pool, struct bus1_slice *slice);
void bus1_slice_free(struct bus1_pool *pool, struct bus1_slice *block);
struct bus1_slice *bus1_slice_find(struct bus1_pool *pool, u64 offset);
struct bus1_slice *bus1_slice_first(struct bus1_pool *pool);

#endif /* __BUS1_POOL_H */
