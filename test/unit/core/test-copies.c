/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Handles that another user than the owner of their node has passed on: a user can hold only so
 * many, because each adds to the command that ends the node
 */

#include "acct.h"
#include "charge.h"
#include "core-test.h"
#include "peer.h"

#define MAX 4096

#define OWNER world.peers[0]
#define USER world.peers[1]
#define SECOND world.peers[2]
#define OTHER world.peers[3]

static void add_users(struct world *world) {
        world_add(world, 1001);
        world_add(world, 1001);
        world_add(world, 1002);
}

static int try_copy(struct bus1_peer *from, struct bus1_peer *to, u64 handle, u64 *ret_copy) {
        struct bus1_transfer src = {0, handle}, dst = {};
        int r = bus1_peer_transfer(from, to, &src, &dst, 1);

        *ret_copy = dst.id;
        return r;
}

static unsigned copy_until_refused(struct bus1_peer *from, struct bus1_peer *to, u64 handle,
                                   u64 *ret_last) {
        unsigned n = 0;
        int r;

        while ((r = try_copy(from, to, handle, ret_last)) == 0)
                ++n;
        ck_assert_int_eq(r, -EDQUOT);
        return n;
}

START_TEST(copies_are_limited_per_user) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max_copies = MAX});
        u64 node, handle, last;

        add_users(&world);
        create(OWNER, USER, 0, &node, &handle);
        /* A peer gets half of what its user has left. */
        ck_assert_uint_eq(copy_until_refused(USER, USER, handle, &last), MAX / 2);
        ck_assert_uint_eq(copy_until_refused(USER, SECOND, handle, &last), MAX / 4);
        ck_assert_uint_eq(USER->usage.account->used[BUS1_SUM_COPIES], MAX * 3 / 4);
        /* That does not concern another user. */
        ck_assert_int_eq(try_copy(USER, OTHER, handle, &last), 0);
        world_free(&world);
}
END_TEST

START_TEST(release_makes_room_for_copies) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max_copies = MAX});
        u64 node, handle, first, last;

        add_users(&world);
        create(OWNER, USER, 0, &node, &handle);
        ck_assert_int_eq(try_copy(USER, USER, handle, &first), 0);
        copy_until_refused(USER, USER, handle, &last);
        ck_assert_int_eq(try_release(USER, first), 0);
        ck_assert_int_eq(try_copy(USER, USER, handle, &first), 0);
        ck_assert_int_eq(try_copy(USER, USER, handle, &last), -EDQUOT);
        world_free(&world);
}
END_TEST

START_TEST(handles_from_the_owner_are_no_copies) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max_copies = MAX});
        u64 node, handle, own_node, own, last;

        add_users(&world);
        create(OWNER, OWNER, 0, &node, &own);
        create(OWNER, USER, 0, &node, &handle);
        copy_until_refused(USER, USER, handle, &last);
        ck_assert_int_eq(try_copy(OWNER, USER, own, &last), 0);
        ck_assert_int_eq(try_copy(OWNER, OWNER, own, &last), 0);
        /* nor are handles to nodes of other peers of the same user, here of SECOND */
        create(SECOND, USER, 0, &own_node, &own);
        ck_assert_int_eq(try_copy(USER, USER, own, &last), 0);
        world_free(&world);
}
END_TEST

START_TEST(copies_in_messages_count_too) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max_copies = MAX});
        u64 node, handle, u_node, u_handle, last;
        struct bus1_transfer transfers[2];
        struct received received;
        unsigned n = 0;
        int r;

        add_users(&world);
        create(OWNER, SECOND, 0, &node, &handle);
        create(USER, SECOND, 0, &u_node, &u_handle);
        do {
                transfers[0] = (struct bus1_transfer){0, handle};
                transfers[1] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
                r = try_send(SECOND, &u_handle, 1, "", transfers, 2);
                n += r == 0;
        } while (r == 0);
        ck_assert_int_eq(r, -EDQUOT);
        ck_assert_uint_eq(n, MAX / 2);
        ck_assert_uint_eq(USER->usage.used[BUS1_SUM_COPIES], n);

        /* A copy still counts after its message is received, until the handle is released. */
        received = test_recv(USER);
        ck_assert_int_eq(received.r, 0);
        ck_assert_uint_eq(USER->usage.used[BUS1_SUM_COPIES], n);
        ck_assert_int_eq(try_copy(SECOND, USER, handle, &last), -EDQUOT);
        ck_assert_int_eq(try_release(USER, received.transfers[0]), 0);
        ck_assert_uint_eq(USER->usage.used[BUS1_SUM_COPIES], n - 1);
        ck_assert_int_eq(try_copy(SECOND, USER, handle, &last), 0);
        /* When a message is dropped, its copies do not count any more. */
        ck_assert_int_eq(bus1_peer_reset(USER), 0);
        ck_assert_uint_eq(USER->usage.used[BUS1_SUM_COPIES], 0);
        world_free(&world);
}
END_TEST

/* A sender that fills a user's queue with copies leaves room for other senders. */
START_TEST(copies_in_flight_are_shared_among_senders) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max_copies = MAX});
        u64 node, handle, u_node, u_handle, o_node, o_handle;
        struct bus1_transfer transfer;
        unsigned n = 0;

        add_users(&world);
        create(OWNER, OTHER, 0, &node, &handle);
        create(USER, OTHER, 0, &u_node, &u_handle);
        for (;; n++) {
                transfer = (struct bus1_transfer){0, handle};
                if (try_send(OTHER, &u_handle, 1, "", &transfer, 1) < 0)
                        break;
        }
        ck_assert_uint_le(n, MAX / 3);
        create(USER, OWNER, 0, &o_node, &o_handle);
        handle = copy(OTHER, OWNER, handle);
        create(OTHER, OWNER, 0, &node, &handle);
        transfer = (struct bus1_transfer){0, handle};
        ck_assert_int_eq(try_send(OWNER, &o_handle, 1, "", &transfer, 1), 0);
        world_free(&world);
}
END_TEST

START_TEST(failed_transfer_leaves_no_charge) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max_copies = MAX});
        u64 node, handle;
        unsigned n = 0;
        int r;

        add_users(&world);
        create(OWNER, USER, 0, &node, &handle);
        do {
                struct bus1_transfer src[] = {
                        {0, handle}, {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, {0, handle}};
                struct bus1_transfer dst[3];

                shim_fail_allocation(++n);
                r = bus1_peer_transfer(USER, SECOND, src, dst, 3);
                shim_fail_allocation(0);
                ck_assert_uint_eq(SECOND->usage.used[BUS1_SUM_COPIES], r == 0 ? 2 : 0);
                ck_assert_uint_eq(SECOND->usage.used[BUS1_RESOURCE_OBJECTS], r == 0 ? 3 : 0);
        } while (r == -ENOMEM);
        ck_assert_int_eq(r, 0);
        ck_assert_uint_ge(n, 5);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("copies");
        TCase *tcase = tcase_create("copies");

        tcase_add_test(tcase, copies_are_limited_per_user);
        tcase_add_test(tcase, release_makes_room_for_copies);
        tcase_add_test(tcase, handles_from_the_owner_are_no_copies);
        tcase_add_test(tcase, copies_in_messages_count_too);
        tcase_add_test(tcase, copies_in_flight_are_shared_among_senders);
        tcase_add_test(tcase, failed_transfer_leaves_no_charge);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
