/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What bus1_inspect_...() reports about the accounts, peers and objects of a core
 */

#include "core-test.h"
#include "inspect.h"
#include "peer.h"
#include "v2016.h"
#include <pthread.h>
#include <stdatomic.h>

#define A world.peers[0]
#define B world.peers[1]

START_TEST(accounts_are_found_in_order) {
        struct bus1_limits limits = {.max[BUS1_RESOURCE_FILES] = 77};
        struct world world = world_new_limited(0, &limits);
        struct bus1_account_info info;
        u64 node, handle;

        ck_assert(!bus1_inspect_account(world.accounts, 0, 0, &info));
        world_add(&world, 7);
        world_add(&world, 4000000000);
        create(A, B, 0, &node, &handle);
        send_text(B, handle, "12345");

        ck_assert(bus1_inspect_account(world.accounts, 0, 0, &info));
        ck_assert_uint_eq(__kuid_val(info.uid), 7);
        ck_assert_uint_eq(info.n_shares, 1);
        ck_assert_uint_eq(info.used[BUS1_RESOURCE_BYTES], 5);
        ck_assert_uint_eq(info.used[BUS1_RESOURCE_MESSAGES], 1);
        ck_assert_uint_eq(info.max[BUS1_RESOURCE_FILES], 77);
        ck_assert(bus1_inspect_account(world.accounts, 8, 0, &info));
        ck_assert_uint_eq(__kuid_val(info.uid), 4000000000);
        ck_assert_uint_eq(info.n_shares, 0);
        ck_assert_uint_eq(info.used[BUS1_RESOURCE_OBJECTS], 1);
        ck_assert(!bus1_inspect_account(world.accounts, 4000000001, 0, &info));
        world_free(&world);
}
END_TEST

START_TEST(peers_have_numbers_that_do_not_return) {
        struct world world = world_new(2);
        struct bus1_peer_info first, second, third;
        struct bus1_peer *peer;
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        send_text(B, handle, "text");
        ck_assert(bus1_inspect_peer(world.accounts, 0, &first));
        ck_assert_uint_eq(first.n_nodes, 1);
        ck_assert_uint_eq(first.n_handles, 0);
        ck_assert_uint_eq(first.n_queued, 1);
        ck_assert_uint_eq(first.used[BUS1_RESOURCE_BYTES], 4);
        ck_assert(first.readable);
        ck_assert(!first.disconnected);
        ck_assert(bus1_inspect_peer(world.accounts, first.number + 1, &second));
        ck_assert_uint_eq(second.n_handles, 1);
        ck_assert(!second.readable);
        ck_assert(!bus1_inspect_peer(world.accounts, second.number + 1, &third));

        peer = bus1_peer_new(world.accounts, KUIDT_INIT(1), NULL, NULL);
        ck_assert(bus1_inspect_peer(world.accounts, second.number + 1, &third));
        ck_assert_uint_gt(third.number, second.number);
        bus1_peer_disconnect(peer);
        ck_assert(bus1_inspect_peer(world.accounts, third.number, &third));
        ck_assert(third.disconnected);
        bus1_peer_unref(peer);
        ck_assert(!bus1_inspect_peer(world.accounts, third.number, &first));
        second = third;
        peer = bus1_peer_new(world.accounts, KUIDT_INIT(1), NULL, NULL);
        ck_assert(bus1_inspect_peer(world.accounts, second.number, &third));
        ck_assert_uint_gt(third.number, second.number);
        bus1_peer_disconnect(peer);
        bus1_peer_unref(peer);
        world_free(&world);
}
END_TEST

/* A command may hold the locks of its peer at any time. So looking at a peer takes none of them. */
START_TEST(looking_at_a_peer_waits_for_no_lock) {
        struct world world = world_new(2);
        struct bus1_peer_info info;
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        send_text(B, handle, "text");
        ck_assert_int_eq(bus1_peer_begin_command(A, BUS1_COMMAND_FREE + 3), 0);
        mutex_lock(&A->recv_lock);
        mutex_lock(&A->lock);
        spin_lock(&A->queue.lock);
        bus1_inspect_peer_now(A, &info);
        spin_unlock(&A->queue.lock);
        mutex_unlock(&A->lock);
        mutex_unlock(&A->recv_lock);
        bus1_peer_end_command(A, BUS1_COMMAND_FREE + 3);

        ck_assert_uint_eq(__kuid_val(info.uid), __kuid_val(bus1_peer_uid(A)));
        ck_assert_uint_eq(info.n_nodes, 1);
        ck_assert_uint_eq(info.n_queued, 1);
        ck_assert_uint_eq(info.n_pending, 3);
        ck_assert_uint_eq(info.used[BUS1_RESOURCE_BYTES], 4);
        ck_assert(info.readable && !info.disconnected);
        world_free(&world);
}
END_TEST

START_TEST(objects_tell_what_they_refer_to) {
        struct world world = world_new(2);
        struct bus1_object_info info;
        struct bus1_peer_info a, b;
        u64 node, handle, oneshot_node, oneshot, seen;
        struct bus1_recv recv;

        create(A, B, 0, &node, &handle);
        create(B, B, BUS1_TRANSFER_FLAG_ONESHOT, &oneshot_node, &oneshot);
        ck_assert(bus1_inspect_peer(world.accounts, 0, &a));
        ck_assert(bus1_inspect_peer(world.accounts, a.number + 1, &b));

        ck_assert(bus1_inspect_object(world.accounts, a.number, 0, &info));
        ck_assert_uint_eq(info.id, node);
        ck_assert(info.is_node);
        ck_assert_uint_eq(info.owner, a.number);
        ck_assert(!bus1_inspect_object(world.accounts, a.number, node + 1, &info));

        ck_assert(bus1_inspect_object(world.accounts, b.number, 0, &info));
        ck_assert_uint_eq(info.id, handle);
        ck_assert(!info.is_node && !info.oneshot && !info.dead);
        ck_assert_uint_eq(info.owner, a.number);
        ck_assert_uint_eq(info.node, node);
        ck_assert(bus1_inspect_object(world.accounts, b.number, handle + 1, &info));
        ck_assert_uint_eq(info.id, oneshot_node);
        ck_assert(info.is_node && info.oneshot);

        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert(bus1_inspect_object(world.accounts, b.number, handle, &info));
        ck_assert(info.dead);
        ck_assert(!bus1_inspect_object(world.accounts, a.number, 0, &info));
        ck_assert(!bus1_inspect_object(world.accounts, 12345, 0, &info));

        /* if the receiver only looks at a message, the handle in the message is not shown yet */
        create(A, B, 0, &node, &handle);
        send_handle(B, handle, handle);
        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        seen = bus1_recv_transfer(&recv, 0).id;
        bus1_peer_recv_abort(&recv);
        ck_assert(!bus1_inspect_object(world.accounts, a.number, node + 1, &info));
        ck_assert_uint_eq(expect_handle(A, node), seen);
        ck_assert(bus1_inspect_object(world.accounts, a.number, node + 1, &info));
        ck_assert_uint_eq(info.id, seen);
        world_free(&world);
}
END_TEST

static int no_write(void *data, u64 offset, const void *from, size_t n) {
        return -EFAULT;
}

static void no_discard(void *data, u64 offset, u64 n) {
}

START_TEST(peers_of_2016_have_objects_as_well) {
        static const struct bus1_pool_memory memory = {no_write, no_discard};
        struct world world = world_new(2);
        struct bus1_object_info info;
        struct bus1_peer_info a, b;
        u64 handle;

        ck_assert_int_eq(bus1_v2016_enable(A, &memory, NULL), 0);
        ck_assert_int_eq(bus1_v2016_handle_transfer(A, B, 1000, &handle), 0);
        ck_assert_int_eq(bus1_v2016_handle_transfer(A, A, 8, &(u64){0}), 0);
        ck_assert(bus1_inspect_peer(world.accounts, 0, &a));
        ck_assert(bus1_inspect_peer(world.accounts, a.number + 1, &b));
        ck_assert(bus1_inspect_object(world.accounts, a.number, 0, &info));
        ck_assert_uint_eq(info.id, 8);
        ck_assert(info.is_node);
        ck_assert(bus1_inspect_object(world.accounts, a.number, 9, &info));
        ck_assert_uint_eq(info.id, 1000);
        ck_assert_uint_eq(info.owner, a.number);
        ck_assert(!bus1_inspect_object(world.accounts, a.number, 1001, &info));
        ck_assert(bus1_inspect_object(world.accounts, b.number, 0, &info));
        ck_assert_uint_eq(info.id, handle);
        ck_assert_uint_eq(info.node, 1000);
        ck_assert_uint_eq(info.owner, a.number);
        world_free(&world);
}
END_TEST

/* peers that begin and end during the inspection */

struct coming {
        struct bus1_accounts *accounts;
        atomic_bool stop;
};

static void *come_and_go(void *data) {
        struct coming *coming = data;

        for (unsigned i = 0; !coming->stop; i++) {
                struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;
                struct bus1_peer *peer;

                peer = bus1_peer_new(coming->accounts, KUIDT_INIT(i % 5), NULL, NULL);
                ck_assert(!IS_ERR(peer));
                ck_assert_int_eq(bus1_peer_transfer(peer, peer, &src, &dst, 1), 0);
                bus1_peer_disconnect(peer);
                bus1_peer_unref(peer);
        }
        return NULL;
}

START_TEST(looking_harms_nobody) {
        struct world world = world_new(0);
        struct coming coming = {.accounts = world.accounts};
        struct bus1_account_info account;
        struct bus1_object_info object;
        struct bus1_peer_info peer;
        pthread_t threads[3];
        size_t n = 0;

        for (size_t i = 0; i < 3; i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, &coming), 0);
        for (size_t i = 0; i < 20000 || n == 0; i++) {
                u64 number = 0;

                for (u32 uid = 0; bus1_inspect_account(world.accounts, uid, 0, &account);)
                        uid = __kuid_val(account.uid) + 1;
                for (; bus1_inspect_peer(world.accounts, number, &peer); number = peer.number + 1)
                        for (u64 id = 0;
                             bus1_inspect_object(world.accounts, peer.number, id, &object); n++)
                                id = object.id + 1;
        }
        coming.stop = true;
        for (size_t i = 0; i < 3; i++)
                pthread_join(threads[i], NULL);
        ck_assert_uint_gt(n, 0);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("inspect");
        TCase *tcase = tcase_create("inspect");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, accounts_are_found_in_order);
        tcase_add_test(tcase, peers_have_numbers_that_do_not_return);
        tcase_add_test(tcase, looking_at_a_peer_waits_for_no_lock);
        tcase_add_test(tcase, objects_tell_what_they_refer_to);
        tcase_add_test(tcase, peers_of_2016_have_objects_as_well);
        tcase_add_test(tcase, looking_harms_nobody);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
