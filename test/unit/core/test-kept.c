/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Memory that messages and commands keep besides data: what the allocator rounds up, and what the
 * front end adds
 */

#include "acct.h"
#include "core-test.h"
#include "peer.h"

#define A world.peers[0]
#define B world.peers[1]

/* Returns what one message to A costs: what A may have, divided by how many messages fit. */
static u64 cost(size_t n_data, size_t n_added) {
        const u64 limit = 1 << 24;
        struct world world = world_new_limited(2, &(struct bus1_limits){.max = {limit}});
        u64 node, handle, left, n = 0;
        int r;

        create(A, B, 0, &node, &handle);
        /* B has a handle, A a node. A gets half of what is left. */
        left = (limit - 2 * BUS1_COST_OBJECT) / 2;
        do {
                struct bus1_payload *payload = bus1_payload_new(n_data, 0);

                payload->n_kept += n_added;
                r = try_send_payload(B, &handle, 1, payload);
                n += r == 0;
        } while (r == 0);
        ck_assert_int_eq(r, -EDQUOT);
        ck_assert_uint_eq(query(A).n_bytes, n * n_data);
        ck_assert_uint_gt(A->usage.used[BUS1_SUM_KEPT], 0);

        while (test_recv(A).r == 0)
                ;
        ck_assert_uint_eq(A->usage.used[BUS1_SUM_KEPT], 0);
        world_free(&world);
        return left / n;
}

START_TEST(message_costs_what_its_allocation_takes) {
        u64 n;

        /* the header and the data fit into 4096 bytes together */
        n = cost(3000, 0);
        ck_assert_uint_ge(n, 4096);
        ck_assert_uint_lt(n, 5000);
        /* here they do not fit, so the data has an allocation of its own */
        n = cost(4000, 0);
        ck_assert_uint_ge(n, 4096 + 256);
        ck_assert_uint_lt(n, 5000);
        n = cost(16384, 0);
        ck_assert_uint_ge(n, 16384 + 256);
        ck_assert_uint_lt(n, 17500);
        /* data that is just larger than a block of the allocator takes a block of twice the size */
        ck_assert_uint_ge(cost(4097, 0), 8192);
        ck_assert_uint_ge(cost(16385, 0), 32768);
}
END_TEST

START_TEST(message_costs_what_the_front_end_adds) {
        u64 without = cost(3000, 0), with = cost(3000, 2000);

        ck_assert_uint_ge(with, without + 1900);
        ck_assert_uint_le(with, without + 2100);
}
END_TEST

/* A delivery with 15 handles needs more than 192 bytes, and is charged as 256 bytes. */
START_TEST(handles_of_a_message_cost_what_their_allocation_takes) {
        struct world world = world_new(2);
        struct bus1_transfer transfers[15];
        u64 node, handle, before;

        create(A, B, 0, &node, &handle);
        send_text(B, handle, "");
        before = A->usage.used[BUS1_SUM_KEPT];
        ck_assert_int_eq(test_recv(A).r, 0);
        for (size_t i = 0; i < 15; i++)
                transfers[i] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        ck_assert_int_eq(try_send(B, &handle, 1, "", transfers, 15), 0);
        ck_assert_uint_ge(A->usage.used[BUS1_SUM_KEPT], before + 256 - 192 - 40);
        ck_assert_int_eq(test_recv(A).r, 0);
        ck_assert_uint_eq(A->usage.used[BUS1_SUM_KEPT], 0);
        world_free(&world);
}
END_TEST

START_TEST(command_costs_what_its_allocations_take) {
        ck_assert_uint_eq(bus1_send_memory(0, 0, 0) < BUS1_COMMAND_FREE, true);
        ck_assert_uint_ge(bus1_send_memory(8193, 0, 0), 16384);
        /* data that fills a block of the allocator gets a block of its own */
        ck_assert_uint_ge(bus1_send_memory(8192, 0, 0), 8192 + 256);
        ck_assert_uint_le(bus1_send_memory(8192, 0, 0), 8192 + 512);
        /* IDs, errors, and the array of the core: 8, 4 and 16 bytes for each destination */
        ck_assert_uint_ge(bus1_send_memory(0, 1025, 0), 16384 + 8192 + 32768);
        ck_assert_uint_ge(bus1_release_memory(4097), 2 * 65536);
        ck_assert_uint_ge(bus1_transfer_memory(513), 2 * 16384 + 32768);
        /* vmalloc() takes whole pages */
        ck_assert_uint_le(bus1_send_memory(5 << 20, 0, 0), (5 << 20) + 8192);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("kept");
        TCase *tcase = tcase_create("kept");

        tcase_add_test(tcase, message_costs_what_its_allocation_takes);
        tcase_add_test(tcase, message_costs_what_the_front_end_adds);
        tcase_add_test(tcase, handles_of_a_message_cost_what_their_allocation_takes);
        tcase_add_test(tcase, command_costs_what_its_allocations_take);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
