/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hash tables that grow and shrink by a few buckets at a time: see table.h. */

#include "bridge/base/table.h"

#include <stdlib.h>
#include <string.h>

void table_init(struct table *table) {
        *table = (struct table){.n_buckets = TABLE_BUCKETS_MIN, .n_allocated = TABLE_BUCKETS_MIN};
        table->buckets = table->few;
}

void table_deinit(struct table *table) {
        if (table->buckets != table->few)
                free(table->buckets);
        table_init(table);
}

/* The largest power of two that is at most n. */
static size_t power_below(size_t n) {
        return (size_t)1 << (63 - __builtin_clzll(n));
}

/*
 * With n = power + i buckets, the buckets 0 to i - 1 and power to power + i - 1 are split: they
 * look at one bit more of the hash than the others.
 */
static size_t bucket_of(const struct table *table, uint64_t hash) {
        size_t power = power_below(table->n_buckets), i = hash & (2 * power - 1);

        return i < table->n_buckets ? i : i & (power - 1);
}

/* Change the memory of the buckets. Returns 0 or -1. */
static int resize(struct table *table, size_t n) {
        struct table_link **buckets;

        if (table->buckets == table->few) {
                buckets = reallocarray(NULL, n, sizeof(*buckets));
                if (buckets)
                        memcpy(buckets, table->few, sizeof(table->few));
        } else
                buckets = reallocarray(table->buckets, n, sizeof(*buckets));
        if (!buckets)
                return -1;
        table->buckets = buckets;
        table->n_allocated = n;
        return 0;
}

/* Add a bucket, which takes its elements from one other bucket. */
static void grow(struct table *table) {
        size_t power = power_below(table->n_buckets), from = table->n_buckets - power;
        struct table_link *link, *next;

        if (table->n_buckets == table->n_allocated && resize(table, 2 * table->n_allocated) < 0)
                return;
        link = table->buckets[from];
        table->buckets[from] = NULL;
        table->buckets[table->n_buckets++] = NULL;
        for (; link; link = next) {
                struct table_link **bucket = &table->buckets[bucket_of(table, link->hash)];

                next = link->next;
                link->next = *bucket;
                *bucket = link;
        }
}

/* Remove the last bucket, and give its elements back to the other one. */
static void shrink(struct table *table) {
        size_t last = table->n_buckets - 1;
        struct table_link **to = &table->buckets[last - power_below(last)];

        while (*to)
                to = &(*to)->next;
        *to = table->buckets[last];
        table->n_buckets = last;
        if (table->buckets != table->few && table->n_allocated >= 4 * table->n_buckets)
                resize(table, table->n_allocated / 2);
}

void table_add(struct table *table, struct table_link *link, uint64_t hash) {
        struct table_link **bucket;

        if (table->n >= table->n_buckets)
                grow(table);
        bucket = &table->buckets[bucket_of(table, hash)];
        *link = (struct table_link){*bucket, hash};
        *bucket = link;
        table->n++;
}

void table_remove(struct table *table, struct table_link *link) {
        struct table_link **at = &table->buckets[bucket_of(table, link->hash)];

        while (*at != link)
                at = &(*at)->next;
        *at = link->next;
        table->n--;
        /* two buckets for each element, so that the table follows when all elements go */
        for (int i = 0; i < 2; i++)
                if (table->n_buckets > TABLE_BUCKETS_MIN && table->n < table->n_buckets / 2)
                        shrink(table);
}

struct table_link *table_next(const struct table_link *link) {
        struct table_link *next = link->next;

        while (next && next->hash != link->hash)
                next = next->next;
        return next;
}

struct table_link *table_first(const struct table *table, uint64_t hash) {
        struct table_link *link = table->buckets[bucket_of(table, hash)];

        return !link || link->hash == hash ? link : table_next(&(struct table_link){link, hash});
}
