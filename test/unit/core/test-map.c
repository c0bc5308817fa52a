/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Maps from IDs to objects: what is found, and how much memory is needed for IDs that are far apart
 */

#include "core-test.h"
#include "map.h"
#include "node.h"
#include "peer.h"
#include <malloc.h>
#include <stdbool.h>

#define A (world.peers[0])
#define B (world.peers[1])

#define N_OBJECTS 1000

static struct bus1_object objects[N_OBJECTS];
static bool present[N_OBJECTS];
static unsigned n_added;

/* The ID that the map gives to objects[i]. */
static u64 id_of(unsigned i) {
        return 2 * i + 3;
}

static void expect_map(const struct bus1_map *map) {
        struct bus1_object *object = bus1_map_first(map);

        for (unsigned i = 0; i < n_added; i++) {
                struct bus1_object *next = bus1_map_from(map, id_of(i));

                ck_assert_ptr_eq(bus1_map_find(map, id_of(i)), present[i] ? &objects[i] : NULL);
                ck_assert_ptr_null(bus1_map_find(map, id_of(i) - 1));
                ck_assert_ptr_eq(next, object);
                if (present[i]) {
                        ck_assert_ptr_eq(object, &objects[i]);
                        object = bus1_map_next(object);
                }
        }
        ck_assert_ptr_null(object);
        ck_assert_ptr_null(bus1_map_find(map, BUS1_INVALID));
        ck_assert_ptr_null(bus1_map_from(map, id_of(n_added)));
}

START_TEST(map_has_the_objects_in_the_order_of_their_ids) {
        struct bus1_map map;
        unsigned random = 1;

        bus1_map_init(&map);
        for (n_added = 0; n_added < N_OBJECTS;) {
                unsigned i = (random = random * 1664525 + 1013904223) % N_OBJECTS;

                if (random >> 31 && i < n_added) {
                        /* often remove the newest object */
                        if (random >> 30 & 1)
                                i = n_added - 1;
                        if (present[i])
                                bus1_map_remove(&map, &objects[i]);
                        present[i] = false;
                } else {
                        bus1_map_add(&map, &objects[n_added]);
                        ck_assert_uint_eq(objects[n_added].id, id_of(n_added));
                        present[n_added++] = true;
                }
                if (n_added % 50 == 0)
                        expect_map(&map);
        }
        for (unsigned i = 0; i < N_OBJECTS; i++) {
                if (present[i])
                        bus1_map_remove(&map, &objects[i]);
                present[i] = false;
        }
        expect_map(&map);
        ck_assert_ptr_null(bus1_map_first(&map));
}
END_TEST

static void copy_many(struct bus1_peer *from, struct bus1_peer *to, u64 handle, u64 *ret_ids,
                      size_t n) {
        static struct bus1_transfer src[BUS1_MAX_TRANSFERS], dst[BUS1_MAX_TRANSFERS];

        for (size_t done = 0; done < n; done += BUS1_MAX_TRANSFERS) {
                for (size_t i = 0; i < BUS1_MAX_TRANSFERS; i++)
                        src[i].id = handle;
                ck_assert_int_eq(bus1_peer_transfer(from, to, src, dst, BUS1_MAX_TRANSFERS), 0);
                for (size_t i = 0; i < BUS1_MAX_TRANSFERS; i++)
                        ret_ids[done + i] = dst[i].id;
        }
}

/* In a build with sanitizers mallinfo2() reports 0, so there the test checks no memory. */
START_TEST(handles_that_are_left_need_no_more_than_their_structure) {
        static u64 ids[64 * BUS1_MAX_TRANSFERS];
        struct world world = world_new(2);
        size_t n_left = 0, before, used;
        u64 node, handle;

        create(B, B, 0, &node, &handle);
        before = mallinfo2().uordblks;
        copy_many(B, A, handle, ids, sizeof(ids) / sizeof(ids[0]));
        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
                if (i % 64 == 0)
                        ++n_left;
                else
                        ck_assert_int_eq(try_release(A, ids[i]), 0);
        }
        ck_assert_uint_eq(query(A).n_handles, n_left);
        used = mallinfo2().uordblks - before;
        /* the allocator rounds up, and has some bytes of its own */
        ck_assert_uint_le(used / n_left, sizeof(struct bus1_handle) + 32);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("map");
        TCase *tcase = tcase_create("map");

        tcase_add_test(tcase, map_has_the_objects_in_the_order_of_their_ids);
        tcase_add_test(tcase, handles_that_are_left_need_no_more_than_their_structure);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
