/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hash table that changes its size in small steps, compared with an array */

#include "bridge/base/table.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/container-of.h"
#include "test/unit/suite.h"

#define N 5000

struct element {
        struct table_link link;
        unsigned key;
        bool is_in;
};

static struct element elements[N];
static struct table table;

/* Many elements have the same hash, and the low bits of some hashes are equal. */
static uint64_t hash_of(unsigned key) {
        return (uint64_t)(key / 3) * (key % 2 ? 0x9e3779b97f4a7c15ULL : 64);
}

static struct element *find(unsigned key) {
        struct table_link *link;

        for (link = table_first(&table, hash_of(key)); link; link = table_next(link)) {
                struct element *element = container_of(link, struct element, link);

                ck_assert_uint_eq(link->hash, hash_of(key));
                if (element->key == key)
                        return element;
        }
        return NULL;
}

static void check_all(void) {
        size_t n = 0;

        for (unsigned i = 0; i < N; i++) {
                ck_assert_ptr_eq(find(i), elements[i].is_in ? &elements[i] : NULL);
                n += elements[i].is_in;
        }
        ck_assert_uint_eq(table.n, n);
}

static void toggle(unsigned key) {
        struct element *element = &elements[key];

        if (element->is_in)
                table_remove(&table, &element->link);
        else
                table_add(&table, &element->link, hash_of(key));
        element->is_in = !element->is_in;
}

START_TEST(what_was_added_is_found) {
        unsigned seed = 1;

        table_init(&table);
        for (unsigned i = 0; i < N; i++)
                elements[i].key = i;
        check_all();
        for (unsigned round = 0; round < 20; round++) {
                for (unsigned i = 0; i < N; i++)
                        toggle((unsigned)rand_r(&seed) % N);
                check_all();
        }
        table_deinit(&table);
}
END_TEST

START_TEST(buckets_follow_the_elements) {
        table_init(&table);
        for (unsigned i = 0; i < N; i++) {
                elements[i] = (struct element){.key = i};
                toggle(i);
                ck_assert_uint_ge(table.n_buckets, table.n);
        }
        for (unsigned i = 0; i < N; i++) {
                toggle(i);
                if (table.n > TABLE_BUCKETS_MIN)
                        ck_assert_uint_le(table.n_buckets, 2 * table.n + 1);
        }
        ck_assert_uint_eq(table.n_buckets, TABLE_BUCKETS_MIN);
        ck_assert_uint_le(table.n_allocated, 4 * TABLE_BUCKETS_MIN);
        table_deinit(&table);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("table");

        tcase_add_test(tcase, what_was_added_is_found);
        tcase_add_test(tcase, buckets_follow_the_elements);
        return suite_run("table", tcase);
}
