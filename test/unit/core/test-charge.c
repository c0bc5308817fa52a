/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Charges of several threads at the same time: no limit is exceeded, and no charge fails because of
 * others that fail
 */

#include "charge.h"
#include "core-test.h"
#include "peer.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define N_THREADS 3
#define N_ROUNDS 20000
#define MAX 1000000
/* memory that is charged for a message of 1 byte */
#define COST (BUS1_COST_MESSAGE + 1)

/* one user, who owns a namespace with two users, and a foreign user */
enum who { OWNER, FIRST, SECOND, FOREIGN, N_WHO };

static void scene_init(struct world *world, const struct bus1_limits *limits) {
        *world = world_new_limited(0, limits);
        world_add(world, 1000);
        for (u32 uid = 100001; uid <= 100002; uid++) {
                struct bus1_principal principal = {
                        .uid = KUIDT_INIT(uid),
                        .n_outer = 2,
                        .outer = {1000, BUS1_KEY_NAMESPACE | 1},
                };
                struct bus1_peer *peer = bus1_peer_new_for(world->accounts, &principal, NULL, NULL);

                ck_assert(!IS_ERR(peer));
                world->peers[world->n_peers++] = peer;
        }
        world_add(world, 2000);
}

/* A charge for n messages of 1 byte. Return: whether it succeeded. */
static bool charge(struct bus1_peer *receiver, struct bus1_peer *sender, u64 n,
                   struct bus1_share **ret_share) {
        const u64 amount[_BUS1_SUM_N_MESSAGE] = {n, 0, n, 0};
        int r = bus1_charge(&receiver->usage, &sender->usage, amount, ret_share);

        ck_assert(r == 0 || r == -EDQUOT);
        return r == 0;
}

static void uncharge(struct bus1_peer *receiver, u64 n, struct bus1_share *share) {
        const u64 amount[_BUS1_SUM_N_MESSAGE] = {n, 0, n, 0}, none[_BUS1_SUM_N_MESSAGE] = {};

        bus1_uncharge_message(&receiver->usage, share, amount, none);
}

/* charges that fail */

enum kind { MESSAGES, OBJECTS, PENDING, FILES };

struct try {
        struct world *world;
        enum kind kind;
        enum who receiver;
        enum who sender;
        u64 n;
        struct beside *beside;
};

/* shared with the threads whose charges fail: whether to stop, and how many charges have failed */
struct beside {
        _Atomic bool stop;
        _Atomic unsigned n_failed;
};

/* Charge, and end the charge again. Return: whether the charge succeeded. */
static bool try_once(const struct try *try) {
        struct bus1_peer *receiver = try->world->peers[try->receiver];
        struct bus1_peer *sender = try->world->peers[try->sender];
        struct bus1_share *share;

        switch (try->kind) {
        case MESSAGES:
                if (!charge(receiver, sender, try->n, &share))
                        return false;
                uncharge(receiver, try->n, share);
                return true;
        case OBJECTS:
                if (bus1_charge_objects(&receiver->usage, &sender->usage, try->n, 0) < 0)
                        return false;
                bus1_uncharge_objects(&receiver->usage, try->n, 0);
                return true;
        case PENDING:
                if (bus1_peer_begin_command(sender, BUS1_COMMAND_FREE + try->n) < 0)
                        return false;
                bus1_peer_end_command(sender, BUS1_COMMAND_FREE + try->n);
                return true;
        default:
                /*
                 * The sender has at most n earlier files here. So its own limit, n, does not refuse
                 * the charge; only its part of the limit of the namespace can.
                 */
                if (!bus1_charge_files(sender->usage.account, try->n, try->n))
                        return false;
                bus1_uncharge_files(sender->usage.account, try->n);
                return true;
        }
}

static void *fail_always(void *data) {
        const struct try *try = data;

        while (!try->beside->stop) {
                ck_assert(!try_once(try));
                ++try->beside->n_failed;
        }
        return NULL;
}

/*
 * Make charges that fit, while other threads make charges that do not fit. Return: how many of the
 * charges that fit were refused.
 */
static unsigned refused_beside(const struct try *fits, struct try fails) {
        struct beside beside = {};
        pthread_t threads[N_THREADS];
        unsigned n_refused = 0;

        fails.beside = &beside;
        ck_assert(try_once(fits));
        for (unsigned i = 0; i < N_THREADS; i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, fail_always, &fails), 0);
        for (unsigned i = 0; i < N_ROUNDS || beside.n_failed < N_ROUNDS; i++)
                n_refused += !try_once(fits);
        beside.stop = true;
        for (unsigned i = 0; i < N_THREADS; i++)
                pthread_join(threads[i], NULL);
        return n_refused;
}

/* in each pair, a charge that fits and one that does not */
static const struct try failing[][2] = {
        /* One user of a namespace asks for too much; the other user and the owner do not. */
        {{.kind = MESSAGES, .receiver = SECOND, .sender = SECOND, .n = MAX / 13 / COST},
         {.kind = MESSAGES, .receiver = FIRST, .sender = FIRST, .n = MAX / COST - 1}},
        {{.kind = MESSAGES, .receiver = OWNER, .sender = OWNER, .n = MAX * 2 / 5 / COST},
         {.kind = MESSAGES, .receiver = FIRST, .sender = FIRST, .n = MAX / COST - 1}},
        {{.kind = OBJECTS, .receiver = OWNER, .sender = OWNER, .n = 400},
         {.kind = OBJECTS, .receiver = FIRST, .sender = FIRST, .n = MAX / BUS1_COST_OBJECT - 1}},
        /* The two users of the namespace send to the peer of a foreign user. */
        {{.kind = MESSAGES, .receiver = FOREIGN, .sender = SECOND, .n = MAX / 40 / COST},
         {.kind = MESSAGES, .receiver = FOREIGN, .sender = FIRST, .n = MAX * 2 / 5 / COST}},
        /* commands that are under way */
        {{.kind = PENDING, .receiver = SECOND, .sender = SECOND, .n = MAX / 20},
         {.kind = PENDING, .receiver = FIRST, .sender = FIRST, .n = MAX - MAX / 100}},
        {{.kind = PENDING, .receiver = OWNER, .sender = OWNER, .n = MAX / 4},
         {.kind = PENDING, .receiver = FIRST, .sender = FIRST, .n = MAX - MAX / 100}},
};

START_TEST(charge_does_not_fail_because_of_others_that_fail) {
        struct try fits = failing[_i][0], fails = failing[_i][1];
        struct world world;

        scene_init(&world, &(struct bus1_limits){.max = {MAX, MAX, MAX, MAX}});
        fits.world = fails.world = &world;
        ck_assert_uint_eq(refused_beside(&fits, fails), 0);
        world_free(&world);
}
END_TEST

START_TEST(files_do_not_fail_because_of_others_that_fail) {
        struct world world;
        struct bus1_account *first;

        scene_init(&world, &(struct bus1_limits){.max = {0, 0, 0, 400}});
        /* User FIRST has more files in flight than its part of the limit, so it gets no more. */
        first = world.peers[FIRST]->usage.account;
        ck_assert(bus1_charge_files(first, 100, 1000));
        ck_assert_uint_eq(refused_beside(&(struct try){&world, FILES, SECOND, SECOND, 60},
                                         (struct try){&world, FILES, FIRST, FIRST, 350}),
                          0);
        bus1_uncharge_files(first, 100);
        world_free(&world);
}
END_TEST

/* two charges at the same time, of which only one fits */

struct racer {
        struct world *world;
        enum who who;
        u64 n;
        pthread_barrier_t *barrier;
        _Atomic unsigned *n_charged;
};

static void *race(void *data) {
        struct racer *racer = data;
        struct bus1_peer *peer = racer->world->peers[racer->who];
        struct bus1_share *share;
        bool charged;

        for (unsigned i = 0; i < N_ROUNDS / 5; i++) {
                pthread_barrier_wait(racer->barrier);
                charged = charge(peer, peer, racer->n, &share);
                *racer->n_charged += charged;
                pthread_barrier_wait(racer->barrier);
                ck_assert_uint_eq(*racer->n_charged, i + 1);
                if (charged)
                        uncharge(peer, racer->n, share);
        }
        return NULL;
}

static void race_each_other(enum who first, enum who second, u64 n) {
        struct world world;
        _Atomic unsigned n_charged = 0;
        pthread_barrier_t barrier;
        struct racer racers[2] = {
                {&world, first, n, &barrier, &n_charged},
                {&world, second, n, &barrier, &n_charged},
        };
        pthread_t threads[2];

        scene_init(&world, &(struct bus1_limits){.max = {MAX, 0, 1000}});
        pthread_barrier_init(&barrier, NULL, 2);
        for (unsigned i = 0; i < 2; i++)
                pthread_create(&threads[i], NULL, race, &racers[i]);
        for (unsigned i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&barrier);
        world_free(&world);
}

START_TEST(one_of_two_charges_fits_on_a_peer) {
        race_each_other(OWNER, OWNER, 260);
}
END_TEST

START_TEST(one_of_two_charges_fits_in_a_namespace) {
        /*
         * Each charge of 90 counts for the owner, the namespace, the user and the peer. The
         * namespace has left what the owner and the namespace itself have not used of 1000. Each of
         * its two users may have a quarter of that, see bus1_divide(), and a peer may have what its
         * user has left. So the first charge fits: 2 * 90 <= (1000 - 2 * 90) / 4. The second one
         * does not: 2 * 90 > (1000 - 4 * 90) / 4.
         */
        race_each_other(FIRST, SECOND, 90);
}
END_TEST

struct filler {
        struct bus1_peer *peer;
        unsigned n;
};

static void *fill(void *data) {
        struct filler *filler = data;
        struct bus1_share *share;

        while (charge(filler->peer, filler->peer, 1, &share))
                ++filler->n;
        return NULL;
}

START_TEST(threads_get_all_that_there_is) {
        for (unsigned round = 0; round < 300; round++) {
                struct world world;
                struct filler fillers[N_THREADS];
                pthread_t threads[N_THREADS];
                unsigned n = 0;

                scene_init(&world, &(struct bus1_limits){.max = {MAX, 0, 1000}});
                for (unsigned i = 0; i < N_THREADS; i++) {
                        fillers[i] = (struct filler){world.peers[OWNER], 0};
                        pthread_create(&threads[i], NULL, fill, &fillers[i]);
                }
                for (unsigned i = 0; i < N_THREADS; i++) {
                        pthread_join(threads[i], NULL);
                        n += fillers[i].n;
                }
                ck_assert_uint_eq(n, 500);
                for (unsigned i = 0; i < n; i++)
                        uncharge(world.peers[OWNER], 1, NULL);
                world_free(&world);
        }
}
END_TEST

/* shares */

struct sender {
        struct world *world;
        enum who receiver;
        enum who who;
};

static void *send_and_end(void *data) {
        struct sender *sender = data;
        struct bus1_peer *receiver = sender->world->peers[sender->receiver];
        struct bus1_share *share;

        for (unsigned i = 0; i < N_ROUNDS; i++) {
                ck_assert(charge(receiver, sender->world->peers[sender->who], 1, &share));
                uncharge(receiver, 1, share);
        }
        return NULL;
}

START_TEST(shares_begin_and_end_in_several_threads) {
        enum { N = 2 * BUS1_MAX_IDLE_SHARES };
        struct world world;
        struct sender senders[N];
        pthread_t threads[N];

        scene_init(&world, NULL);
        for (unsigned i = 0; i < N; i++) {
                enum who who = i < 3 ? OWNER + i : world.n_peers;

                if (i >= 3)
                        world_add(&world, 3000 + i);
                senders[i] = (struct sender){&world, FOREIGN, who};
        }
        for (unsigned i = 0; i < N; i++)
                pthread_create(&threads[i], NULL, send_and_end, &senders[i]);
        for (unsigned i = 0; i < N; i++)
                pthread_join(threads[i], NULL);
        ck_assert_uint_eq(world.peers[FOREIGN]->usage.account->n_shares, 0);
        ck_assert_uint_le(world.peers[FOREIGN]->usage.account->n_idle, BUS1_MAX_IDLE_SHARES);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("charge");
        TCase *tcase = tcase_create("charge");

        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, charge_does_not_fail_because_of_others_that_fail, 0,
                            sizeof(failing) / sizeof(failing[0]));
        tcase_add_test(tcase, files_do_not_fail_because_of_others_that_fail);
        tcase_add_test(tcase, one_of_two_charges_fits_on_a_peer);
        tcase_add_test(tcase, one_of_two_charges_fits_in_a_namespace);
        tcase_add_test(tcase, threads_get_all_that_there_is);
        tcase_add_test(tcase, shares_begin_and_end_in_several_threads);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
