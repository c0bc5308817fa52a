/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Limits, shares, and operations that run out of memory
 */

#include "core-test.h"
#include "peer.h"
#include <string.h>

#define A world.peers[0]
#define B world.peers[1]

static int send_bytes(struct bus1_peer *peer, u64 handle, size_t n) {
        return try_send_payload(peer, &handle, 1, bus1_payload_new(n, 0));
}

static unsigned send_until_refused(struct bus1_peer *peer, u64 handle, size_t n_bytes) {
        unsigned n = 0;
        int r;

        while ((r = send_bytes(peer, handle, n_bytes)) == 0)
                ++n;
        ck_assert_int_eq(r, -EDQUOT);
        return n;
}

START_TEST(peer_gets_half_of_what_its_user_has_left) {
        struct world world = world_new_limited(2, &(struct bus1_limits){.max = {1000}});
        struct bus1_peer *third = world_add(&world, 1000);
        u64 node, handle, t_node, t_handle;

        create(A, B, 0, &node, &handle);
        create(third, B, 0, &t_node, &t_handle);
        ck_assert_uint_eq(send_until_refused(B, handle, 100), 5);
        ck_assert_uint_eq(send_until_refused(B, t_handle, 10), 25);
        /* A received message is not charged any more. */
        while (test_recv(A).r == 0)
                ;
        ck_assert_uint_eq(send_until_refused(B, handle, 25), 15);
        while (test_recv(third).r == 0)
                ;
        ck_assert_uint_eq(send_until_refused(B, handle, 25), 5);
        ck_assert_uint_eq(query(A).n_bytes, 500);
        world_free(&world);
}
END_TEST

START_TEST(foreign_users_share_what_is_left) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {1200}});
        struct bus1_peer *foreign[3];
        u64 node, handle, handles[3];
        unsigned n[3], own;

        create(A, A, 0, &node, &handle);
        for (unsigned i = 0; i < 3; i++) {
                foreign[i] = world_add(&world, 2000 + i);
                handles[i] = copy(A, foreign[i], handle);
        }
        n[0] = send_until_refused(foreign[0], handles[0], 10);
        n[1] = send_until_refused(foreign[1], handles[1], 10);
        n[2] = send_until_refused(foreign[2], handles[2], 10);
        /*
         * The first user could take a third. Each later user still gets a share, as does the owner.
         */
        ck_assert_uint_eq(n[0], 40);
        ck_assert_uint_eq(n[1], 6);
        ck_assert_uint_eq(n[2], 3);
        ck_assert_uint_eq(send_until_refused(A, handle, 10), 11);
        own = 0;
        while (test_recv(A).r == 0)
                ++own;
        ck_assert_uint_eq(own, 60);
        ck_assert_uint_eq(send_until_refused(foreign[1], handles[1], 10), 40);
        world_free(&world);
}
END_TEST

START_TEST(foreign_flood_leaves_room_for_the_next_user) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {1 << 20}});
        struct bus1_peer *a, *b, *c, *other;
        u64 node, handle, at_a, at_c, o_node, o_handle, o_at_b;

        /* A and other belong to one user. Stranger a floods A; stranger b still reaches other. */
        other = world_add(&world, 1000);
        a = world_add(&world, 2000);
        b = world_add(&world, 2001);
        c = world_add(&world, 2002);
        create(A, A, 0, &node, &handle);
        create(other, other, 0, &o_node, &o_handle);
        at_a = copy(A, a, handle);
        at_c = copy(A, c, handle);
        o_at_b = copy(other, b, o_handle);
        ck_assert_uint_ge(send_until_refused(a, at_a, 1024), 300);
        ck_assert_uint_ge(send_until_refused(b, o_at_b, 1024), 100);
        /* Stranger c still reaches the flooded A. */
        ck_assert_uint_ge(send_until_refused(c, at_c, 1024), 5);
        world_free(&world);
}
END_TEST

START_TEST(share_does_not_vanish_with_many_users) {
        enum { N = 200, MAX = 100000000 };
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {MAX}});
        struct bus1_peer *peers[N];
        u64 node, handle, at;
        unsigned n, n_log = 0;

        /* Each user in turn takes as much as it can get. */
        create(A, A, 0, &node, &handle);
        for (unsigned i = 1; i <= N; i++) {
                peers[i - 1] = bus1_peer_new(world.accounts, KUIDT_INIT(2000 + i), NULL, NULL);
                ck_assert(!IS_ERR(peers[i - 1]));
                at = copy(A, peers[i - 1], handle);
                if (i >> n_log)
                        ++n_log;
                n = MAX / i / (n_log * n_log * n_log) / 4;
                ck_assert_int_eq(send_bytes(peers[i - 1], at, n), 0);
                while (n > 0) {
                        if (send_bytes(peers[i - 1], at, n) < 0)
                                n /= 2;
                }
        }
        for (unsigned i = 0; i < N; i++) {
                bus1_peer_disconnect(peers[i]);
                bus1_peer_unref(peers[i]);
        }
        world_free(&world);
}
END_TEST

START_TEST(holders_that_do_not_take_notice_cost_the_owner_nothing) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {0, 40}});
        struct bus1_peer *holder = world_add(&world, 2000);
        struct bus1_transfer transfer;
        u64 node, handle, own_node, own_handle, front_node, front_handle;

        /* As with calls and replies, each round uses a new node that is dead afterwards. */
        create(holder, A, 0, &own_node, &own_handle);
        for (unsigned i = 0; i < 6; i++) {
                create(A, holder, 0, &node, &handle);
                ck_assert_int_eq(try_release(A, node), 0);
                ck_assert_int_eq(atomic64_read(&A->usage.used[BUS1_RESOURCE_OBJECTS]), 1);
                ck_assert_int_eq(try_release(holder, handle), 0);
        }
        for (unsigned i = 0; i < 3; i++) {
                transfer = (struct bus1_transfer){
                        BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                        BUS1_INVALID,
                };
                ck_assert_int_eq(try_send(A, &own_handle, 1, "", &transfer, 1), 0);
                ck_assert_int_eq(try_release(A, transfer.id), 0);
                ck_assert_int_eq(atomic64_read(&A->usage.used[BUS1_RESOURCE_OBJECTS]), 1);
        }

        /* A notification that is moot from the start is not queued. */
        create(A, A, 0, &node, &handle);
        ck_assert_int_eq(try_release(A, handle), 0);
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_int_eq(atomic64_read(&A->usage.used[BUS1_RESOURCE_OBJECTS]), 1);

        /* The owner is charged for the notifications that wait behind an unreceived message. */
        create(A, A, 0, &front_node, &front_handle);
        send_text(A, front_handle, "front");
        for (unsigned i = 0; i < 3; i++) {
                create(A, A, 0, &node, &handle);
                ck_assert_int_eq(try_release(A, handle), 0);
                ck_assert_int_eq(try_release(A, node), 0);
                ck_assert_int_eq(atomic64_read(&A->usage.used[BUS1_RESOURCE_OBJECTS]), i + 4);
        }
        expect_text(A, front_node, "front");
        ck_assert_int_eq(atomic64_read(&A->usage.used[BUS1_RESOURCE_OBJECTS]), 3);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(objects_messages_and_files_are_limited) {
        struct world world = world_new_limited(2, &(struct bus1_limits){.max = {0, 20, 10, 4}});
        u64 node, handle;
        struct bus1_transfer src[20], dst[20];

        create(A, B, 0, &node, &handle);
        ck_assert_uint_eq(send_until_refused(B, handle, 0), 5);
        while (test_recv(A).r == 0)
                ;

        ck_assert_int_eq(try_send_payload(B, &handle, 1, bus1_payload_new(0, 3)), -EDQUOT);

        for (unsigned i = 0; i < 20; i++)
                src[i] = (struct bus1_transfer){0, handle};
        ck_assert_int_eq(bus1_peer_transfer(B, B, src, dst, 20), -EDQUOT);
        ck_assert_int_eq(try_send(B, &handle, 1, "", src, 15), -EDQUOT);
        ck_assert_uint_eq(query(B).n_handles, 1);
        ck_assert_int_eq(bus1_peer_transfer(B, B, src, dst, 8), 0);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(refused_multicast_reaches_nobody) {
        struct world world = world_new_limited(2, &(struct bus1_limits){.max = {1000}});
        struct bus1_peer *foreign = world_add(&world, 2000);
        u64 node, handle, f_node, f_handle;

        create(A, B, 0, &node, &handle);
        create(foreign, B, 0, &f_node, &f_handle);
        ck_assert_int_eq(send_bytes(B, handle, 400), 0);
        ck_assert_int_eq(
                try_send_payload(B, (u64[]){f_handle, handle}, 2, bus1_payload_new(200, 0)),
                -EDQUOT);
        expect_nothing(foreign);
        ck_assert_uint_eq(query(foreign).n_bytes, 0);
        ck_assert_uint_eq(query(A).n_bytes, 400);
        world_free(&world);
}
END_TEST

START_TEST(several_of_the_biggest_dbus_messages_fit) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        for (unsigned i = 0; i < 4; i++)
                ck_assert_int_eq(send_bytes(B, handle, 128 << 20), 0);
        world_free(&world);
}
END_TEST

/* out of memory: each allocation of each operation fails once; the operation has no effect then */

START_TEST(failed_allocation_has_no_effect_on_transfer) {
        struct world world = world_new(2);
        u64 node, handle;
        unsigned n = 0;
        int r;

        create(A, A, 0, &node, &handle);
        do {
                struct bus1_transfer src[] = {{BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
                                              {0, handle}};
                struct bus1_transfer dst[2];

                shim_fail_allocation(++n);
                r = bus1_peer_transfer(A, B, src, dst, 2);
                shim_fail_allocation(0);
                if (r == 0)
                        break;
                ck_assert_int_eq(r, -ENOMEM);
                ck_assert_uint_eq(src[0].id, BUS1_INVALID);
                ck_assert_uint_eq(query(A).n_nodes, 1);
                ck_assert_uint_eq(query(B).n_handles, 0);
                ck_assert_int_eq(atomic64_read(&B->usage.used[BUS1_RESOURCE_OBJECTS]), 0);
                ck_assert_int_eq(atomic64_read(&A->usage.used[BUS1_RESOURCE_OBJECTS]), 2);
        } while (r < 0);
        ck_assert_uint_ge(n, 4);
        world_free(&world);
}
END_TEST

START_TEST(failed_allocation_has_no_effect_on_send) {
        struct world world = world_new(1);
        struct bus1_peer *foreign = world_add(&world, 2000);
        u64 node, handle, f_node, f_handle;
        unsigned n = 0;
        int r;

        create(A, A, 0, &node, &handle);
        create(foreign, A, 0, &f_node, &f_handle);
        do {
                struct bus1_transfer transfers[6] = {
                        {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
                        {0, handle},
                        {0, f_handle},
                        {0, handle},
                        {0, handle},
                        {0, handle},
                };
                u64 destinations[6] = {handle, f_handle, handle, f_handle, handle, handle};

                shim_fail_allocation(++n);
                r = try_send(A, destinations, 6, "text", transfers, 6);
                shim_fail_allocation(0);
                if (r == 0)
                        break;
                ck_assert_int_eq(r, -ENOMEM);
                ck_assert_uint_eq(transfers[0].id, BUS1_INVALID);
                expect_nothing(A);
                expect_nothing(foreign);
                ck_assert_uint_eq(query(A).n_nodes, 1);
                ck_assert_int_eq(atomic64_read(&A->usage.used[BUS1_RESOURCE_OBJECTS]), 3);
                ck_assert_int_eq(atomic64_read(&foreign->usage.used[BUS1_RESOURCE_OBJECTS]), 1);
                ck_assert_uint_eq(foreign->usage.account->n_shares, 0);
        } while (r < 0);
        ck_assert_uint_ge(n, 40);
        ck_assert_uint_eq(test_recv(foreign).n_transfers, 6);
        world_free(&world);
}
END_TEST

START_TEST(receive_needs_no_memory) {
        struct world world = world_new(2);
        struct bus1_transfer transfers[16];
        struct received received;
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        for (unsigned i = 0; i < 16; i++)
                transfers[i] = (struct bus1_transfer){0, handle};
        ck_assert_int_eq(try_send(B, &handle, 1, "", transfers, 16), 0);
        shim_fail_allocation(1);
        received = test_recv(A);
        shim_fail_allocation(0);
        ck_assert_int_eq(received.r, 0);
        ck_assert_uint_eq(received.n_transfers, 16);
        ck_assert_uint_eq(query(A).n_handles, 16);
        world_free(&world);
}
END_TEST

START_TEST(failed_allocation_has_no_effect_on_release_and_new) {
        struct world world = world_new(1);
        u64 nodes[20], handle;
        struct bus1_accounts *accounts;
        struct bus1_peer *peer;

        for (unsigned i = 0; i < 20; i++)
                create(A, A, 0, &nodes[i], &handle);
        shim_fail_allocation(1);
        ck_assert_int_eq(bus1_peer_release(A, nodes, 20), -ENOMEM);
        shim_fail_allocation(0);
        ck_assert_uint_eq(query(A).n_nodes, 20);

        for (unsigned n = 1;; n++) {
                shim_fail_allocation(n);
                peer = bus1_peer_new(world.accounts, KUIDT_INIT(5), NULL, NULL);
                accounts = IS_ERR(peer) ? NULL : bus1_accounts_new(NULL);
                shim_fail_allocation(0);
                if (IS_ERR(peer)) {
                        ck_assert_int_eq(PTR_ERR(peer), -ENOMEM);
                        continue;
                }
                bus1_peer_disconnect(peer);
                bus1_peer_unref(peer);
                if (!IS_ERR(accounts))
                        break;
        }
        bus1_accounts_unref(accounts);
        world_free(&world);
}
END_TEST

START_TEST(release_of_a_few_takes_no_memory) {
        struct world world = world_new(2);
        u64 nodes[8], handles[8];

        for (unsigned i = 0; i < 8; i++)
                create(A, B, 0, &nodes[i], &handles[i]);
        shim_fail_allocation(1);
        ck_assert_int_eq(bus1_peer_release(A, nodes, 4), 0);
        ck_assert_int_eq(bus1_peer_release(B, handles, 8), 0);
        shim_fail_allocation(0);
        for (unsigned i = 4; i < 8; i++)
                expect_handle_release(A, nodes[i]);
        expect_nothing(A);
        expect_nothing(B);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("accounting");
        TCase *tcase = tcase_create("accounting");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, peer_gets_half_of_what_its_user_has_left);
        tcase_add_test(tcase, foreign_users_share_what_is_left);
        tcase_add_test(tcase, foreign_flood_leaves_room_for_the_next_user);
        tcase_add_test(tcase, share_does_not_vanish_with_many_users);
        tcase_add_test(tcase, holders_that_do_not_take_notice_cost_the_owner_nothing);
        tcase_add_test(tcase, objects_messages_and_files_are_limited);
        tcase_add_test(tcase, refused_multicast_reaches_nobody);
        tcase_add_test(tcase, several_of_the_biggest_dbus_messages_fit);
        tcase_add_test(tcase, failed_allocation_has_no_effect_on_transfer);
        tcase_add_test(tcase, failed_allocation_has_no_effect_on_send);
        tcase_add_test(tcase, receive_needs_no_memory);
        tcase_add_test(tcase, failed_allocation_has_no_effect_on_release_and_new);
        tcase_add_test(tcase, release_of_a_few_takes_no_memory);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
