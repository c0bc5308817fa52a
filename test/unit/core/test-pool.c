/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Receiving into a pool: the place of the data, its charges, and the end of slices
 */

#include "core-test.h"
#include "peer.h"
#include "pool.h"
#include <linux/limits.h>
#include <linux/mm.h>
#include <stdlib.h>
#include <string.h>

#define A (world.peers[0])
#define B (world.peers[1])

static struct world world;
static struct pool pool;
/* A owns the node, and B has the handle */
static u64 node, handle;

static void setup(void) {
        world = world_new(2);
        pool = pool_new();
        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(bus1_peer_enable_pool(A, &pool_memory, &pool), 0);
}

static void teardown(void) {
        world_free(&world);
        free(pool.memory);
}

static s64 used(enum bus1_resource resource) {
        return A->usage.used[resource];
}

static void expect_used(s64 n_bytes, s64 n_messages) {
        ck_assert_int_eq(used(BUS1_RESOURCE_BYTES), n_bytes);
        ck_assert_int_eq(used(BUS1_RESOURCE_MESSAGES), n_messages);
}

static int try_recv_below(u64 max_offset, u64 *ret_offset) {
        struct bus1_recv recv;
        int r = bus1_peer_recv_begin(A, &recv);

        if (r < 0)
                return r;
        r = bus1_recv_to_pool(&recv, max_offset, ret_offset);
        if (r < 0) {
                bus1_peer_recv_abort(&recv);
                return r;
        }
        return bus1_peer_recv_commit(&recv);
}

static u64 recv_into_pool(const char *text) {
        u64 offset;

        ck_assert_int_eq(try_recv_below(U64_MAX, &offset), 0);
        ck_assert_uint_le(offset, POOL_SIZE);
        ck_assert_mem_eq(pool.memory + offset, text, strlen(text));
        return offset;
}

START_TEST(data_stays_in_its_slice_until_that_is_released) {
        u64 first, second, third;

        send_text(B, handle, "the first message");
        send_text(B, handle, "second");
        first = recv_into_pool("the first message");
        second = recv_into_pool("second");
        ck_assert_uint_ne(first, second);
        ck_assert_uint_eq((first | second) % 8, 0);
        ck_assert_mem_eq(pool.memory + first, "the first message", 17);

        ck_assert_int_eq(bus1_peer_release_slice(A, first + 8), -EBADRQC);
        ck_assert_int_eq(bus1_peer_release_slice(A, first), 0);
        ck_assert_int_eq(bus1_peer_release_slice(A, first), -EBADRQC);
        send_text(B, handle, "third");
        third = recv_into_pool("third");
        ck_assert_uint_eq(third, first);
        ck_assert_mem_eq(pool.memory + second, "second", 6);
}
END_TEST

START_TEST(slice_is_charged_until_it_is_released) {
        struct bus1_peer *foreign = world_add(&world, 2000);
        u64 offset, foreign_handle;

        foreign_handle = copy(B, foreign, handle);
        send_text(foreign, foreign_handle, "0123456789");
        expect_used(10, 1);
        ck_assert_int_eq(A->usage.account->n_shares, 1);
        offset = recv_into_pool("0123456789");
        /* the sender has nothing in flight any more */
        ck_assert_int_eq(A->usage.account->n_shares, 0);
        /* a slice costs its page, and counts as one message */
        expect_used(PAGE_SIZE, 1);
        ck_assert_uint_eq(query(A).n_bytes, PAGE_SIZE);
        ck_assert_uint_eq(query(A).n_messages, 0);
        ck_assert_int_eq(bus1_peer_release_slice(A, offset), 0);
        /* the page is kept, for the next slice */
        expect_used(PAGE_SIZE, 0);
        ck_assert_uint_eq(pool.n_pages, 1);
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        expect_used(0, 0);
        ck_assert_uint_eq(pool.n_pages, 0);
}
END_TEST

START_TEST(held_slices_count_on_the_limit) {
        struct bus1_limits limits = {.max[BUS1_RESOURCE_MESSAGES] = 8};
        struct world small = world_new_limited(1, &limits);
        struct bus1_peer *peer = small.peers[0];
        u64 offsets[4], own_node, own;

        create(peer, peer, 0, &own_node, &own);
        ck_assert_int_eq(bus1_peer_enable_pool(peer, &pool_memory, &pool), 0);
        for (unsigned i = 0; i < 4; i++) {
                struct bus1_recv recv;

                send_text(peer, own, "text");
                ck_assert_int_eq(bus1_peer_recv_begin(peer, &recv), 0);
                ck_assert_int_eq(bus1_recv_to_pool(&recv, U64_MAX, &offsets[i]), 0);
                ck_assert_int_eq(bus1_peer_recv_commit(&recv), 0);
        }
        ck_assert_int_eq(try_send(peer, &own, 1, "text", NULL, 0), -EDQUOT);
        ck_assert_int_eq(bus1_peer_release_slice(peer, offsets[2]), 0);
        ck_assert_int_eq(try_send(peer, &own, 1, "text", NULL, 0), 0);
        world_free(&small);
}
END_TEST

START_TEST(what_has_no_data_takes_no_slice) {
        u64 offset = 0, last;

        send_text(B, handle, "");
        ck_assert_int_eq(try_recv_below(0, &offset), 0);
        ck_assert_uint_eq(offset, BUS1_INVALID);
        ck_assert_int_eq(try_release(B, handle), 0);
        ck_assert_int_eq(try_recv_below(0, &last), 0);
        ck_assert_uint_eq(last, BUS1_INVALID);
        expect_used(0, 0);
}
END_TEST

START_TEST(data_ends_before_the_maximal_offset) {
        u64 offset;

        send_text(B, handle, "0123456789");
        ck_assert_int_eq(try_recv_below(9, &offset), -ERANGE);
        ck_assert_int_eq(try_recv_below(0, &offset), -ERANGE);
        ck_assert_int_eq(bus1_peer_release_slice(A, 0), -EBADRQC);
        ck_assert_int_eq(try_recv_below(10, &offset), 0);
        ck_assert_uint_eq(offset, 0);
}
END_TEST

START_TEST(receive_that_fails_leaves_no_slice) {
        struct bus1_recv recv;
        unsigned n = 0;
        u64 offset;
        int r;

        send_text(B, handle, "text");
        pool.fails = true;
        ck_assert_int_eq(try_recv_below(U64_MAX, &offset), -ENOMEM);
        pool.fails = false;
        do {
                ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
                shim_fail_allocation(++n);
                r = bus1_recv_to_pool(&recv, U64_MAX, &offset);
                shim_fail_allocation(0);
                bus1_peer_recv_abort(&recv);
                ck_assert(r == 0 || r == -ENOMEM);
                ck_assert_int_eq(bus1_peer_release_slice(A, 0), -EBADRQC);
                expect_used(4, 1);
        } while (r < 0);
        ck_assert_uint_eq(n, 2);
        ck_assert_uint_eq(recv_into_pool("text"), 0);
}
END_TEST

START_TEST(nobody_finds_a_slice_before_its_message_is_taken) {
        struct bus1_recv recv;
        u64 offset;

        send_text(B, handle, "text");
        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        ck_assert_int_eq(bus1_recv_to_pool(&recv, U64_MAX, &offset), 0);
        ck_assert_int_eq(bus1_peer_release_slice(A, offset), -EBADRQC);
        /* the end of the node drops the message and its slice */
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_int_eq(bus1_peer_recv_commit(&recv), -ESTALE);
        ck_assert_int_eq(bus1_peer_release_slice(A, offset), -EBADRQC);
        expect_nothing(A);
        expect_used(0, 0);
}
END_TEST

START_TEST(peer_may_end_while_a_slice_is_filled) {
        struct bus1_recv recv;
        u64 offset;

        send_text(B, handle, "text");
        send_text(B, handle, "more");
        offset = recv_into_pool("text");
        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        ck_assert_int_eq(bus1_peer_disconnect(A), 0);
        ck_assert_int_eq(bus1_recv_to_pool(&recv, U64_MAX, &offset), 0);
        ck_assert_int_eq(bus1_peer_recv_commit(&recv), -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_release_slice(A, offset), -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_enable_pool(A, &pool_memory, &pool), -ESHUTDOWN);
        expect_used(0, 0);
}
END_TEST

START_TEST(reset_releases_slices) {
        u64 offset;

        send_text(B, handle, "text");
        offset = recv_into_pool("text");
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        expect_used(0, 0);
        ck_assert_int_eq(bus1_peer_release_slice(A, offset), -EBADRQC);
        /* the pool outlives the reset */
        create(A, B, 0, &node, &handle);
        send_text(B, handle, "again");
        recv_into_pool("again");
}
END_TEST

START_TEST(peer_without_a_pool_has_no_slices) {
        unsigned n = 0;
        int r;

        ck_assert_int_eq(bus1_peer_release_slice(B, 0), -EBADRQC);
        do {
                shim_fail_allocation(++n);
                r = bus1_peer_enable_pool(B, &pool_memory, &pool);
                shim_fail_allocation(0);
                ck_assert(r == 0 || r == -ENOMEM);
        } while (r < 0);
        ck_assert_uint_eq(n, 3);
        /* the peer has a pool already, and keeps it */
        ck_assert_int_eq(bus1_peer_enable_pool(B, NULL, NULL), 0);
}
END_TEST

/* Send a message of n equal bytes, and receive it. Returns the offset of its slice. */
static u64 pass(size_t n, u8 byte) {
        struct bus1_payload *payload = bus1_payload_new(n, 0);
        u64 offset;

        ck_assert(!IS_ERR(payload));
        memset(payload->data, byte, n);
        ck_assert_int_eq(try_send_payload(B, &handle, 1, payload), 0);
        ck_assert_int_eq(try_recv_below(U64_MAX, &offset), 0);
        return offset;
}

/* The pool has memory in n pages, and A is charged for exactly these. */
static void expect_pages(u64 n) {
        ck_assert_uint_eq(pool.n_pages, n);
        expect_used(n * PAGE_SIZE, used(BUS1_RESOURCE_MESSAGES));
}

START_TEST(page_is_charged_while_a_slice_is_in_it) {
        static u64 offsets[8 * 512];

        /* 512 slices of 8 bytes fill a page */
        for (unsigned i = 0; i < 8 * 512; i++) {
                offsets[i] = pass(8, 'x');
                expect_pages(i / 512 + 1);
        }
        for (unsigned i = 0; i < 8 * 512; i++) {
                if (i % 512 != 100)
                        ck_assert_int_eq(bus1_peer_release_slice(A, offsets[i]), 0);
        }
        expect_pages(8);
        expect_used(8 * PAGE_SIZE, 8);
        /* other slices in the same pages cost nothing more */
        for (unsigned i = 0; i < 7; i++)
                pass(3000, 'y');
        expect_pages(8);
}
END_TEST

START_TEST(memory_of_free_pages_is_bounded) {
        u64 fillers[100];

        /* what an attacker does: long free ranges between small slices */
        for (unsigned i = 0; i < 100; i++) {
                fillers[i] = pass(17 * PAGE_SIZE - 8, 'f');
                ck_assert_uint_eq(pass(8, 's') % PAGE_SIZE, PAGE_SIZE - 8);
        }
        expect_pages(100 * 17);
        for (unsigned i = 0; i < 100; i++)
                ck_assert_int_eq(bus1_peer_release_slice(A, fillers[i]), 0);
        /* a page for each small slice, and the pages that are kept */
        expect_pages(100 + BUS1_POOL_KEPT / PAGE_SIZE);
        ck_assert_int_eq(bus1_peer_disconnect(A), 0);
        expect_pages(0);
}
END_TEST

START_TEST(place_that_is_used_again_keeps_its_memory) {
        static const size_t sizes[] = {1, 100, PAGE_SIZE, 5 * PAGE_SIZE + 1, 16 * PAGE_SIZE};
        u64 held, offset, n_discarded;

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                offset = pass(sizes[i], 'a');
                ck_assert_int_eq(bus1_peer_release_slice(A, offset), 0);
                for (unsigned round = 0; round < 100; round++) {
                        u64 n_pages = pool.n_pages;

                        ck_assert_uint_eq(pass(sizes[i], 'b'), offset);
                        ck_assert_uint_eq(pool.n_pages, n_pages);
                        ck_assert_int_eq(bus1_peer_release_slice(A, offset), 0);
                }
        }
        ck_assert_uint_eq(pool.n_discarded, 0);
        expect_pages(16);
        /* two slices at a time: each is released when the next one has come */
        held = pass(3 * PAGE_SIZE, 'c');
        offset = pass(3 * PAGE_SIZE, 'd');
        ck_assert_int_eq(bus1_peer_release_slice(A, held), 0);
        held = offset;
        n_discarded = pool.n_discarded;
        for (unsigned round = 0; round < 100; round++) {
                offset = pass(3 * PAGE_SIZE, 'd');
                ck_assert_int_eq(bus1_peer_release_slice(A, held), 0);
                held = offset;
        }
        ck_assert_uint_eq(pool.n_discarded, n_discarded);
        expect_pages(6);
}
END_TEST

START_TEST(peer_with_a_small_limit_keeps_no_memory) {
        u64 offset;

        A->usage.max[BUS1_RESOURCE_BYTES] = 2 * PAGE_SIZE;
        offset = pass(PAGE_SIZE, 'x');
        expect_pages(1);
        ck_assert_int_eq(bus1_peer_release_slice(A, offset), 0);
        expect_pages(0);
        /* a receive never fails because of its charge */
        for (unsigned i = 0; i < 2; i++)
                send_text(B, handle, "text");
        A->usage.max[BUS1_RESOURCE_BYTES] = 8;
        recv_into_pool("text");
        recv_into_pool("text");
        expect_pages(1);
        ck_assert_int_eq(try_send(B, &handle, 1, "text", NULL, 0), -EDQUOT);
}
END_TEST

START_TEST(memory_is_charged_in_any_sequence) {
        struct {
                u64 offset;
                size_t n;
                u8 byte;
        } slices[64] = {};
        u32 random = 1;

        for (unsigned i = 0; i < 20000; i++) {
                unsigned k;

                random = random * 1664525 + 1013904223;
                k = random >> 26;
                if (slices[k].n > 0) {
                        const u8 *data = pool.memory + slices[k].offset;

                        ck_assert_uint_eq(data[0], slices[k].byte);
                        ck_assert_mem_eq(data, data + 1, slices[k].n - 1);
                        ck_assert_int_eq(bus1_peer_release_slice(A, slices[k].offset), 0);
                        slices[k].n = 0;
                } else {
                        slices[k].n = 1 + (random >> 8) % (random & 0x80 ? 60000 : 600);
                        slices[k].byte = i;
                        slices[k].offset = pass(slices[k].n, slices[k].byte);
                }
                expect_pages(pool.n_pages);
        }
        for (unsigned k = 0; k < 64; k++) {
                if (slices[k].n > 0)
                        ck_assert_int_eq(bus1_peer_release_slice(A, slices[k].offset), 0);
        }
        ck_assert_uint_le(pool.n_pages, 16);
        expect_used(pool.n_pages * PAGE_SIZE, 0);
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        expect_pages(0);
}
END_TEST

static Suite *suite(void) {
        Suite *suite = suite_create("core-pool");
        TCase *tc = tcase_create("pool");

        tcase_add_checked_fixture(tc, setup, teardown);
        tcase_add_test(tc, data_stays_in_its_slice_until_that_is_released);
        tcase_add_test(tc, slice_is_charged_until_it_is_released);
        tcase_add_test(tc, held_slices_count_on_the_limit);
        tcase_add_test(tc, what_has_no_data_takes_no_slice);
        tcase_add_test(tc, data_ends_before_the_maximal_offset);
        tcase_add_test(tc, receive_that_fails_leaves_no_slice);
        tcase_add_test(tc, nobody_finds_a_slice_before_its_message_is_taken);
        tcase_add_test(tc, peer_may_end_while_a_slice_is_filled);
        tcase_add_test(tc, reset_releases_slices);
        tcase_add_test(tc, peer_without_a_pool_has_no_slices);
        tcase_add_test(tc, page_is_charged_while_a_slice_is_in_it);
        tcase_add_test(tc, memory_of_free_pages_is_bounded);
        tcase_add_test(tc, place_that_is_used_again_keeps_its_memory);
        tcase_add_test(tc, peer_with_a_small_limit_keeps_no_memory);
        tcase_add_test(tc, memory_is_charged_in_any_sequence);
        suite_add_tcase(suite, tc);
        return suite;
}

int main(void) {
        return run_suite(suite());
}
