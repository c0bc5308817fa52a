/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The limits of a single command: as much as allowed, one more, and far more; and unusual limits of
 * accounts
 */

#include "core-test.h"
#include <stdlib.h>
#include <string.h>

#define A world.peers[0]
#define B world.peers[1]

/* counts that overflow 32 or 64 bits when they are multiplied by the size of an element */
static const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 2 + 2, SIZE_MAX / 16 + 2, 1UL << 32};
#define N_ABSURD (sizeof(absurd) / sizeof(absurd[0]))

START_TEST(transfers_of_a_command) {
        struct world world = world_new(2);
        static struct bus1_transfer src[BUS1_MAX_TRANSFERS + 1], dst[BUS1_MAX_TRANSFERS + 1];
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        for (size_t i = 0; i < BUS1_MAX_TRANSFERS + 1; i++)
                src[i] = (struct bus1_transfer){0, handle};
        ck_assert_int_eq(bus1_peer_transfer(B, A, src, dst, BUS1_MAX_TRANSFERS + 1), -EMSGSIZE);
        for (size_t i = 0; i < N_ABSURD; i++)
                ck_assert_int_eq(bus1_peer_transfer(B, A, src, dst, absurd[i]), -EMSGSIZE);
        ck_assert_uint_eq(query(A).n_handles, 0);
        ck_assert_int_eq(bus1_peer_transfer(B, A, src, dst, BUS1_MAX_TRANSFERS), 0);
        ck_assert_uint_eq(query(A).n_handles, BUS1_MAX_TRANSFERS);
        ck_assert_uint_eq(query(A).max_transfers, BUS1_MAX_TRANSFERS);
        ck_assert_int_eq(bus1_peer_transfer(B, A, NULL, NULL, 0), 0);
        world_free(&world);
}
END_TEST

START_TEST(transfers_of_a_message) {
        struct world world = world_new(2);
        static struct bus1_transfer transfers[BUS1_MAX_TRANSFERS + 1];
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        for (size_t i = 0; i < BUS1_MAX_TRANSFERS + 1; i++)
                transfers[i] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        ck_assert_int_eq(try_send(B, &handle, 1, "", transfers, BUS1_MAX_TRANSFERS + 1), -EMSGSIZE);
        for (size_t i = 0; i < N_ABSURD; i++)
                ck_assert_int_eq(try_send(B, &handle, 1, "", transfers, absurd[i]), -EMSGSIZE);
        ck_assert_uint_eq(query(B).n_nodes, 0);
        ck_assert_uint_eq(transfers[0].id, BUS1_INVALID);
        ck_assert_int_eq(try_send(B, &handle, 1, "", transfers, BUS1_MAX_TRANSFERS), 0);
        ck_assert_uint_eq(query(B).n_nodes, BUS1_MAX_TRANSFERS);
        world_free(&world);
}
END_TEST

START_TEST(destinations_of_a_send) {
        struct world world = world_new(2);
        static u64 destinations[BUS1_MAX_DESTINATIONS + 1];
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        for (size_t i = 0; i < BUS1_MAX_DESTINATIONS + 1; i++)
                destinations[i] = handle;
        ck_assert_int_eq(try_send(B, destinations, BUS1_MAX_DESTINATIONS + 1, "", NULL, 0),
                         -EMSGSIZE);
        for (size_t i = 0; i < N_ABSURD; i++)
                ck_assert_int_eq(try_send(B, destinations, absurd[i], "", NULL, 0), -EMSGSIZE);
        expect_nothing(A);
        ck_assert_int_eq(try_send(B, destinations, BUS1_MAX_DESTINATIONS, "", NULL, 0), 0);
        ck_assert_uint_eq(query(A).n_messages, BUS1_MAX_DESTINATIONS);
        ck_assert_uint_eq(query(A).max_destinations, BUS1_MAX_DESTINATIONS);
        world_free(&world);
}
END_TEST

START_TEST(ids_of_a_release) {
        struct world world = world_new(1);
        static struct bus1_transfer src[BUS1_MAX_TRANSFERS], dst[BUS1_MAX_TRANSFERS];
        u64 *ids = malloc((BUS1_MAX_IDS + 1) * sizeof(*ids));
        u64 node, handle;
        size_t n = 0;

        create(A, A, 0, &node, &handle);
        for (size_t i = 0; i < BUS1_MAX_TRANSFERS; i++)
                src[i] = (struct bus1_transfer){0, handle};
        while (n < BUS1_MAX_IDS) {
                ck_assert_int_eq(bus1_peer_transfer(A, A, src, dst, BUS1_MAX_TRANSFERS), 0);
                for (size_t i = 0; i < BUS1_MAX_TRANSFERS; i++)
                        ids[n++] = dst[i].id;
        }
        ids[n] = handle;
        ck_assert_int_eq(bus1_peer_release(A, ids, n + 1), -EMSGSIZE);
        for (size_t i = 0; i < N_ABSURD; i++)
                ck_assert_int_eq(bus1_peer_release(A, ids, absurd[i]), -EMSGSIZE);
        ck_assert_uint_eq(query(A).n_handles, n + 1);
        ck_assert_int_eq(bus1_peer_release(A, ids, n), 0);
        ck_assert_uint_eq(query(A).n_handles, 1);
        expect_nothing(A);
        free(ids);
        world_free(&world);
}
END_TEST

START_TEST(data_and_files_of_a_message) {
        struct world world = world_new(2);
        struct bus1_payload *payload;
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(PTR_ERR(bus1_payload_new(BUS1_MAX_DATA + 1, 0)), -EMSGSIZE);
        ck_assert_int_eq(PTR_ERR(bus1_payload_new(0, BUS1_MAX_PAYLOAD_FILES + 1)), -EMSGSIZE);
        for (size_t i = 0; i < N_ABSURD; i++) {
                ck_assert_int_eq(PTR_ERR(bus1_payload_new(absurd[i], 0)), -EMSGSIZE);
                ck_assert_int_eq(PTR_ERR(bus1_payload_new(0, absurd[i])), -EMSGSIZE);
                ck_assert_int_eq(PTR_ERR(bus1_payload_new(absurd[i], absurd[i])), -EMSGSIZE);
        }

        payload = bus1_payload_new(BUS1_MAX_DATA, BUS1_MAX_PAYLOAD_FILES);
        ck_assert(!IS_ERR(payload));
        ck_assert_uint_eq(payload->n_data, BUS1_MAX_DATA);
        payload->data[BUS1_MAX_DATA - 1] = 1;
        payload->files[BUS1_MAX_PAYLOAD_FILES - 1] = NULL;
        ck_assert_int_eq(try_send_payload(B, &handle, 1, payload), 0);
        ck_assert_uint_eq(query(A).n_bytes, BUS1_MAX_DATA);
        ck_assert_uint_eq(query(A).n_fds, BUS1_MAX_PAYLOAD_FILES);
        ck_assert_uint_eq(query(A).max_data, BUS1_MAX_DATA);
        ck_assert_uint_eq(query(A).max_fds, BUS1_MAX_FILES);
        ck_assert_uint_eq(test_recv(A).n_data, BUS1_MAX_DATA);
        ck_assert_uint_eq(query(A).n_bytes, 0);
        world_free(&world);
}
END_TEST

START_TEST(limits_of_accounts_beyond_all_sense) {
        struct bus1_limits limits = {.max = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
        struct world world = world_new_limited(0, &limits);
        u64 node, handle;

        /* the sum of used and requested amounts must not overflow */
        world_add(&world, 1);
        world_add(&world, 2);
        create(A, B, 0, &node, &handle);
        for (unsigned i = 0; i < 100; i++)
                ck_assert_int_eq(try_send_payload(B, &handle, 1, bus1_payload_new(100000, 0)), 0);
        ck_assert_uint_eq(query(A).n_bytes, 100 * 100000);
        world_free(&world);
}
END_TEST

START_TEST(limits_follow_from_the_memory_of_the_machine) {
        struct bus1_limits small = {.max[BUS1_RESOURCE_FILES] = 5}, large = {};

        bus1_limits_fill(&small, 1ULL << 30);
        ck_assert_uint_eq(small.max[BUS1_RESOURCE_BYTES], 1ULL << 27);
        ck_assert_uint_eq(small.max[BUS1_RESOURCE_OBJECTS], 1ULL << 17);
        ck_assert_uint_eq(small.max[BUS1_RESOURCE_MESSAGES], (1ULL << 27) / BUS1_COST_MESSAGE);
        ck_assert_uint_eq(small.max[BUS1_RESOURCE_FILES], 5);
        bus1_limits_fill(&large, 1ULL << 40);
        ck_assert_uint_eq(large.max[BUS1_RESOURCE_BYTES], BUS1_DEFAULT_MAX_BYTES);
        ck_assert_uint_eq(large.max[BUS1_RESOURCE_OBJECTS], BUS1_DEFAULT_MAX_OBJECTS);
        ck_assert_uint_eq(large.max[BUS1_RESOURCE_MESSAGES], BUS1_DEFAULT_MAX_MESSAGES);
        ck_assert_uint_eq(large.max[BUS1_RESOURCE_FILES], BUS1_DEFAULT_MAX_FILES);
}
END_TEST

START_TEST(limits_of_one_leave_room_for_nothing) {
        struct bus1_limits limits = {.max = {1, 1, 1, 1}};
        struct world world = world_new_limited(1, &limits);
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;

        /* a node and a handle are two objects, and a peer gets at most half of what is left */
        ck_assert_int_eq(bus1_peer_transfer(A, A, &src, &dst, 1), -EDQUOT);
        ck_assert_uint_eq(src.id, BUS1_INVALID);
        ck_assert_uint_eq(query(A).n_nodes, 0);
        world_free(&world);
}
END_TEST

START_TEST(memory_of_commands) {
        struct bus1_limits limits = {.max = {[BUS1_RESOURCE_BYTES] = 100000}};
        struct world world = world_new_limited(2, &limits);
        struct bus1_peer *other = world_add(&world, 1001);
        const size_t none = BUS1_COMMAND_FREE;
        u64 node, handle;

        /* a peer never has more than its account still has left, so one peer gets at most half */
        ck_assert_int_eq(bus1_peer_begin_command(A, none + 50001), -EDQUOT);
        ck_assert_int_eq(bus1_peer_begin_command(A, none + 50000), 0);
        ck_assert_int_eq(bus1_peer_begin_command(A, none + 1), -EDQUOT);
        ck_assert_int_eq(bus1_peer_begin_command(A, none), 0);
        ck_assert_int_eq(bus1_peer_begin_command(B, none + 25001), -EDQUOT);
        ck_assert_int_eq(bus1_peer_begin_command(B, none + 25000), 0);

        /* commands of other users do not count, and queued messages count on another limit */
        ck_assert_int_eq(bus1_peer_begin_command(other, none + 50000), 0);
        create(A, other, 0, &node, &handle);
        ck_assert_int_eq(try_send_payload(other, &handle, 1, bus1_payload_new(16000, 0)), 0);
        bus1_peer_end_command(other, none + 50000);

        bus1_peer_end_command(B, none + 25000);
        bus1_peer_end_command(A, none + 50000);
        bus1_peer_end_command(A, none);
        ck_assert_int_eq(bus1_peer_begin_command(A, none + 50000), 0);
        bus1_peer_end_command(A, none + 50000);
        ck_assert_int_eq(bus1_peer_begin_command(A, SIZE_MAX), -EDQUOT);
        world_free(&world);
}
END_TEST

START_TEST(destinations_are_checked) {
        struct world world = world_new(2);
        u64 node, handle, ids[3];

        create(A, B, 0, &node, &handle);
        ids[0] = ids[1] = handle;
        ids[2] = handle + 2;
        ck_assert_int_eq(bus1_peer_check_destinations(B, NULL, 0), 0);
        ck_assert_int_eq(bus1_peer_check_destinations(B, ids, 2), 0);
        ck_assert_int_eq(bus1_peer_check_destinations(B, ids, 3), -EBADRQC);
        /* the ID of a node is no destination */
        ck_assert_int_eq(bus1_peer_check_destinations(A, &node, 1), -EBADRQC);
        ck_assert_int_eq(bus1_peer_disconnect(B), 0);
        ck_assert_int_eq(bus1_peer_check_destinations(B, ids, 2), -ESHUTDOWN);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("limits");
        TCase *tcase = tcase_create("limits");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, transfers_of_a_command);
        tcase_add_test(tcase, transfers_of_a_message);
        tcase_add_test(tcase, destinations_of_a_send);
        tcase_add_test(tcase, ids_of_a_release);
        tcase_add_test(tcase, data_and_files_of_a_message);
        tcase_add_test(tcase, limits_of_accounts_beyond_all_sense);
        tcase_add_test(tcase, limits_follow_from_the_memory_of_the_machine);
        tcase_add_test(tcase, limits_of_one_leave_room_for_nothing);
        tcase_add_test(tcase, memory_of_commands);
        tcase_add_test(tcase, destinations_are_checked);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
