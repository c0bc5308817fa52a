/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the queues of clients and users hold: what fits, and what does not. */

#include <stdlib.h>
#include <string.h>

#include "bridge/bus/route.h"
#include "bridge/bus/tell.h"
#include "queues.h"

enum { A = 1001, B, C, D };

/* Queue messages of this user until one does not fit. Returns how much memory they have. */
static uint64_t fill(struct member *member, uint64_t uid, uint64_t cost) {
        uint64_t n = 0;

        while (put(member, message_of(uid, cost)))
                n += cost;
        return n;
}

START_TEST(quota_leaves_each_client_a_reserve) {
        struct member *full = member_new(B), *other = member_new(B), *last = member_new(B);

        fill(full, B, 100 * KIB);
        fill(other, B, 100 * KIB);
        fill(last, B, 100 * KIB);
        take_all(last);
        fill(full, B, 1 * KIB);
        fill(other, B, 1 * KIB);
        /* Whatever the user has, and whoever sends, a client can have a little. */
        ck_assert_uint_ge(fill(last, B, 16 * KIB), RESERVE);
        take_all(last);
        ck_assert(put(last, message_of(A, RESERVE)));
        ck_assert_uint_le(full->client.account->queued, USER_MAX + 3 * RESERVE);
        member_free(full);
        member_free(other);
        member_free(last);
}
END_TEST

START_TEST(quota_leaves_a_half_of_the_user_to_its_other_clients) {
        struct member *full = member_new(B), *other = member_new(B);
        uint64_t n = fill(full, B, 64 * KIB);

        ck_assert_uint_ge(n, USER_MAX / 2);
        ck_assert_uint_le(n, USER_MAX / 2 + 64 * KIB);
        ck_assert_uint_ge(fill(other, B, 64 * KIB), USER_MAX / 4);
        member_free(full);
        member_free(other);
}
END_TEST

START_TEST(quota_lets_a_stranger_have_only_a_part) {
        struct member *b = member_new(B);
        uint64_t n = fill(b, A, 100 * KIB);

        ck_assert_uint_le(n, PART);
        ck_assert_uint_ge(n, PART - 100 * KIB);
        /* The others have as much, and the user itself has the rest. */
        ck_assert_uint_eq(fill(b, C, 100 * KIB), n);
        ck_assert_uint_eq(fill(b, D, 100 * KIB), n);
        ck_assert_uint_ge(fill(b, B, 100 * KIB), USER_MAX / 4);
        member_free(b);
}
END_TEST

START_TEST(quota_lets_a_stranger_write_to_the_other_clients_of_a_user) {
        struct member *full = member_new(B), *idle = member_new(B);

        fill(full, A, 100 * KIB);
        ck_assert(put(idle, message_of(A, 200 * KIB)));
        ck_assert(!put(idle, message_of(A, 200 * KIB)));
        take(idle);
        ck_assert(put(idle, message_of(A, 200 * KIB)));
        member_free(full);
        member_free(idle);
}
END_TEST

START_TEST(quota_takes_a_large_message_that_shuts_nobody_out) {
        struct member *b = member_new(B), *b2 = member_new(B);

        ck_assert(put(b, message_of(A, 30 * MIB)));
        for (unsigned i = 0; i < 10; i++) {
                ck_assert(put(b, message_of(C, 100 * KIB)));
                ck_assert(put(b, message_of(B, 100 * KIB)));
                ck_assert(put(b2, message_of(C, 100 * KIB)));
                ck_assert(put(b2, message_of(B, 100 * KIB)));
        }
        /* It has more than its part, so only what always fits is left to it. */
        ck_assert(!put(b, message_of(A, 100 * KIB)));
        ck_assert(!put(b, message_of(A, 30 * MIB)));
        take_all(b);
        ck_assert(put(b, message_of(A, 30 * MIB)));
        member_free(b);
        member_free(b2);
}
END_TEST

START_TEST(quota_has_one_large_message_of_strangers_in_all_queues_of_a_user) {
        struct member *b[4];

        for (unsigned i = 0; i < 4; i++)
                b[i] = member_new(B);
        ck_assert(put(b[0], message_of(A, 16 * MIB)));
        for (unsigned i = 1; i < 4; i++) {
                ck_assert(!put(b[i], message_of(A, 16 * MIB)));
                ck_assert(!put(b[i], message_of(C, 16 * MIB)));
        }
        /* Those of the user itself are limited like all others. */
        ck_assert(put(b[1], message_of(B, 16 * MIB)));
        take(b[0]);
        ck_assert(put(b[3], message_of(C, 16 * MIB)));
        /* One message can be in several queues: it is large in one of them. */
        take(b[3]);
        {
                struct message *m = message_of(A, 16 * MIB);

                ck_assert(put(b[2], message_ref(m)));
                ck_assert(!put(b[3], message_ref(m)));
                message_unref(m);
        }
        take(b[2]);
        ck_assert(put(b[2], message_of(A, 30 * MIB)));
        for (unsigned i = 0; i < 4; i++)
                member_free(b[i]);
}
END_TEST

START_TEST(quota_is_full_only_for_the_stranger_that_sends_too_much) {
        struct member *b = member_new(B);
        struct message *a, *c;

        fill(b, A, 100 * KIB);
        a = message_of(A, 100 * KIB);
        c = message_of(C, 100 * KIB);
        ck_assert_int_eq(quota_charge_outgoing(&b->client, a), CLIENT_E_QUOTA);
        ck_assert(!quota_is_full(&b->client, a));
        ck_assert(put(b, message_ref(c)));
        fill(b, B, 100 * KIB);
        fill(b, B, 10 * KIB);
        member_free(b);

        bus.limits.max_outgoing_bytes = 500;
        b = member_new(B);
        fill(b, A, 1 * KIB);
        ck_assert(quota_is_full(&b->client, c));
        member_free(b);
        message_unref(a);
        message_unref(c);
}
END_TEST

static unsigned broadcast(struct member *sender, struct member *receiver, uint64_t cost) {
        struct message *m = message_of(sender->client.credentials.uid, cost);
        size_t before = receiver->n;

        ck_assert_int_eq(route_broadcast(&bus, &sender->client, m), 0);
        message_unref(m);
        return receiver->n - before;
}

START_TEST(quota_lets_a_stranger_keep_nobody_from_signals_of_others) {
        struct member *a = member_new(A), *b = member_new(B), *c = member_new(C);
        size_t n;

        ck_assert_int_eq(match_rule_add(&bus.matches, &b->client, 10, "", 0, 0, NULL), 0);
        ck_assert_uint_eq(broadcast(a, b, 30 * MIB), 1);
        while (broadcast(a, b, 100 * KIB))
                ;
        ck_assert_uint_eq(broadcast(a, b, 30 * MIB), 0);
        ck_assert_uint_eq(broadcast(a, b, 1 * KIB), 0);
        ck_assert_uint_eq(broadcast(c, b, 1 * KIB), 1);
        ck_assert_uint_eq(broadcast(c, b, 1 * KIB), 1);
        n = b->n;
        ck_assert_int_eq(tell_owner_changed(&bus, "a.b", "", ":1.1"), 0);
        ck_assert_uint_eq(b->n, n + 1);

        /* When its own user has filled the queue, the client gets no signals until it has read. */
        fill(b, B, 100 * KIB);
        ck_assert_uint_eq(broadcast(b, b, 100 * KIB), 0);
        ck_assert_uint_eq(broadcast(c, b, 1 * KIB), 0);
        take_all(b);
        ck_assert_uint_eq(broadcast(c, b, 1 * KIB), 1);
        ck_assert_uint_eq(broadcast(a, b, 1 * KIB), 1);
        member_free(a);
        member_free(b);
        member_free(c);
}
END_TEST

START_TEST(quota_keeps_the_limit_of_one_queue) {
        struct member *a = member_new(A);
        struct message *m = message_of(A, 300);
        size_t n_wire = m->n_wire;

        message_unref(m);
        bus.limits.max_outgoing_bytes = (int64_t)(10 * n_wire - 1);
        for (unsigned i = 0; i < 10; i++)
                ck_assert(put(a, message_of(B, 300)));
        ck_assert(!put(a, message_of(B, 300)));
        ck_assert(!put(a, message_of(A, 300)));
        ck_assert(put(a, answer_to(a, 300)));
        ck_assert(put(a, notice_to(a)));
        take_all(a);
        ck_assert(put(a, message_of(B, 300)));
        member_free(a);
}
END_TEST

START_TEST(quota_counts_descriptors_as_those_of_the_sender) {
        struct member *a = member_new(A), *b = member_new(B);
        struct account *account = a->client.account;

        bus.limits.max_outgoing_unix_fds = 32;
        ck_assert(put(b, message_with_fds(A, 1000, 5)));
        ck_assert_uint_eq(account->fds[FDS_HELD], 5);
        ck_assert_uint_eq(b->client.account->fds[FDS_HELD], 0);
        ck_assert(!put(b, message_with_fds(A, 1000, 28)));
        ck_assert(put(b, message_with_fds(A, 1000, 3)));
        ck_assert_uint_eq(account->fds[FDS_HELD], 8);
        ck_assert_uint_eq(bus.fds[FDS_HELD].used, 8);

        /* The account stays while descriptors are charged to it. */
        member_free(a);
        ck_assert_ptr_eq(account_find(&bus, A), account);
        take(b);
        ck_assert_uint_eq(account->fds[FDS_HELD], 3);
        take(b);
        ck_assert_ptr_null(account_find(&bus, A));

        /* A sender that has gone has no account: then the receiver is charged. */
        ck_assert(put(b, message_with_fds(A, 1000, 2)));
        ck_assert_ptr_null(account_find(&bus, A));
        ck_assert_uint_eq(b->client.account->fds[FDS_HELD], 2);
        a = member_new(A);
        take(b);
        ck_assert_uint_eq(b->client.account->fds[FDS_HELD], 0);
        ck_assert_uint_eq(a->client.account->fds[FDS_HELD], 0);
        member_free(a);
        member_free(b);
}
END_TEST

START_TEST(quota_leaves_strangers_room_for_descriptors) {
        struct member *a = member_new(A), *b = member_new(B), *c = member_new(C);
        unsigned n = 0;

        bus.limits.max_outgoing_unix_fds = 64;
        while (put(b, message_with_fds(A, 1000, 8)))
                ck_assert_uint_lt(++n, 8);
        ck_assert_uint_ge(n, 4);
        ck_assert_uint_eq(a->client.account->n_events[ACCOUNT_SHARE_FULL], 1);
        ck_assert(put(b, message_with_fds(C, 1000, 16)));
        ck_assert(put(b, message_with_fds(B, 1000, 8)));
        take_all(b);
        ck_assert(put(b, message_with_fds(A, 1000, 8)));
        take_all(b);
        member_free(c);
        member_free(b);
        member_free(a);
}
END_TEST

START_TEST(quota_counts_a_message_with_descriptors_in_each_queue) {
        struct member *b = member_new(B), *c = member_new(C), *a = member_new(A);
        struct message *m = message_with_fds(A, 1000, 2);

        ck_assert(put(b, message_ref(m)));
        ck_assert(put(c, message_ref(m)));
        member_free(a);
        ck_assert(put(c, message_ref(m)));
        ck_assert_uint_eq(account_find(&bus, A)->fds[FDS_HELD], 6);
        message_unref(m);
        member_free(b);
        ck_assert_uint_eq(account_find(&bus, A)->fds[FDS_HELD], 4);
        member_free(c);
}
END_TEST

/* A slow model of all queues of a few users. */

#define N_CLIENTS 8
#define N_STRANGERS 5

static unsigned seed;

static uint64_t random_below(uint64_t n) {
        return (uint64_t)rand_r(&seed) % n;
}

/* What the messages of uid take in the queues of the clients of B, or all if uid is 0. */
static uint64_t sum_of(struct member *const members[], uint64_t uid, uint32_t *ret_n) {
        uint64_t sum = 0;

        *ret_n = 0;
        for (size_t i = 0; i < N_CLIENTS; i++)
                for (size_t k = 0; k < members[i]->n; k++)
                        if (uid == 0 || members[i]->queue[k]->caused_by == uid) {
                                sum += members[i]->queue[k]->cost;
                                ++*ret_n;
                        }
        return sum;
}

static uint64_t check_sums(struct member *const members[]) {
        struct account *account = members[0]->client.account;
        uint32_t n, n_shares = 0, n_idle = 0;
        struct share *share;
        uint64_t sum = sum_of(members, 0, &n), bulk = account->bulky ? account->bulky->cost : 0;

        ck_assert_uint_eq(account->queued, sum);
        ck_assert_uint_le(sum - bulk, USER_MAX + N_CLIENTS * RESERVE);
        ck_assert_uint_le(bulk, 32 * MIB);
        for (size_t i = 0; i < N_CLIENTS; i++) {
                sum = 0;
                for (size_t k = 0; k < members[i]->n; k++)
                        sum += members[i]->queue[k]->cost;
                ck_assert_uint_eq(members[i]->client.queued, sum);
        }
        DL_FOREACH(account->shares, share) {
                ck_assert_uint_ne(share->uid, B);
                ck_assert_uint_eq(share->bytes, sum_of(members, share->uid, &n));
                ck_assert_uint_eq(share->n_messages, n);
                n_shares += n > 0;
                n_idle += n == 0;
        }
        ck_assert_uint_eq(account->n_shares, n_shares);
        ck_assert_uint_eq(account->n_idle_shares, n_idle);
        ck_assert_uint_le(n_idle, 8);
        return account->queued;
}

static uint64_t random_cost(void) {
        switch (random_below(10)) {
        case 0:
                return 1 + random_below(32 * MIB);
        case 1:
        case 2:
                return 1 + random_below(4 * MIB);
        case 3:
        case 4:
        case 5:
                return 1 + random_below(300 * KIB);
        default:
                return 1 + random_below(20 * KIB);
        }
}

START_TEST(quota_is_never_exceeded_in_whatever_order) {
        struct member *members[N_CLIENTS];
        uint64_t most = 0;

        seed = 11 + (unsigned)_i;
        for (size_t i = 0; i < N_CLIENTS; i++)
                members[i] = member_new(B);
        for (unsigned i = 0; i < 20000; i++) {
                struct member *member = members[random_below(N_CLIENTS)];
                uint64_t uid = random_below(3) ? 2000 + random_below(N_STRANGERS * (1 + _i)) : B;
                uint64_t cost = random_cost(), n;

                if (random_below(100) == 0)
                        take_all(member);
                else if (random_below(100) < 20 + 10 * (unsigned)_i)
                        take(member);
                else
                        put(member, message_of(uid, cost));
                if (i % 16 == 0) {
                        n = check_sums(members);
                        most = n > most ? n : most;
                }
                /* A user that has nothing there can always send a little. */
                if (i % 512 == 0) {
                        struct member *newest = member_new(B);

                        ck_assert(put(newest, message_of(3000, 30 * KIB)));
                        member_free(newest);
                }
        }
        ck_assert_uint_gt(most, USER_MAX / 8);
        for (size_t i = 0; i < N_CLIENTS; i++)
                member_free(members[i]);
}
END_TEST

START_TEST(quota_leaves_everyone_a_part_however_many_send) {
        struct member *b[64];
        struct account *account;

        for (unsigned i = 0; i < 64; i++)
                b[i] = member_new(B);
        account = b[0]->client.account;
        /* Each stranger sends all that it can to all clients, one stranger after the other. */
        for (uint32_t uid = 5000; uid < 5100; uid++) {
                uint64_t before = account->queued;

                for (unsigned i = 0; i < 64; i++)
                        fill(b[i], uid, 300 * KIB);
                ck_assert_uint_le(account->queued, USER_MAX + 64 * RESERVE);
                if (uid < 5010)
                        ck_assert_uint_ge(account->queued - before, 300 * KIB);
        }
        for (unsigned i = 0; i < 64; i++)
                member_free(b[i]);
}
END_TEST

START_TEST(quota_bounds_notices_by_their_number) {
        struct member *a = member_new(A);
        unsigned n = 0;

        while (put(a, notice_to(a)))
                n++;
        ck_assert_uint_eq(n, 64 * 1024);
        ck_assert_uint_eq(a->client.n_notices, n);
        while (a->n > 0) {
                /* from the end, which is faster */
                struct message *m = a->queue[--a->n];

                quota_discharge_outgoing(&a->client, m);
                message_unref(m);
        }
        ck_assert_uint_eq(a->client.n_notices, 0);
        member_free(a);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("quota");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, quota_leaves_each_client_a_reserve);
        tcase_add_test(tcase, quota_leaves_a_half_of_the_user_to_its_other_clients);
        tcase_add_test(tcase, quota_lets_a_stranger_have_only_a_part);
        tcase_add_test(tcase, quota_lets_a_stranger_write_to_the_other_clients_of_a_user);
        tcase_add_test(tcase, quota_takes_a_large_message_that_shuts_nobody_out);
        tcase_add_test(tcase, quota_has_one_large_message_of_strangers_in_all_queues_of_a_user);
        tcase_add_test(tcase, quota_is_full_only_for_the_stranger_that_sends_too_much);
        tcase_add_test(tcase, quota_lets_a_stranger_keep_nobody_from_signals_of_others);
        tcase_add_test(tcase, quota_keeps_the_limit_of_one_queue);
        tcase_add_test(tcase, quota_counts_descriptors_as_those_of_the_sender);
        tcase_add_test(tcase, quota_leaves_strangers_room_for_descriptors);
        tcase_add_test(tcase, quota_counts_a_message_with_descriptors_in_each_queue);
        tcase_add_loop_test(tcase, quota_is_never_exceeded_in_whatever_order, 0, 4);
        tcase_add_test(tcase, quota_leaves_everyone_a_part_however_many_send);
        tcase_add_test(tcase, quota_bounds_notices_by_their_number);
        return run_tests(tcase);
}
