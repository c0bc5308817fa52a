/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hash tables whose size changes in small steps
 *
 * An element has a struct table_link inside, and its hash; the caller compares the keys. A table
 * grows and shrinks by one or two buckets at a time (linear hashing), so no operation takes long,
 * however many elements there are. Adding never fails: without memory the buckets only get longer.
 *
 *      for (link = table_first(&table, hash); link; link = table_next(link))
 *              if (is_wanted(container_of(link, struct element, link)))
 *                      ...
 */

#include <stddef.h>
#include <stdint.h>

#define TABLE_BUCKETS_MIN 8

struct table_link {
        struct table_link *next;
        uint64_t hash;
};

struct table {
        struct table_link **buckets;
        size_t n_buckets, n_allocated;
        size_t n; /* number of elements */
        struct table_link *few[TABLE_BUCKETS_MIN];
};

void table_init(struct table *table);
/* Free the buckets. The elements belong to the caller. */
void table_deinit(struct table *table);
void table_add(struct table *table, struct table_link *link, uint64_t hash);
void table_remove(struct table *table, struct table_link *link);
/* The first or next element with this hash, or NULL. */
struct table_link *table_first(const struct table *table, uint64_t hash);
struct table_link *table_next(const struct table_link *link);
