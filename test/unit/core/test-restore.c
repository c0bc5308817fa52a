/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Saving and restoring a core: what was restored works like what was saved; and what could not have
 * been saved is refused
 *
 * stress-freeze.c does the first with cores of all kinds, this file with some that it describes.
 */

#include "acct.h"
#include "core-test.h"
#include "frozen.h"
#include "inspect.h"
#include "message.h"
#include "node.h"
#include "peer.h"
#include "v2016.h"
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

/* worlds */

/* Like world_add(), but nothing counts in the world, which moves. */
static void add(struct world *world, u32 uid) {
        size_t i = world->n_peers++;

        world->peers[i] = bus1_peer_new(world->accounts, KUIDT_INIT(uid), NULL, NULL);
        ck_assert(!IS_ERR(world->peers[i]));
}

/*
 * A world with everything that can be saved. A and C belong to one user, B to another one.
 *
 *  - A has messages of a foreign user. One is on a one-shot node, which is dead therefore. Another
 *    one is on a node whose last handle has gone.
 *  - B has messages with handles: some have IDs because B has looked at the message, some have
 *    none, one was passed on by a foreign user, and the node of one has ended.
 *  - C has a message with a file that B has, too, and moot entries in the middle of its queue.
 *  - D has ended. B still has a handle to a node of D. E has ended without leaving anything.
 */
static struct world rich_world(void) {
        struct world world = world_new(1);
        struct bus1_transfer transfers[3];
        struct bus1_payload *payload;
        u64 to_a, to_b, to_c, node, handle, extra;
        struct bus1_recv recv;
        int fds[2];

        add(&world, 1001);
        add(&world, 1000);
        add(&world, 1002);
        add(&world, 1003);
        bus1_peer_disconnect(world.peers[4]);
        bus1_peer_unref(world.peers[4]);

        create(A, B, 0, &node, &to_a);
        create(B, A, 0, &node, &to_b);
        create(C, A, 0, &node, &to_c);
        send_text(B, to_a, "first");
        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        copy(B, C, handle);
        send_text(B, handle, "reply");
        create(A, B, 0, &node, &handle);
        send_text(B, handle, "last words");
        ck_assert_int_eq(try_release(B, handle), 0);
        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);

        create(C, A, 0, &node, &extra);
        transfers[0] = (struct bus1_transfer){0, to_b};
        transfers[1] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        transfers[2] = (struct bus1_transfer){0, extra};
        ck_assert_int_eq(try_send(A, &to_b, 1, "with handles", transfers, 3), 0);
        ck_assert_int_eq(bus1_peer_recv_begin(B, &recv), 0);
        bus1_peer_recv_abort(&recv);
        transfers[1] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        ck_assert_int_eq(try_send(A, &to_b, 1, "with the same", transfers, 3), 0);
        ck_assert_int_eq(try_release(C, node), 0);
        transfers[1] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        ck_assert_int_eq(try_send(A, &to_b, 1, "with a dead one", transfers, 3), 0);

        payload = bus1_payload_new(4, 1);
        ck_assert(!IS_ERR(payload));
        memcpy(payload->data, "file", 4);
        ck_assert_int_eq(bus1_payload_charge_files(payload, A, U64_MAX), 0);
        ck_assert_int_eq(pipe(fds), 0);
        close(fds[1]);
        payload->files[0] = shim_file_new(fds[0]);
        payload->creds = (struct bus1_creds){
                .uid = KUIDT_INIT(7),
                .gid = KGIDT_INIT(8),
                .pid = shim_pid_new(9),
                .tid = shim_pid_new(10),
        };
        ck_assert_int_eq(try_send_payload(A, (u64[]){to_c, to_b}, 2, payload), 0);

        create(C, A, 0, &node, &handle);
        send_text(A, handle, "moot");
        create(A, C, 0, &extra, &handle);
        ck_assert_int_eq(try_release(A, extra), 0);
        ck_assert_int_eq(bus1_peer_release(C, (u64[]){node, handle}, 2), 0);
        send_text(A, to_c, "after");

        create(world.peers[3], B, 0, &node, &handle);
        bus1_peer_disconnect(world.peers[3]);
        bus1_peer_unref(world.peers[3]);
        world.n_peers = 3;
        return world;
}

static void get_numbers(const struct world *world, u64 *ret_numbers) {
        for (size_t i = 0; i < world->n_peers; i++)
                ret_numbers[i] = world->peers[i]->number;
}

/* Put a restored world in the place of a world. */
static void refreeze(struct world *world) {
        struct world restored = {.accounts = bus1_accounts_new(NULL), .n_peers = world->n_peers};
        struct frozen *before, *after;
        u64 numbers[MAX_PEERS];

        ck_assert(!IS_ERR(restored.accounts));
        get_numbers(world, numbers);
        ck_assert_int_eq(frozen_save(world->accounts, &before), 0);
        ck_assert_int_eq(
                frozen_restore(before, restored.accounts, numbers, world->n_peers, restored.peers),
                0);
        ck_assert_int_eq(frozen_save(restored.accounts, &after), 0);
        ck_assert(frozen_is_equal(before, after));
        ck_assert(frozen_looks_equal(world->accounts, restored.accounts));
        frozen_free(before);
        frozen_free(after);
        world_free(world);
        *world = restored;
}

/* Write what all peers receive to a stream. */
static void drain(struct world *world, FILE *f) {
        for (size_t i = 0; i < world->n_peers; i++) {
                for (;;) {
                        struct received r = test_recv(world->peers[i]);

                        if (r.r < 0)
                                break;
                        fprintf(f, "%zu: type %llu id %llu account %u pid %u '%s' %zu files:", i,
                                (unsigned long long)r.type, (unsigned long long)r.id, r.account,
                                r.pid, r.data, r.n_files);
                        for (size_t k = 0; k < r.n_transfers; k++)
                                fprintf(f, " %llu", (unsigned long long)r.transfers[k]);
                        fputc('\n', f);
                }
        }
}

/* Send through every handle, or release every node and handle, of a peer. */
static void use_objects(struct world *world, struct bus1_peer *peer, bool release) {
        struct bus1_object_info info;
        u64 id = 0;

        while (bus1_inspect_object(world->accounts, peer->number, id, &info)) {
                id = info.id + 1;
                if (release)
                        try_release(peer, info.id);
                else if (!info.is_node)
                        try_send(peer, &info.id, 1, "more", NULL, 0);
        }
}

/* Use a world until nothing is left of it. Returns what its peers have received, to be freed. */
static char *use_up(struct world *world) {
        char *text;
        size_t n;
        FILE *f = open_memstream(&text, &n);
        u64 node, handle;

        ck_assert_ptr_nonnull(f);
        drain(world, f);
        for (size_t i = 0; i < world->n_peers; i++)
                use_objects(world, world->peers[i], false);
        drain(world, f);
        for (size_t i = 0; i < world->n_peers && !world->peers[i]->disconnected; i++)
                create(world->peers[i], world->peers[0], 0, &node, &handle);
        fprintf(f, "IDs %llu %llu\n", (unsigned long long)node, (unsigned long long)handle);
        use_objects(world, world->peers[0], true);
        drain(world, f);
        for (size_t i = 0; i < world->n_peers; i++)
                fprintf(f, "clock %llu\n", (unsigned long long)world->peers[i]->queue.clock);
        world_free(world);
        fclose(f);
        return text;
}

/* what is restored */

START_TEST(a_restored_core_works_like_the_saved_one) {
        struct world saved = rich_world(), world = rich_world();
        char *expected, *got;

        refreeze(&world);
        refreeze(&world);
        expected = use_up(&saved);
        got = use_up(&world);
        ck_assert_str_eq(expected, got);
        ck_assert_ptr_nonnull(strstr(expected, "after"));
        free(expected);
        free(got);
}
END_TEST

START_TEST(a_core_is_restored_between_all_operations) {
        struct world saved = rich_world(), world = rich_world();

        for (;;) {
                struct received expected = {.r = -EAGAIN}, got;
                size_t i;

                refreeze(&world);
                for (i = 0; i < saved.n_peers && expected.r < 0; i++) {
                        expected = test_recv(saved.peers[i]);
                        got = test_recv(world.peers[i]);
                        ck_assert_int_eq(got.r, expected.r);
                }
                if (expected.r < 0)
                        break;
                ck_assert_uint_eq(got.id, expected.id);
                ck_assert_str_eq(got.data, expected.data);
        }
        world_free(&saved);
        world_free(&world);
}
END_TEST

START_TEST(numbers_of_peers_and_timestamps_do_not_return) {
        struct world world = world_new(2);
        unsigned long number;
        u64 clock;

        add(&world, 7);
        number = world.peers[2]->number;
        bus1_peer_disconnect(world.peers[2]);
        bus1_peer_unref(world.peers[2]);
        --world.n_peers;
        for (unsigned i = 0; i < 10; i++) {
                u64 node, handle;

                create(A, B, 0, &node, &handle);
                send_text(B, handle, "tick");
        }
        clock = A->queue.clock;
        refreeze(&world);
        ck_assert_uint_eq(A->queue.clock, clock);
        add(&world, 7);
        ck_assert_uint_gt(world.peers[2]->number, number);
        world_free(&world);
}
END_TEST

START_TEST(limits_do_not_apply_to_what_is_restored) {
        const struct bus1_limits limits = {.max[BUS1_RESOURCE_MESSAGES] = 8};
        struct world world = world_new(2), restored = {.n_peers = 2};
        struct frozen *frozen;
        u64 numbers[2], node, handle;

        create(A, B, 0, &node, &handle);
        for (unsigned i = 0; i < 10; i++)
                send_text(B, handle, "much");
        get_numbers(&world, numbers);
        ck_assert_int_eq(frozen_save(world.accounts, &frozen), 0);
        restored.accounts = bus1_accounts_new(&limits);
        ck_assert_int_eq(frozen_restore(frozen, restored.accounts, numbers, 2, restored.peers), 0);
        frozen_free(frozen);
        ck_assert_int_eq(try_send(restored.peers[1], &handle, 1, "more", NULL, 0), -EDQUOT);
        for (unsigned i = 0; i < 10; i++)
                expect_text(restored.peers[0], node, "much");
        send_text(restored.peers[1], handle, "more");
        world_free(&restored);
        world_free(&world);
}
END_TEST

static void count_wake(struct bus1_peer *peer, unsigned int n, void *data) {
        *(unsigned *)data += n;
}

START_TEST(nobody_is_woken_before_the_end) {
        struct world world = world_new(2);
        unsigned n = 0;
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        send_text(B, handle, "early");
        refreeze(&world);
        bus1_restore_wake(A, count_wake, &n);
        ck_assert_uint_eq(n, 0);
        send_text(B, handle, "late");
        ck_assert_uint_eq(n, 1);
        bus1_peer_disconnect(A);
        ck_assert_uint_eq(n, 2);
        /* A peer that has ended wakes nobody. */
        refreeze(&world);
        bus1_restore_wake(A, count_wake, &n);
        ck_assert_uint_eq(n, 2);
        world_free(&world);
}
END_TEST

START_TEST(a_filter_finds_what_is_restored) {
        struct world world = world_new(2);
        struct bus1_recv_filter filter = {};
        struct bus1_recv recv;
        u64 node, handle, other, other_handle;

        create(A, B, 0, &node, &handle);
        create(A, B, 0, &other, &other_handle);
        send_text(B, handle, "one");
        send_text(B, other_handle, "two");
        refreeze(&world);
        filter.node = other;
        ck_assert_int_eq(bus1_peer_recv_begin_for(A, &recv, &filter), 0);
        ck_assert_uint_eq(recv.id, other);
        ck_assert_int_eq(bus1_peer_recv_commit(&recv), 0);
        expect_text(A, node, "one");
        world_free(&world);
}
END_TEST

/* what cannot be saved */

START_TEST(a_core_in_use_is_not_saved) {
        struct world world = world_new(2);
        struct bus1_staging staging;
        struct bus1_delivery *delivery;
        struct frozen *frozen;
        struct bus1_recv recv;
        u64 node, handle;
        LIST_HEAD(entries);

        create(A, B, 0, &node, &handle);
        send_text(B, handle, "text");
        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        ck_assert_int_eq(frozen_save(world.accounts, &frozen), -EBUSY);
        bus1_peer_recv_abort(&recv);

        ck_assert_int_eq(bus1_peer_begin_command(A, 2 * BUS1_COMMAND_FREE), 0);
        ck_assert_int_eq(frozen_save(world.accounts, &frozen), -EBUSY);
        bus1_peer_end_command(A, 2 * BUS1_COMMAND_FREE);

        delivery = send_handle_begin(B, handle, handle);
        list_add_tail(&delivery->entry.link, &entries);
        bus1_staging_init(&staging, B->number, &entries);
        bus1_queue_stage(&A->queue, &delivery->entry, &staging);
        ck_assert_int_eq(frozen_save(world.accounts, &frozen), -EBUSY);
        bus1_staging_decide(&staging, 100);
        bus1_queue_sync(&B->queue, 100);
        ck_assert(bus1_queue_commit(&A->queue, &delivery->entry, &staging));

        refreeze(&world);
        world_free(&world);
}
END_TEST

START_TEST(what_hosted_cores_do_not_have_is_not_saved) {
        const struct bus1_principal inner = {KUIDT_INIT(7), 2, {7, BUS1_KEY_NAMESPACE | 1}};
        struct world world = world_new(1);
        struct pool pool = pool_new();
        struct frozen *frozen;

        ck_assert_int_eq(bus1_peer_enable_pool(A, &pool_memory, &pool), 0);
        ck_assert_int_eq(frozen_save(world.accounts, &frozen), -EOPNOTSUPP);
        world_free(&world);

        world = world_new(1);
        ck_assert_int_eq(bus1_v2016_enable(A, &pool_memory, &pool), 0);
        ck_assert_int_eq(frozen_save(world.accounts, &frozen), -EOPNOTSUPP);
        world_free(&world);
        free(pool.memory);

        world = world_new(0);
        world.peers[0] = bus1_peer_new_for(world.accounts, &inner, NULL, NULL);
        world.n_peers = 1;
        ck_assert_int_eq(frozen_save(world.accounts, &frozen), -EOPNOTSUPP);
        world_free(&world);
}
END_TEST

/* memory */

START_TEST(every_allocation_of_a_save_may_fail) {
        struct world world = rich_world();
        struct frozen *frozen;
        unsigned n = 0;
        int r;

        do {
                shim_fail_allocation(++n);
                r = frozen_save(world.accounts, &frozen);
                shim_fail_allocation(0);
                ck_assert(r == 0 || r == -ENOMEM);
        } while (r < 0);
        ck_assert_uint_gt(n, 5);
        frozen_free(frozen);
        free(use_up(&world));
}
END_TEST

START_TEST(every_allocation_of_a_restore_may_fail) {
        struct world world = rich_world(), restored = {.n_peers = 3};
        struct bus1_limits limits;
        struct frozen *frozen;
        size_t n_accounts;
        unsigned n = 0;
        u64 numbers[3], used[_BUS1_RESOURCE_N];
        int r;

        restored.accounts = bus1_accounts_new(NULL);
        limits = restored.accounts->limits;
        get_numbers(&world, numbers);
        ck_assert_int_eq(frozen_save(world.accounts, &frozen), 0);
        do {
                shim_fail_allocation(++n);
                r = frozen_restore(frozen, restored.accounts, numbers, 3, restored.peers);
                shim_fail_allocation(0);
                ck_assert(r == 0 || r == -ENOMEM);
                ck_assert_mem_eq(&limits, &restored.accounts->limits, sizeof(limits));
                bus1_accounts_usage(restored.accounts, &n_accounts, used);
                ck_assert(r == 0 || n_accounts == 0);
                /* Only a new table can be restored into. */
                if (r < 0) {
                        bus1_accounts_unref(restored.accounts);
                        restored.accounts = bus1_accounts_new(NULL);
                }
        } while (r < 0);
        ck_assert_uint_gt(n, 50);
        ck_assert(frozen_looks_equal(world.accounts, restored.accounts));
        frozen_free(frozen);
        free(use_up(&restored));
        free(use_up(&world));
}
END_TEST

/* what is refused */

/*
 * Restore what was damaged. If it is accepted, it must be a core that can be used up, and that can
 * be saved and restored again. Returns whether it is accepted.
 */
static bool try_damaged(const struct frozen *frozen, const u64 *numbers, size_t n) {
        struct world world = {.accounts = bus1_accounts_new(NULL), .n_peers = n};
        u64 used[_BUS1_RESOURCE_N];
        size_t n_accounts;
        int r;

        ck_assert(!IS_ERR(world.accounts));
        r = frozen_restore(frozen, world.accounts, numbers, n, world.peers);
        if (r == 0) {
                refreeze(&world);
                free(use_up(&world));
                return true;
        }
        ck_assert_int_eq(r, -EBADMSG);
        bus1_accounts_usage(world.accounts, &n_accounts, used);
        ck_assert_uint_eq(n_accounts, 0);
        bus1_accounts_unref(world.accounts);
        return false;
}

/* The saved rich world, for each damage anew. */
static struct frozen *rich_frozen(u64 numbers[3]) {
        struct world world = rich_world();
        struct frozen *frozen;

        get_numbers(&world, numbers);
        ck_assert_int_eq(frozen_save(world.accounts, &frozen), 0);
        world_free(&world);
        return frozen;
}

/* the first element that a condition is true of; x is the element */
#define FIRST(frozen, what, condition)                                                    \
        ({                                                                                \
                __typeof__(*(frozen)->what) *x = (frozen)->what;                          \
                while (x < (frozen)->what + (frozen)->n_##what && !(condition))           \
                        ++x;                                                              \
                if (x == (frozen)->what + (frozen)->n_##what)                             \
                        ck_abort_msg("the rich world has no " #what " with " #condition); \
                x;                                                                        \
        })
#define CARRIED(x) ((u32 *)(x)->handles)
#define NODE_OF(frozen, x) ((frozen)->nodes[(x)->node])

/* Each statement damages a struct frozen *f that can be restored, so that it cannot any more. */
/* clang-format off */
#define DAMAGES                                                                                    \
        D(f->counts.last_peer = f->peers[f->n_peers - 1].number - 1)                               \
        D(f->counts.last_peer = BUS1_RESTORE_MAX + 1)                                              \
        D(--f->counts.n_peers)                                                                     \
        D(++f->counts.n_peers)                                                                     \
        D(--f->counts.n_nodes)                                                                     \
        D(++f->counts.n_nodes)                                                                     \
        D(--f->counts.n_handles)                                                                   \
        D(++f->counts.n_handles)                                                                   \
        D(--f->counts.n_payloads)                                                                  \
        D(++f->counts.n_payloads)                                                                  \
        D(--f->counts.n_messages)                                                                  \
        D(++f->counts.n_messages)                                                                  \
        D(--f->counts.n_notifications)                                                             \
        D(++f->counts.n_notifications)                                                             \
        D(f->peers[0].number = 0)                                                                  \
        D(f->peers[1].number = f->peers[0].number)                                                 \
        D(f->peers[1].number = f->counts.last_peer + 1)                                            \
        D(f->peers[0].disconnected = true)                                                         \
        D(FIRST(f, peers, x->disconnected)->disconnected = false)                                  \
        D(f->peers[0].clock = BUS1_RESTORE_MAX + 2)                                                \
        D(++f->peers[0].clock)                                                                     \
        D(f->peers[0].clock = 2)                                                                   \
        D(++f->peers[0].last_id)                                                                   \
        D(f->peers[0].last_id = 1)                                                                 \
        D(f->peers[0].last_id = 3)                                                                 \
        D(f->peers[0].last_id = BUS1_RESTORE_MAX + 1)                                              \
        D(f->nodes[0].owner = 0)                                                                   \
        D(f->nodes[0].owner = f->counts.last_peer + 1)                                             \
        D(f->nodes[0].owner = FIRST(f, peers, x->disconnected)->number)                            \
        D(FIRST(f, nodes, x->state == BUS1_FROZEN_LIVING)->owner = f->peers[1].number)             \
        D(f->nodes[0].id = 0)                                                                      \
        D(f->nodes[0].id = 1)                                                                      \
        D(f->nodes[0].id = BUS1_INVALID)                                                           \
        D(f->nodes[0].id = f->nodes[1].id)                                                         \
        D(++f->nodes[0].id)                                                                        \
        D(f->nodes[0].id = f->peers[0].last_id + 2)                                                \
        D(f->nodes[0].state = BUS1_FROZEN_ENDED + 1)                                               \
        D(FIRST(f, nodes, x->state == BUS1_FROZEN_LIVING)->state = BUS1_FROZEN_DEAD)               \
        D(FIRST(f, nodes, x->state == BUS1_FROZEN_LIVING)->state = BUS1_FROZEN_ENDED)              \
        D(FIRST(f, nodes, x->state == BUS1_FROZEN_DEAD)->state = BUS1_FROZEN_LIVING)               \
        D(FIRST(f, nodes, x->state == BUS1_FROZEN_ENDED)->state = BUS1_FROZEN_LIVING)              \
        D(FIRST(f, nodes, x->state == BUS1_FROZEN_ENDED)->state = BUS1_FROZEN_DEAD)                \
        D(FIRST(f, nodes, x->state == BUS1_FROZEN_DEAD && x->oneshot)->oneshot = false)            \
        D(FIRST(f, nodes, x->state == BUS1_FROZEN_DEAD && !x->oneshot)->oneshot = true)            \
        D(NODE_OF(f, &f->messages[0]).oneshot = true)                                              \
        D(f->handles[0].holder = 0)                                                                \
        D(f->handles[0].holder = f->counts.last_peer + 1)                                          \
        D(f->handles[0].holder = FIRST(f, peers, x->disconnected)->number)                         \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_IN_FLIGHT)->holder = f->peers[0].number)       \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_LOST)->holder = f->peers[0].number)            \
        D(f->handles[0].node = (u32)f->n_nodes)                                                    \
        D(f->handles[0].node = UINT32_MAX)                                                         \
        D(FIRST(f, handles, NODE_OF(f, x).state == BUS1_FROZEN_LIVING)->node =                     \
                  (u32)(FIRST(f, nodes, x->state == BUS1_FROZEN_ENDED) - f->nodes))                \
        D(FIRST(f, handles, NODE_OF(f, x).state == BUS1_FROZEN_ENDED)->node =                      \
                  (u32)(FIRST(f, nodes, x->state == BUS1_FROZEN_LIVING) - f->nodes))               \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_HELD)->id = BUS1_INVALID)                      \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_HELD)->id = 0)                                 \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_HELD)->id += 1)                                \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_HELD)->id += 1000)                             \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_IN_FLIGHT && x->id != BUS1_INVALID)->id =      \
                  FIRST(f, handles,                                                                \
                        x->state == BUS1_FROZEN_HELD && x->holder == f->peers[1].number)           \
                          ->id)                                                                    \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_LOST)->id = 3)                                 \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_RELEASED)->id = 3)                             \
        D(f->handles[0].state = BUS1_FROZEN_RELEASED + 1)                                          \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_HELD)->state = BUS1_FROZEN_IN_FLIGHT)          \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_HELD)->state = BUS1_FROZEN_LOST)               \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_HELD)->state = BUS1_FROZEN_RELEASED)           \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_IN_FLIGHT)->state = BUS1_FROZEN_HELD)          \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_IN_FLIGHT)->state = BUS1_FROZEN_LOST)          \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_LOST)->state = BUS1_FROZEN_IN_FLIGHT)          \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_LOST)->state = BUS1_FROZEN_RELEASED)           \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_RELEASED)->state = BUS1_FROZEN_HELD)           \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_RELEASED)->state = BUS1_FROZEN_IN_FLIGHT)      \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_RELEASED)->state = BUS1_FROZEN_LOST)           \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_IN_FLIGHT && x->copied)->copied = false)       \
        D(FIRST(f, handles, x->state == BUS1_FROZEN_IN_FLIGHT && !x->copied)->copied = true)       \
        D(f->messages[0].timestamp = 0)                                                            \
        D(++f->messages[0].timestamp)                                                              \
        D(f->messages[0].timestamp = f->peers[0].clock + 2)                                        \
        D(f->messages[0].timestamp = f->messages[1].timestamp + 2)                                 \
        D(f->messages[1].timestamp = f->messages[0].timestamp;                                     \
          f->messages[1].tx = f->messages[0].tx;                       \
          f->messages[1].index = f->messages[0].index)      \
        D(f->messages[0].tx = 0)                                                                   \
        D(f->messages[0].tx = f->counts.last_peer + 1)                                             \
        D(f->messages[0].tx |= 1ULL << 63)                                                         \
        D(f->messages[0].node = (u32)f->n_nodes)                                                   \
        D(f->messages[0].node = UINT32_MAX)                                                        \
        D(f->messages[0].node = FIRST(f, messages, NODE_OF(f, x).oneshot)->node)                   \
        D(FIRST(f, messages, x->n_handles > 0)->node = f->messages[0].node)                        \
        D(f->messages[0].payload = (u32)f->n_payloads)                                             \
        D(f->messages[0].payload = f->messages[1].payload)                                         \
        D(FIRST(f, messages, x->n_handles > 0)->n_handles -= 1)                                    \
        D(FIRST(f, messages, x->n_handles > 0)->n_handles = BUS1_MAX_TRANSFERS + 1)                \
        D(CARRIED(FIRST(f, messages, x->n_handles > 0))[0] = (u32)f->n_handles)                    \
        D(CARRIED(FIRST(f, messages, x->n_handles > 0))[0] =                                       \
                  CARRIED(FIRST(f, messages, x->n_handles > 0))[1])                                \
        D(CARRIED(FIRST(f, messages, x->n_handles > 0))[0] =                                       \
                  (u32)(FIRST(f, handles, x->state == BUS1_FROZEN_HELD) - f->handles))             \
        D(f->notifications[0].timestamp = 0)                                                       \
        D(++f->notifications[0].timestamp)                                                         \
        D(f->notifications[0].timestamp += 1ULL << 40)                                             \
        D(FIRST(f, notifications, x->is_node)->timestamp = 2;                                      \
          FIRST(f, notifications, x->is_node)->index = 5)                                      \
        D(FIRST(f, notifications, x->is_node)->timestamp = f->messages[0].timestamp;               \
          FIRST(f, notifications, x->is_node)->tx = f->messages[0].tx)                             \
        D(f->notifications[0].tx = 0)                                                              \
        D(f->notifications[0].tx = f->counts.last_peer + 1)                                        \
        D(f->notifications[0].is_node ^= true)                                                     \
        D(FIRST(f, notifications, !x->is_node)->object = (u32)f->n_handles)                        \
        D(FIRST(f, notifications, x->is_node)->object = (u32)f->n_nodes)                           \
        D(FIRST(f, notifications, x->is_node)->object =                                            \
                  (u32)(FIRST(f, nodes, x->state == BUS1_FROZEN_LIVING) - f->nodes))               \
        D(FIRST(f, notifications, !x->is_node)->object =                                           \
                  (u32)(FIRST(f, handles, NODE_OF(f, x).state == BUS1_FROZEN_LIVING) -             \
                        f->handles))                                                               \
        D(FIRST(f, notifications, !x->is_node)->object =                                           \
                  (u32)(FIRST(f, handles, x->state == BUS1_FROZEN_LOST) - f->handles))             \
        D(f->n_notifications -= 1; f->counts.n_notifications -= 1)
/* clang-format on */

static const char *const damage_texts[] = {
#define D(...) #__VA_ARGS__,
        DAMAGES
#undef D
};

/* Do damage i. */
static void damage(struct frozen *f, int i) {
        int n = 0;

#define D(...)               \
        if (n++ == i) {      \
                __VA_ARGS__; \
        }
        DAMAGES
#undef D
}

#define N_DAMAGES ((int)(sizeof(damage_texts) / sizeof(damage_texts[0])))

START_TEST(what_is_damaged_is_refused) {
        u64 numbers[3];
        struct frozen *f = rich_frozen(numbers);

        ck_assert(try_damaged(f, numbers, 3));
        damage(f, _i);
        if (try_damaged(f, numbers, 3))
                ck_abort_msg("accepted: %s", damage_texts[_i]);
        frozen_free(f);
}
END_TEST

/* Whatever a field says: it is refused, or the core works. */

struct field {
        size_t array; /* offset of the pointer in struct frozen; the number of elements follows */
        size_t size;  /* of an element */
        size_t offset, n;
        bool is_bool;
};

#define FIELD(array, field)                                                               \
        {                                                                                 \
                offsetof(struct frozen, array), sizeof(*((struct frozen *)NULL)->array),  \
                        offsetof(__typeof__(*((struct frozen *)NULL)->array), field),     \
                        sizeof(((struct frozen *)NULL)->array->field),                    \
                        __builtin_types_compatible_p(                                     \
                                __typeof__(((struct frozen *)NULL)->array->field), bool), \
        }

static const struct field fields[] = {
        FIELD(peers, number),
        FIELD(peers, uid),
        FIELD(peers, disconnected),
        FIELD(peers, clock),
        FIELD(peers, last_id),
        FIELD(nodes, owner),
        FIELD(nodes, id),
        FIELD(nodes, state),
        FIELD(nodes, oneshot),
        FIELD(handles, holder),
        FIELD(handles, node),
        FIELD(handles, id),
        FIELD(handles, state),
        FIELD(handles, copied),
        FIELD(payloads, account),
        FIELD(messages, timestamp),
        FIELD(messages, tx),
        FIELD(messages, index),
        FIELD(messages, node),
        FIELD(messages, payload),
        FIELD(notifications, timestamp),
        FIELD(notifications, tx),
        FIELD(notifications, index),
        FIELD(notifications, is_node),
        FIELD(notifications, object),
};

static bool is_field(const struct field *a, const struct field *b) {
        return a->array == b->array && a->offset == b->offset;
}

#define N_FIELDS ((int)(sizeof(fields) / sizeof(fields[0])))

START_TEST(whatever_a_field_says_the_core_works) {
        static const u64 flips[] = {1, 2, 4, 1ULL << 31, 1ULL << 59, 1ULL << 62, 1ULL << 63};
        const struct field *field = &fields[_i];
        u64 numbers[3];
        struct frozen *f = rich_frozen(numbers);
        u8 *items = *(u8 **)((u8 *)f + field->array);
        size_t n = *(size_t *)((u8 *)f + field->array + sizeof(u8 *)), n_refused = 0;

        ck_assert_uint_gt(n, 0);
        for (size_t i = 0; i < n; i++) {
                u8 *p = items + i * field->size + field->offset;
                u64 old = 0, value;

                memcpy(&old, p, field->n);
                for (size_t k = 0; k < (field->is_bool ? 1 : 3 + sizeof(flips) / 8); k++) {
                        value = k < sizeof(flips) / 8 ? old ^ flips[k]
                                                      : (u64[]){0, UINT64_MAX, old + 3}[k - 7];
                        memcpy(p, &value, field->n);
                        n_refused += !try_damaged(f, numbers, 3);
                        memcpy(p, &old, field->n);
                }
        }
        /* Any user may own a peer and send a message, and there may be gaps in transactions. */
        if (!is_field(field, &(struct field)FIELD(peers, uid)) &&
            !is_field(field, &(struct field)FIELD(payloads, account)) &&
            !is_field(field, &(struct field)FIELD(messages, index)))
                ck_assert_uint_gt(n_refused, 0);
        ck_assert(try_damaged(f, numbers, 3));
        frozen_free(f);
}
END_TEST

START_TEST(whatever_handles_a_message_has_the_core_works) {
        u64 numbers[3];
        struct frozen *f = rich_frozen(numbers);

        for (size_t i = 0; i < f->n_messages; i++) {
                for (size_t k = 0; k < f->messages[i].n_handles; k++) {
                        u32 *handle = &CARRIED(&f->messages[i])[k], old = *handle;

                        for (*handle = 0; *handle <= f->n_handles; ++*handle) {
                                if (*handle != old)
                                        ck_assert(!try_damaged(f, numbers, 3));
                        }
                        *handle = old;
                }
        }
        frozen_free(f);
}
END_TEST

/*
 * Leave out, double and exchange elements. The number of elements is left as it was (fix is false;
 * then this is refused), or made to fit.
 */
static void move_elements(struct frozen *f, const u64 *numbers, void *p, size_t *n, size_t size,
                          u64 *count, bool fix) {
        u8 *items = p, element[256];

        for (size_t i = 0; i < *n; i++) {
                memcpy(element, items + i * size, size);
                memmove(items + i * size, items + (i + 1) * size, (*n - i - 1) * size);
                --*n;
                *count -= fix;
                if (try_damaged(f, numbers, 3))
                        ck_assert(fix);
                *count += fix;
                ++*n;
                memmove(items + (i + 1) * size, items + i * size, (*n - i - 1) * size);
                memcpy(items + i * size, element, size);
        }
        /* frozen_save() has left room for one more */
        for (size_t i = 0; i < *n; i++) {
                memmove(items + (i + 1) * size, items + i * size, (*n - i) * size);
                ++*n;
                *count += fix;
                ck_assert(!try_damaged(f, numbers, 3));
                *count -= fix;
                --*n;
                memmove(items + i * size, items + (i + 1) * size, (*n - i) * size);
        }
        for (size_t i = 0; i + 1 < *n && fix; i++) {
                for (unsigned k = 0; k < 2; k++) {
                        memcpy(element, items + i * size, size);
                        memcpy(items + i * size, items + (i + 1) * size, size);
                        memcpy(items + (i + 1) * size, element, size);
                        if (k == 0)
                                try_damaged(f, numbers, 3);
                }
        }
}

START_TEST(elements_cannot_be_left_out_or_doubled) {
        u64 numbers[3];
        struct frozen *f = rich_frozen(numbers);
        bool fix = _i;

        move_elements(f, numbers, f->peers, &f->n_peers, sizeof(*f->peers), &f->counts.n_peers,
                      fix);
        move_elements(f, numbers, f->nodes, &f->n_nodes, sizeof(*f->nodes), &f->counts.n_nodes,
                      fix);
        move_elements(f, numbers, f->handles, &f->n_handles, sizeof(*f->handles),
                      &f->counts.n_handles, fix);
        move_elements(f, numbers, f->payloads, &f->n_payloads, sizeof(*f->payloads),
                      &f->counts.n_payloads, fix);
        move_elements(f, numbers, f->messages, &f->n_messages, sizeof(*f->messages),
                      &f->counts.n_messages, fix);
        move_elements(f, numbers, f->notifications, &f->n_notifications, sizeof(*f->notifications),
                      &f->counts.n_notifications, fix);
        ck_assert(try_damaged(f, numbers, 3));
        frozen_free(f);
}
END_TEST

START_TEST(the_right_peers_have_to_be_claimed) {
        u64 numbers[4];
        struct frozen *f = rich_frozen(numbers);

        /* one is missing, one is claimed twice, one does not exist */
        ck_assert(!try_damaged(f, numbers, 2));
        numbers[3] = numbers[0];
        ck_assert(!try_damaged(f, numbers, 4));
        numbers[3] = f->counts.last_peer;
        ck_assert(!try_damaged(f, numbers, 4));
        /* one that has ended may be claimed */
        numbers[3] = FIRST(f, peers, x->disconnected)->number;
        ck_assert(try_damaged(f, numbers, 4));
        frozen_free(f);
}
END_TEST

START_TEST(a_table_that_is_in_use_is_refused) {
        struct world world = world_new(1);
        u64 numbers[3];
        struct frozen *f = rich_frozen(numbers);
        struct bus1_peer *peers[3];

        ck_assert_int_eq(frozen_restore(f, world.accounts, numbers, 3, peers), -EBADMSG);
        frozen_free(f);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("core-restore");
        TCase *tcase = tcase_create("restore");

        tcase_set_timeout(tcase, 600);
        tcase_add_test(tcase, a_restored_core_works_like_the_saved_one);
        tcase_add_test(tcase, a_core_is_restored_between_all_operations);
        tcase_add_test(tcase, numbers_of_peers_and_timestamps_do_not_return);
        tcase_add_test(tcase, limits_do_not_apply_to_what_is_restored);
        tcase_add_test(tcase, nobody_is_woken_before_the_end);
        tcase_add_test(tcase, a_filter_finds_what_is_restored);
        tcase_add_test(tcase, a_core_in_use_is_not_saved);
        tcase_add_test(tcase, what_hosted_cores_do_not_have_is_not_saved);
        tcase_add_test(tcase, every_allocation_of_a_save_may_fail);
        tcase_add_test(tcase, every_allocation_of_a_restore_may_fail);
        tcase_add_loop_test(tcase, what_is_damaged_is_refused, 0, N_DAMAGES);
        tcase_add_loop_test(tcase, whatever_a_field_says_the_core_works, 0, N_FIELDS);
        tcase_add_test(tcase, whatever_handles_a_message_has_the_core_works);
        tcase_add_loop_test(tcase, elements_cannot_be_left_out_or_doubled, 0, 2);
        tcase_add_test(tcase, the_right_peers_have_to_be_claimed);
        tcase_add_test(tcase, a_table_that_is_in_use_is_refused);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
