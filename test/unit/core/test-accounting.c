/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Limits, shares, and operations that run out of memory
 */

#include "core-test.h"
#include "inspect.h"
#include "message.h"
#include "node.h"
#include "peer.h"
#include <linux/limits.h>
#include <string.h>

#define A world.peers[0]
#define B world.peers[1]

/* room for a few nodes and handles, where a test is about messages */
#define FEW (16 * BUS1_COST_OBJECT)

/* A message whose data has n bytes. test-kept.c tests what the allocator adds to it. */
static struct bus1_payload *payload_new(size_t n) {
        struct bus1_payload *payload = bus1_payload_new(n, 0);

        payload->n_kept = 0;
        return payload;
}

/* Send a message that costs n bytes of memory. */
static int send_bytes(struct bus1_peer *peer, u64 handle, size_t n) {
        return try_send_payload(peer, &handle, 1, payload_new(n - BUS1_COST_MESSAGE));
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
        struct world world = world_new_limited(2, &(struct bus1_limits){.max = {1000000 + FEW}});
        struct bus1_peer *third = world_add(&world, 1000);
        u64 node, handle, t_node, t_handle;

        create(A, B, 0, &node, &handle);
        create(third, B, 0, &t_node, &t_handle);
        ck_assert_uint_eq(send_until_refused(B, handle, 100000), 5);
        ck_assert_uint_eq(send_until_refused(B, t_handle, 10000), 25);
        /* A received message is not charged any more. */
        while (test_recv(A).r == 0)
                ;
        ck_assert_uint_eq(send_until_refused(B, handle, 25000), 15);
        while (test_recv(third).r == 0)
                ;
        ck_assert_uint_eq(send_until_refused(B, handle, 25000), 5);
        ck_assert_uint_eq(query(A).n_bytes, 500000 - 20 * BUS1_COST_MESSAGE);
        world_free(&world);
}
END_TEST

START_TEST(foreign_users_share_what_is_left) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {1200000 + FEW}});
        struct bus1_peer *foreign[3];
        u64 node, handle, handles[3];
        unsigned n[3], own;

        create(A, A, 0, &node, &handle);
        for (unsigned i = 0; i < 3; i++) {
                foreign[i] = world_add(&world, 2000 + i);
                handles[i] = copy(A, foreign[i], handle);
        }
        n[0] = send_until_refused(foreign[0], handles[0], 10000);
        n[1] = send_until_refused(foreign[1], handles[1], 10000);
        n[2] = send_until_refused(foreign[2], handles[2], 10000);
        /*
         * The first foreign user gets a third of the limit. Each later one still gets something,
         * and so does the user of A.
         */
        ck_assert_uint_eq(n[0], 40);
        ck_assert_uint_eq(n[1], 6);
        ck_assert_uint_eq(n[2], 3);
        ck_assert_uint_eq(send_until_refused(A, handle, 10000), 11);
        own = 0;
        while (test_recv(A).r == 0)
                ++own;
        ck_assert_uint_eq(own, 60);
        ck_assert_uint_eq(send_until_refused(foreign[1], handles[1], 10000), 40);
        world_free(&world);
}
END_TEST

START_TEST(foreign_flood_leaves_room_for_the_next_user) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {(1 << 20) + FEW}});
        struct bus1_peer *a, *b, *c, *other;
        u64 node, handle, at_a, at_c, o_node, o_handle, o_at_b;

        /* A and other belong to one user. User a floods A; user b can still send to other. */
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
        /* User c can still send to A. */
        ck_assert_uint_ge(send_until_refused(c, at_c, 1024), 5);
        world_free(&world);
}
END_TEST

START_TEST(share_does_not_vanish_with_many_users) {
        enum { N = 200, MAX = 1000000000 };
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {MAX}});
        struct bus1_peer *peers[N];
        u64 node, handle, at;
        unsigned n, n_log = 0;

        /* Each user in turn first sends as much as it must be able to, and then all that it can. */
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
                        if (send_bytes(peers[i - 1], at, n + BUS1_COST_MESSAGE) < 0)
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

/* Make a peer of user uid, who lives in user namespace n. The namespace belongs to user owner. */
static struct bus1_peer *peer_inside(struct world *world, u32 owner, u32 n, u32 uid) {
        struct bus1_principal principal = {
                .uid = KUIDT_INIT(uid),
                .n_outer = 2,
                .outer = {owner, BUS1_KEY_NAMESPACE | n},
        };
        struct bus1_peer *peer = bus1_peer_new_for(world->accounts, &principal, NULL, NULL);

        ck_assert(!IS_ERR(peer));
        ck_assert_uint_eq(__kuid_val(bus1_peer_uid(peer)), uid);
        return world->peers[world->n_peers++] = peer;
}

static u64 used_by(struct bus1_accounts *accounts, u64 key, u64 outer,
                   enum bus1_resource resource) {
        struct bus1_account *account = bus1_account_next(accounts, key, outer);
        u64 used;

        ck_assert_ptr_nonnull(account);
        ck_assert_uint_eq(account->key, key);
        used = account->used[resource];
        bus1_account_put(account);
        return used;
}

/*
 * Let n peers, from number first on, send to the handle as much as they can. Then let user 3000 do
 * so. Returns the number of its messages.
 */
static unsigned send_after_flood(struct world *world, u64 handle, size_t first, size_t n) {
        struct bus1_peer *late = world_add(world, 3000);

        for (size_t i = first; i < first + n; i++)
                send_until_refused(world->peers[i], copy(world->peers[0], world->peers[i], handle),
                                   1000);
        return send_until_refused(late, copy(world->peers[0], late, handle), 1000);
}

START_TEST(users_of_a_namespace_share_like_one_user) {
        enum { N = 24 };
        const struct bus1_limits limits = {.max = {10000000}};
        struct world one = world_new_limited(1, &limits), many = world_new_limited(1, &limits);
        unsigned after_one, after_many;
        u64 node, handle;

        create(one.peers[0], one.peers[0], 0, &node, &handle);
        world_add(&one, 2000);
        after_one = send_after_flood(&one, handle, 1, 1);

        create(many.peers[0], many.peers[0], 0, &node, &handle);
        for (unsigned i = 0; i < N; i++)
                peer_inside(&many, 2000, 1 + i % 3, 100000 + i);
        after_many = send_after_flood(&many, handle, 1, N);
        ck_assert_uint_gt(after_one, 100);
        ck_assert_uint_ge(after_many, after_one);
        /* The namespaces have one owner, who counts as one foreign user. The other is 3000. */
        ck_assert_int_eq(many.peers[0]->usage.account->n_shares, 2);
        world_free(&one);
        world_free(&many);
}
END_TEST

START_TEST(users_of_a_namespace_divide_what_senders_may_have) {
        const struct bus1_limits limits = {
                .max = {[BUS1_RESOURCE_BYTES] = 100000, [BUS1_RESOURCE_FILES] = 90},
        };
        struct world world = world_new_limited(1, &limits);
        struct bus1_peer *one = peer_inside(&world, 1000, 1, 100001);
        struct bus1_peer *other = peer_inside(&world, 1000, 1, 100002);
        const size_t none = BUS1_COMMAND_FREE;
        struct bus1_payload *many = bus1_payload_new(0, 30), *few = bus1_payload_new(0, 1);

        /* commands that are under way */
        ck_assert_int_eq(bus1_peer_begin_command(one, none + 10001), -EDQUOT);
        ck_assert_int_eq(bus1_peer_begin_command(one, none + 10000), 0);
        ck_assert_int_eq(bus1_peer_begin_command(other, none + 8000), 0);
        ck_assert_int_eq(bus1_peer_begin_command(A, none + 41001), -EDQUOT);
        ck_assert_int_eq(bus1_peer_begin_command(A, none + 41000), 0);
        bus1_peer_end_command(A, none + 41000);
        bus1_peer_end_command(other, none + 8000);
        bus1_peer_end_command(one, none + 10000);

        /*
         * files in flight: those that one user has sent do not keep the other user, or the owner,
         * from sending
         */
        ck_assert_int_eq(bus1_payload_charge_files(many, one, 100), 0);
        ck_assert_int_eq(bus1_payload_charge_files(few, one, 100), -ETOOMANYREFS);
        ck_assert_int_eq(bus1_payload_charge_files(few, other, 0), 0);
        few = bus1_payload_unref(few);
        few = bus1_payload_new(0, 1);
        ck_assert_int_eq(bus1_payload_charge_files(few, A, 0), 0);
        few = bus1_payload_unref(few);
        few = bus1_payload_new(0, 1);
        ck_assert_int_eq(bus1_payload_charge_files(few, one, U64_MAX), 0);
        bus1_payload_unref(many);
        bus1_payload_unref(few);
        few = bus1_payload_new(0, 1);
        ck_assert_int_eq(bus1_payload_charge_files(few, one, 0), 0);
        bus1_payload_unref(few);
        ck_assert_int_eq(A->usage.account->used[BUS1_SUM_FILES_INNER], 0);
        ck_assert_int_eq(A->usage.account->used[BUS1_SUM_PENDING], 0);
        world_free(&world);
}
END_TEST

START_TEST(users_of_a_namespace_share_what_its_owner_gets) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {10000000}});
        struct bus1_peer *owner = world_add(&world, 2000), *first, *second;
        u64 node, handle;
        unsigned n_first;

        create(A, A, 0, &node, &handle);
        first = peer_inside(&world, 2000, 1, 100000);
        second = peer_inside(&world, 2000, 1, 100001);
        n_first = send_until_refused(first, copy(A, first, handle), 1000);
        ck_assert_uint_ge(n_first, 500);
        /* The first user has sent all that it can. The second one and the owner can still send. */
        ck_assert_uint_ge(send_until_refused(second, copy(A, second, handle), 1000), n_first / 8);
        ck_assert_uint_ge(send_until_refused(owner, copy(A, owner, handle), 1000), n_first / 8);
        world_free(&world);
}
END_TEST

START_TEST(namespace_is_foreign_to_its_owner) {
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {10000000}});
        struct bus1_peer *inner[20], *foreign = world_add(&world, 2000);
        u64 node, handle;

        /* A belongs to user 1000, who owns a namespace with many users, for example a container. */
        create(A, A, 0, &node, &handle);
        for (unsigned i = 0; i < 20; i++) {
                inner[i] = peer_inside(&world, 1000, 7, 100000 + i);
                send_until_refused(inner[i], copy(A, inner[i], handle), 1000);
        }
        ck_assert_int_eq(A->usage.account->n_shares, 1);
        ck_assert_uint_ge(send_until_refused(foreign, copy(A, foreign, handle), 1000), 300);
        ck_assert_uint_ge(send_until_refused(A, handle, 1000), 300);

        /* The owner can send to users of the namespace. For them it is a foreign user. */
        while (test_recv(A).r == 0)
                ;
        create(inner[0], A, 0, &node, &handle);
        ck_assert_int_eq(send_bytes(A, handle, 1000), 0);
        ck_assert_int_eq(inner[0]->usage.account->n_shares, 1);
        world_free(&world);
}
END_TEST

START_TEST(users_of_a_namespace_have_one_limit_together) {
        enum { N = 20, MAX = 10000000 };
        struct world world = world_new_limited(1, &(struct bus1_limits){.max = {MAX}});
        struct bus1_peer *first = NULL;
        u64 node, handle, n_first = 0, n, all;

        for (unsigned i = 0; i < N; i++) {
                struct bus1_peer *peer = peer_inside(&world, 1000, 7, 100000 + i);

                create(peer, peer, 0, &node, &handle);
                n = send_until_refused(peer, handle, 1000);
                ck_assert_uint_gt(n, 0);
                if (!first) {
                        first = peer;
                        n_first = n;
                }
                ck_assert_uint_le(n, n_first);
        }
        all = used_by(world.accounts, 1000, 0, BUS1_RESOURCE_MESSAGES);
        ck_assert_uint_eq(used_by(world.accounts, BUS1_KEY_NAMESPACE | 7, A->usage.account->number,
                                  BUS1_RESOURCE_MESSAGES),
                          all);
        ck_assert_uint_ge(all, n_first);
        ck_assert_uint_le(all * 1000, MAX / 2);
        /* The owner has at least half of the limit left, and a single peer gets half of that. */
        create(A, A, 0, &node, &handle);
        ck_assert_uint_ge(send_until_refused(A, handle, 1000), MAX / 1000 / 5);
        world_free(&world);
}
END_TEST

START_TEST(account_in_two_places_is_two_accounts) {
        struct world world = world_new(0);
        struct bus1_account_info info;
        size_t n_accounts;
        u64 used[_BUS1_RESOURCE_N], node, handle;

        world_add(&world, 100000);
        peer_inside(&world, 2000, 5, 100000);
        peer_inside(&world, 2000, 5, 100000);
        create(A, B, 0, &node, &handle);
        /* user 100000 outside; user 2000, its namespace, and user 100000 in the namespace */
        bus1_accounts_usage(world.accounts, &n_accounts, used);
        ck_assert_uint_eq(n_accounts, 4);
        ck_assert_uint_eq(used[BUS1_RESOURCE_OBJECTS], 2);

        ck_assert(bus1_inspect_account(world.accounts, 100000, 1, &info));
        ck_assert_uint_eq(info.depth, 3);
        ck_assert_uint_eq(info.path[0], 2000);
        ck_assert_uint_eq(info.path[1], BUS1_KEY_NAMESPACE | 5);
        ck_assert_uint_eq(info.path[2], 100000);
        ck_assert(bus1_inspect_account(world.accounts, 100000, 0, &info));
        ck_assert_uint_eq(info.depth, 1);
        ck_assert(bus1_inspect_account(world.accounts, 100001, 0, &info));
        ck_assert_uint_eq(info.path[info.depth - 1], BUS1_KEY_NAMESPACE | 5);
        ck_assert(!bus1_inspect_account(world.accounts, (BUS1_KEY_NAMESPACE | 5) + 1, 0, &info));
        world_free(&world);
}
END_TEST

static size_t count_shares(struct bus1_peer *receiver) {
        struct bus1_account *account = receiver->usage.account;
        size_t n = 0;

        for (struct rb_node *rb = rb_first(&account->shares); rb; rb = rb_next(rb))
                ++n;
        return n;
}

static struct bus1_share *first_share(struct bus1_peer *receiver) {
        return rb_entry(rb_first(&receiver->usage.account->shares), struct bus1_share, rb);
}

START_TEST(share_outlives_the_account_of_its_sender) {
        struct world world = world_new(1);
        struct bus1_peer *sender;
        size_t n_accounts;
        u64 used[_BUS1_RESOURCE_N], node, handle;

        /*
         * A user that leaves and comes back finds its share again. The three shares are those of
         * the user, of the namespace and of the owner of the namespace.
         */
        for (unsigned i = 0; i < 3; i++) {
                sender = peer_inside(&world, 2000, 5, 100000);
                create(A, sender, 0, &node, &handle);
                ck_assert_int_eq(send_bytes(sender, handle, 1000), 0);
                bus1_peer_disconnect(sender);
                bus1_peer_unref(sender);
                --world.n_peers;
                bus1_accounts_usage(world.accounts, &n_accounts, used);
                ck_assert_uint_eq(n_accounts, 1);
                ck_assert_uint_eq(count_shares(A), 3);
                ck_assert_uint_eq(first_share(A)->used[BUS1_RESOURCE_MESSAGES], i + 1);
        }
        ck_assert_int_eq(A->usage.account->n_shares, 1);
        while (test_recv(A).r == 0)
                ;
        ck_assert_int_eq(A->usage.account->n_shares, 0);
        world_free(&world);
}
END_TEST

START_TEST(peer_sends_to_many_accounts_in_turn) {
        struct world world = world_new(1);
        struct bus1_peer *receiver;
        u64 node, handle;

        /*
         * The account of each receiver has gone when the next receiver gets its own, perhaps at the
         * same address. The next account must not find shares of the account before.
         */
        for (unsigned i = 0; i < 100; i++) {
                receiver = bus1_peer_new(world.accounts, KUIDT_INIT(2000 + i % 3), NULL, NULL);
                ck_assert(!IS_ERR(receiver));
                create(receiver, A, 0, &node, &handle);
                for (unsigned j = 0; j < 3; j++)
                        ck_assert_int_eq(send_bytes(A, handle, 1000), 0);
                ck_assert_int_eq(receiver->usage.account->n_shares, 1);
                ck_assert_uint_eq(count_shares(receiver), 1);
                bus1_peer_disconnect(receiver);
                bus1_peer_unref(receiver);
                while (test_recv(A).r == 0)
                        ;
        }
        ck_assert_int_eq(A->usage.account->n_shares, 0);
        ck_assert_uint_eq(count_shares(A), 0);
        world_free(&world);
}
END_TEST

/* Add peers of n users, each with a handle to the same node of A. */
static void add_senders(struct world *world, unsigned n, u64 node_handle, u64 handles[]) {
        for (unsigned i = 0; i < n; i++)
                handles[i] = copy(world->peers[0], world_add(world, 2000 + i), node_handle);
}

START_TEST(few_idle_shares_are_kept) {
        enum { N = 20 };
        struct world world = world_new(1);
        u64 node, handle, handles[N];
        struct bus1_share *kept;

        create(A, A, 0, &node, &handle);
        add_senders(&world, N, handle, handles);
        /* Handles need no share, only messages do. */
        ck_assert_uint_eq(count_shares(A), 0);
        for (unsigned i = 0; i < N; i++)
                ck_assert_int_eq(send_bytes(world.peers[1 + i], handles[i], 1000), 0);
        ck_assert_uint_eq(count_shares(A), N);
        for (unsigned i = 0; i < N; i++) {
                ck_assert_int_eq(test_recv(A).r, 0);
                ck_assert_uint_eq(A->usage.account->n_shares, N - 1 - i);
        }
        ck_assert_uint_eq(count_shares(A), BUS1_MAX_IDLE_SHARES);
        ck_assert_uint_eq(A->usage.account->n_idle, BUS1_MAX_IDLE_SHARES);

        /* The account keeps the idle shares that were active last. */
        kept = first_share(A);
        ck_assert_uint_eq(kept->key, 2000 + N - BUS1_MAX_IDLE_SHARES);
        ck_assert_int_eq(send_bytes(world.peers[N - BUS1_MAX_IDLE_SHARES + 1],
                                    handles[N - BUS1_MAX_IDLE_SHARES], 1000),
                         0);
        ck_assert_int_eq(test_recv(A).r, 0);
        for (unsigned i = 0; i < BUS1_MAX_IDLE_SHARES - 1; i++) {
                ck_assert_ptr_eq(first_share(A), kept);
                ck_assert_int_eq(send_bytes(world.peers[1 + i], handles[i], 1000), 0);
                ck_assert_int_eq(test_recv(A).r, 0);
                if (i == 0)
                        kept = first_share(A);
        }
        ck_assert_uint_eq(count_shares(A), BUS1_MAX_IDLE_SHARES);
        world_free(&world);
}
END_TEST

/* A handle to a dead node keeps the peer that owned the node, and the account of this peer. */
START_TEST(no_idle_shares_of_ended_peers_are_kept) {
        enum { N = 4 };
        struct world world = world_new(1);
        struct bus1_account *account = A->usage.account;
        struct bus1_peer *second = world_add(&world, 1000);
        u64 node, handle, s_node, s_handle, handles[N];

        create(A, A, 0, &node, &handle);
        for (unsigned i = 0; i < N; i++) {
                handles[i] = copy(A, world_add(&world, 2000 + i), handle);
                ck_assert_int_eq(send_bytes(world.peers[2 + i], handles[i], 1000), 0);
        }
        create(second, world.peers[2], 0, &s_node, &s_handle);
        ck_assert_int_eq(send_bytes(world.peers[2], s_handle, 1000), 0);
        for (unsigned i = 0; i < N; i++)
                ck_assert_int_eq(test_recv(A).r, 0);
        ck_assert_uint_eq(account->n_idle, N - 1);

        /* The second peer still has a message, so the share of its sender is active. */
        bus1_peer_disconnect(A);
        ck_assert_uint_eq(account->n_idle, N - 1);
        bus1_peer_disconnect(second);
        ck_assert_uint_eq(count_shares(A), 0);
        ck_assert_uint_eq(query(world.peers[2]).n_handles, 2);
        world_free(&world);
}
END_TEST

START_TEST(few_idle_shares_of_namespaces_are_kept) {
        enum { N = 24 };
        struct world world = world_new(1);
        u64 node, handle;

        create(A, A, 0, &node, &handle);
        for (unsigned i = 0; i < N; i++) {
                struct bus1_peer *peer = peer_inside(&world, 2000 + i % 12, i % 12, 100000 + i);

                ck_assert_int_eq(send_bytes(peer, copy(A, peer, handle), 1000), 0);
        }
        /* the shares of N users, of their 12 namespaces, and of the 12 owners of these */
        ck_assert_uint_eq(count_shares(A), N + 12 + 12);
        ck_assert_uint_eq(A->usage.account->n_shares, 12);
        while (test_recv(A).r == 0)
                ;
        ck_assert_uint_eq(A->usage.account->n_shares, 0);
        ck_assert_uint_eq(A->usage.account->n_idle, BUS1_MAX_IDLE_SHARES);
        ck_assert_uint_eq(count_shares(A), 3 * BUS1_MAX_IDLE_SHARES);

        /* When a user's share goes, those around it go too if nothing else is inside of them. */
        for (unsigned i = 0; i < BUS1_MAX_IDLE_SHARES; i++) {
                struct bus1_peer *peer = i < 4 ? world_add(&world, 3000 + i) : world.peers[1 + i];

                ck_assert_int_eq(send_bytes(peer, copy(A, peer, handle), 1000), 0);
                ck_assert_int_eq(test_recv(A).r, 0);
        }
        ck_assert_uint_eq(A->usage.account->n_idle, BUS1_MAX_IDLE_SHARES);
        ck_assert_uint_eq(count_shares(A), 4 + 3 * (BUS1_MAX_IDLE_SHARES - 4));
        world_free(&world);
}
END_TEST

START_TEST(share_of_two_users_in_turn_is_allocated_once) {
        struct world world = world_new(1);
        struct bus1_peer *other = peer_inside(&world, 2000, 1, 100000);
        u64 node, handle, other_node, other_handle;
        struct bus1_share *shares[2];

        create(A, other, 0, &node, &handle);
        create(other, A, 0, &other_node, &other_handle);
        for (unsigned i = 0; i < 10; i++) {
                struct bus1_payload *payloads[] = {bus1_payload_new(1, 0), bus1_payload_new(1, 0)};

                /* Only the first message in each direction allocates a share. */
                shim_fail_allocation(i > 0);
                ck_assert_int_eq(try_send_payload(other, &handle, 1, payloads[0]), 0);
                ck_assert_int_eq(test_recv(A).r, 0);
                ck_assert_int_eq(try_send_payload(A, &other_handle, 1, payloads[1]), 0);
                ck_assert_int_eq(test_recv(other).r, 0);
                shim_fail_allocation(0);
                if (i == 0) {
                        shares[0] = first_share(A);
                        shares[1] = first_share(other);
                }
                ck_assert_ptr_eq(first_share(A), shares[0]);
                ck_assert_ptr_eq(first_share(other), shares[1]);
        }
        world_free(&world);
}
END_TEST

START_TEST(memory_is_charged_for_what_has_no_data) {
        struct world world = world_new_limited(2, &(struct bus1_limits){.max = {1 << 20}});
        struct bus1_transfer src, dst;
        u64 node, handle;
        unsigned n = 0;

        /* One handle may be all that keeps a dead node and its ended peer. */
        static_assert(sizeof(struct bus1_peer) + sizeof(struct bus1_node) +
                                      sizeof(struct bus1_handle) <=
                              BUS1_COST_OBJECT,
                      "cost of an object");
        static_assert(sizeof(struct bus1_delivery) + sizeof(struct bus1_payload) <=
                              BUS1_COST_MESSAGE,
                      "cost of a message");

        create(A, B, 0, &node, &handle);
        /* The limit of memory is reached first: those of objects and messages are far higher. */
        ck_assert_uint_eq(send_until_refused(B, handle, BUS1_COST_MESSAGE),
                          ((1 << 19) - BUS1_COST_OBJECT * 3 / 2) / BUS1_COST_MESSAGE);
        while (test_recv(A).r == 0)
                ;
        do {
                src = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
                ++n;
        } while (bus1_peer_transfer(A, A, &src, &dst, 1) == 0);
        ck_assert_uint_eq(n, (1 << 18) / BUS1_COST_OBJECT);
        ck_assert_uint_eq(query(A).n_bytes, 0);
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
                ck_assert_int_eq(A->usage.used[BUS1_RESOURCE_OBJECTS], 1);
                ck_assert_int_eq(try_release(holder, handle), 0);
        }
        for (unsigned i = 0; i < 3; i++) {
                transfer = (struct bus1_transfer){
                        BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                        BUS1_INVALID,
                };
                ck_assert_int_eq(try_send(A, &own_handle, 1, "", &transfer, 1), 0);
                ck_assert_int_eq(try_release(A, transfer.id), 0);
                ck_assert_int_eq(A->usage.used[BUS1_RESOURCE_OBJECTS], 1);
        }

        /* A notification that becomes moot is dropped at once if it is the next in the queue. */
        create(A, A, 0, &node, &handle);
        ck_assert_int_eq(try_release(A, handle), 0);
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_int_eq(A->usage.used[BUS1_RESOURCE_OBJECTS], 1);

        /* The owner is charged for moot notifications that are behind an unreceived message. */
        create(A, A, 0, &front_node, &front_handle);
        send_text(A, front_handle, "front");
        for (unsigned i = 0; i < 3; i++) {
                create(A, A, 0, &node, &handle);
                ck_assert_int_eq(try_release(A, handle), 0);
                ck_assert_int_eq(try_release(A, node), 0);
                ck_assert_int_eq(A->usage.used[BUS1_RESOURCE_OBJECTS], i + 4);
        }
        expect_text(A, front_node, "front");
        ck_assert_int_eq(A->usage.used[BUS1_RESOURCE_OBJECTS], 3);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(objects_messages_and_files_are_limited) {
        struct world world = world_new_limited(2, &(struct bus1_limits){.max = {0, 20, 10, 4}});
        u64 node, handle;
        struct bus1_transfer src[20], dst[20];

        create(A, B, 0, &node, &handle);
        ck_assert_uint_eq(send_until_refused(B, handle, BUS1_COST_MESSAGE), 5);
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
        struct world world = world_new_limited(2, &(struct bus1_limits){.max = {1000000}});
        struct bus1_peer *foreign = world_add(&world, 2000);
        u64 node, handle, f_node, f_handle;

        create(A, B, 0, &node, &handle);
        create(foreign, B, 0, &f_node, &f_handle);
        ck_assert_int_eq(send_bytes(B, handle, 400000), 0);
        ck_assert_int_eq(try_send_payload(B, (u64[]){f_handle, handle}, 2, payload_new(200000)),
                         -EDQUOT);
        expect_nothing(foreign);
        ck_assert_uint_eq(query(foreign).n_bytes, 0);
        ck_assert_uint_eq(query(A).n_bytes, 400000 - BUS1_COST_MESSAGE);
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

/* out of memory: an operation that does not get the memory that it needs has no effect */

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
                ck_assert_int_eq(B->usage.used[BUS1_RESOURCE_OBJECTS], 0);
                ck_assert_int_eq(A->usage.used[BUS1_RESOURCE_OBJECTS], 2);
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
                ck_assert_int_eq(A->usage.used[BUS1_RESOURCE_OBJECTS], 3);
                ck_assert_int_eq(foreign->usage.used[BUS1_RESOURCE_OBJECTS], 1);
                ck_assert_int_eq(foreign->usage.account->n_shares, 0);
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
        tcase_add_test(tcase, users_of_a_namespace_share_like_one_user);
        tcase_add_test(tcase, users_of_a_namespace_divide_what_senders_may_have);
        tcase_add_test(tcase, users_of_a_namespace_share_what_its_owner_gets);
        tcase_add_test(tcase, namespace_is_foreign_to_its_owner);
        tcase_add_test(tcase, users_of_a_namespace_have_one_limit_together);
        tcase_add_test(tcase, account_in_two_places_is_two_accounts);
        tcase_add_test(tcase, share_outlives_the_account_of_its_sender);
        tcase_add_test(tcase, peer_sends_to_many_accounts_in_turn);
        tcase_add_test(tcase, few_idle_shares_are_kept);
        tcase_add_test(tcase, no_idle_shares_of_ended_peers_are_kept);
        tcase_add_test(tcase, few_idle_shares_of_namespaces_are_kept);
        tcase_add_test(tcase, share_of_two_users_in_turn_is_allocated_once);
        tcase_add_test(tcase, memory_is_charged_for_what_has_no_data);
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
