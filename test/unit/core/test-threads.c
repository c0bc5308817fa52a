/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Several threads use the same peers, and peers end meanwhile: nothing hangs, crashes or leaks.
 * Several threads send to one one-shot node: exactly one message arrives. The stress test
 * (stress.c) checks which messages arrive when all operations are mixed, and in which order.
 */

#include "core-test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define N_THREADS 4
#define N_PEERS 4

struct slot {
        pthread_mutex_t lock; /* protects the pointer, not operations on the peer */
        struct bus1_peer *peer;
        /* IDs that were seen before; many of them have ended */
        _Atomic u64 ids[16];
};

struct hammer {
        struct bus1_accounts *accounts;
        struct slot slots[N_PEERS];
        _Atomic unsigned n_rounds;
        unsigned max_rounds;
};

static _Thread_local u64 seed;

static unsigned draw(unsigned n) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return (seed >> 11) % n;
}

static struct bus1_peer *slot_get(struct slot *slot) {
        struct bus1_peer *peer;

        pthread_mutex_lock(&slot->lock);
        peer = bus1_peer_ref(slot->peer);
        pthread_mutex_unlock(&slot->lock);
        return peer;
}

/* Some users live in a user namespace, some of these in a namespace inside of another one. */
static struct bus1_principal draw_principal(void) {
        static const size_t n_outer[] = {0, 0, 2, 4};

        return (struct bus1_principal){
                .uid = KUIDT_INIT(1000 + draw(3)),
                .n_outer = n_outer[draw(4)],
                .outer = {1000 + draw(2), BUS1_KEY_NAMESPACE | draw(2), 1000,
                          BUS1_KEY_NAMESPACE | 2},
        };
}

/* End the peer and put a new one in its place. */
static void slot_replace(struct hammer *hammer, struct slot *slot) {
        struct bus1_principal principal = draw_principal();
        struct bus1_peer *old, *new;

        new = bus1_peer_new_for(hammer->accounts, &principal, NULL, NULL);
        ck_assert(!IS_ERR(new));
        pthread_mutex_lock(&slot->lock);
        old = slot->peer;
        slot->peer = new;
        pthread_mutex_unlock(&slot->lock);
        bus1_peer_disconnect(old);
        bus1_peer_unref(old);
}

static void remember(struct slot *slot, u64 id) {
        slot->ids[draw(16)] = id;
}

static u64 recall(struct slot *slot) {
        return slot->ids[draw(16)];
}

static void receive(struct slot *slot, struct bus1_peer *peer) {
        struct bus1_recv recv;
        volatile u8 byte;

        if (bus1_peer_recv_begin(peer, &recv) < 0)
                return;
        if (recv.payload && recv.payload->n_data > 0)
                byte = recv.payload->data[recv.payload->n_data - 1];
        (void)byte;
        for (size_t i = 0; i < recv.n_transfers; i++)
                remember(slot, bus1_recv_transfer(&recv, i).id);
        if (draw(4) == 0)
                bus1_peer_recv_abort(&recv);
        else
                bus1_peer_recv_commit(&recv);
}

static void *hammer_work(void *data) {
        struct hammer *hammer = data;

        seed = (u64)(unsigned long)&hammer * 0x9e3779b97f4a7c15ULL;
        while (hammer->n_rounds++ < hammer->max_rounds) {
                struct slot *slot = &hammer->slots[draw(N_PEERS)],
                            *other = &hammer->slots[draw(N_PEERS)];
                struct bus1_peer *peer = slot_get(slot), *to = slot_get(other);
                struct bus1_transfer src, dst;
                u64 ids[3];

                switch (draw(12)) {
                case 0:
                        if (draw(50) == 0)
                                slot_replace(hammer, slot);
                        else if (draw(20) == 0)
                                bus1_peer_reset(peer);
                        break;
                case 1:
                case 2:
                        src = (struct bus1_transfer){
                                BUS1_TRANSFER_FLAG_CREATE |
                                        (draw(2) ? BUS1_TRANSFER_FLAG_ONESHOT : 0),
                                BUS1_INVALID,
                        };
                        if (bus1_peer_transfer(peer, to, &src, &dst, 1) == 0) {
                                remember(slot, src.id);
                                remember(other, dst.id);
                        }
                        break;
                case 3:
                        src = (struct bus1_transfer){0, recall(slot)};
                        if (bus1_peer_transfer(peer, to, &src, &dst, 1) == 0)
                                remember(other, dst.id);
                        break;
                case 4:
                        ids[0] = recall(slot);
                        ids[1] = recall(slot);
                        bus1_peer_release(peer, ids, 1 + draw(2));
                        break;
                case 5:
                case 6:
                case 7:
                        for (unsigned i = 0; i < 3; i++)
                                ids[i] = recall(slot);
                        src = draw(3) ? (struct bus1_transfer){0, recall(slot)}
                                      : (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE,
                                                               BUS1_INVALID};
                        try_send(peer, ids, 1 + draw(3), "text", &src, draw(2));
                        break;
                default:
                        receive(slot, peer);
                        break;
                }
                bus1_peer_poll(peer);
                bus1_peer_unref(to);
                bus1_peer_unref(peer);
        }
        return NULL;
}

START_TEST(threads_share_peers_and_peers_end) {
        struct hammer hammer = {.accounts = bus1_accounts_new(NULL), .max_rounds = 300000};
        pthread_t threads[N_THREADS];
        u64 used[_BUS1_RESOURCE_N];
        size_t n_accounts;

        for (unsigned i = 0; i < N_PEERS; i++) {
                pthread_mutex_init(&hammer.slots[i].lock, NULL);
                hammer.slots[i].peer = bus1_peer_new(hammer.accounts, KUIDT_INIT(1000), NULL, NULL);
        }
        for (unsigned i = 0; i < N_THREADS; i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer_work, &hammer), 0);
        for (unsigned i = 0; i < N_THREADS; i++)
                pthread_join(threads[i], NULL);
        for (unsigned i = 0; i < N_PEERS; i++) {
                bus1_peer_disconnect(hammer.slots[i].peer);
                bus1_peer_unref(hammer.slots[i].peer);
        }
        bus1_accounts_usage(hammer.accounts, &n_accounts, used);
        ck_assert_uint_eq(n_accounts, 0);
        bus1_accounts_unref(hammer.accounts);
}
END_TEST

/* one-shot race: exactly one of many messages is received */

struct racer {
        struct bus1_peer *peer;
        u64 handle;
        pthread_barrier_t *barrier;
};

static void *race(void *data) {
        struct racer *racer = data;

        pthread_barrier_wait(racer->barrier);
        ck_assert_int_eq(try_send(racer->peer, &racer->handle, 1, "x", NULL, 0), 0);
        return NULL;
}

START_TEST(one_of_many_senders_wins_a_oneshot_node) {
        for (unsigned round = 0; round < 200; round++) {
                struct world world = world_new(N_THREADS + 1);
                struct racer racers[N_THREADS];
                pthread_t threads[N_THREADS];
                pthread_barrier_t barrier;
                u64 node, handle;

                pthread_barrier_init(&barrier, NULL, N_THREADS);
                create(world.peers[N_THREADS], world.peers[0], BUS1_TRANSFER_FLAG_ONESHOT, &node,
                       &handle);
                for (unsigned i = 0; i < N_THREADS; i++)
                        racers[i] = (struct racer){
                                world.peers[i],
                                i ? copy(world.peers[0], world.peers[i], handle) : handle,
                                &barrier,
                        };
                for (unsigned i = 0; i < N_THREADS; i++)
                        pthread_create(&threads[i], NULL, race, &racers[i]);
                for (unsigned i = 0; i < N_THREADS; i++)
                        pthread_join(threads[i], NULL);
                expect_text(world.peers[N_THREADS], node, "x");
                expect_nothing(world.peers[N_THREADS]);
                for (unsigned i = 0; i < N_THREADS; i++)
                        ck_assert_int_eq(test_recv(world.peers[i]).r, -EAGAIN);
                pthread_barrier_destroy(&barrier);
                world_free(&world);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("threads");
        TCase *tcase = tcase_create("threads");

        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, threads_share_peers_and_peers_end);
        tcase_add_test(tcase, one_of_many_senders_wins_a_oneshot_node);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
