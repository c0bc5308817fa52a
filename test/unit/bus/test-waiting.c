/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * When the bus stops reading from a client, and when it goes on.
 *
 * reads() does what the front end does when input is there: it asks whether the client has to wait.
 * A client that waits asks again when resume() is called, and after the bus has written answers to
 * it.
 */

#include <stdlib.h>
#include <string.h>

#include "bridge/bus/later.h"
#include "queues.h"

enum { A = 1001, B, C };

#define BACKLOG_MAX (32 * MIB)
#define UNFINISHED_MAX (8 * MIB)
#define ANSWERS_SLOW (1 * MIB)
#define ANSWERS_MANY (8 * MIB)
#define ANSWERS_MAX (32 * MIB)
#define STALLING (5 * INT64_C(1000000000))

/* Does the bus read from it? */
static bool reads(struct member *member) {
        return !quota_is_congested(&member->client);
}

/* Was resume() called since the last time? */
static bool was_resumed(struct member *member) {
        bool resumed = member->n_resumed > 0;

        member->n_resumed = 0;
        return resumed;
}

/* answers */

START_TEST(waiting_for_answers_begins_at_each_of_three_amounts) {
        struct member *full = member_new(A), *little = member_new(A), *none = member_new(A);
        struct member *stranger = member_new(B);

        ck_assert(put(full, answer_to(full, ANSWERS_SLOW - 1)));
        ck_assert(reads(full));
        ck_assert(put(little, answer_to(little, 1)));
        ck_assert(!reads(full));
        ck_assert(reads(little));
        ck_assert(put(little, answer_to(little, RESERVE - 2)));
        ck_assert(reads(little));
        ck_assert(put(full, answer_to(full, ANSWERS_MANY)));
        ck_assert(!reads(little));
        ck_assert(reads(none));
        ck_assert(put(full, answer_to(full, ANSWERS_MAX)));
        ck_assert(!reads(none));
        ck_assert(reads(stranger));
        ck_assert_uint_eq(stranger->client.account->answers, 0);

        /* Those that wait go on when the client has read its answers. */
        take_all(full);
        ck_assert(was_resumed(none));
        ck_assert(was_resumed(little));
        ck_assert(reads(none) && reads(little) && reads(full));
        member_free(full);
        member_free(little);
        member_free(none);
        member_free(stranger);
}
END_TEST

START_TEST(waiting_for_answers_ends_although_others_have_unfinished_messages) {
        struct member *full = member_new(A), *none = member_new(A), *slow[200];

        for (unsigned i = 0; i < 200; i++) {
                slow[i] = member_new(A);
                quota_set_unfinished(&slow[i]->client, RESERVE - 1);
        }
        ck_assert(put(full, answer_to(full, ANSWERS_MAX)));
        ck_assert(!reads(none));
        take_all(full);
        ck_assert(was_resumed(none));
        ck_assert(reads(none));
        for (unsigned i = 0; i < 200; i++)
                member_free(slow[i]);
        member_free(full);
        member_free(none);
}
END_TEST

/* backlogs */

START_TEST(waiting_for_others_to_read_ends_when_they_have) {
        struct member *a = member_new(A), *little = member_new(A), *b = member_new(A);

        while (put_call(a, b, 1 * MIB))
                ;
        ck_assert(reads(a));
        take_all(b);
        bus.limits.max_outgoing_bytes = 1000 * (int64_t)MIB;
        for (unsigned i = 0; i < 32; i++)
                ck_assert(put_call(a, b, 1 * MIB));
        ck_assert_uint_eq(a->client.account->backlog, BACKLOG_MAX);
        ck_assert(!reads(a));
        ck_assert(reads(little));
        for (unsigned i = 0; i < 16; i++)
                take(b);
        ck_assert(!was_resumed(a));
        take(b);
        ck_assert(was_resumed(a));
        ck_assert(reads(a));
        member_free(a);
        member_free(little);
        member_free(b);
        /* it is kept, because a line about it was logged just now */
        ck_assert_uint_eq(account_find(&bus, A)->n_refs, 0);
}
END_TEST

START_TEST(waiting_ends_for_a_client_that_has_no_backlog_left) {
        struct member *a = member_new(A), *other = member_new(A), *b = member_new(A);
        struct member *stuck = member_new(A);

        bus.limits.max_outgoing_bytes = 1000 * (int64_t)MIB;
        for (unsigned i = 0; i < 32; i++)
                ck_assert(put_call(other, stuck, 1 * MIB));
        ck_assert(put_call(a, b, 1 * MIB));
        ck_assert(!reads(a));
        ck_assert(!reads(other));
        take(b);
        ck_assert(was_resumed(a));
        ck_assert(reads(a));
        ck_assert(!was_resumed(other));
        member_free(a);
        member_free(other);
        member_free(b);
        member_free(stuck);
}
END_TEST

START_TEST(waiting_backlog_outlives_its_client) {
        struct member *a = member_new(A), *b = member_new(B);
        struct account *account = a->client.account;

        ck_assert(put_call(a, b, 1000));
        ck_assert(put_call(a, b, 1000));
        member_free(a);
        ck_assert_ptr_eq(account_find(&bus, A), account);
        ck_assert_uint_eq(account->backlog, 2000);
        take(b);
        ck_assert_uint_eq(account->backlog, 1000);
        take(b);
        ck_assert_ptr_null(account_find(&bus, A));
        member_free(b);
}
END_TEST

START_TEST(waiting_for_the_backlog_of_one_client) {
        struct member *a = member_new(A), *b = member_new(B);
        struct message *m = message_of(A, 1000);

        bus.limits.max_incoming_bytes = 3 * (int64_t)m->n_wire;
        for (unsigned i = 0; i < 3; i++) {
                ck_assert(reads(a));
                ck_assert(put_call(a, b, 1000));
        }
        ck_assert(!reads(a));
        ck_assert_int_eq(quota_hold(&a->client, m), CLIENT_E_QUOTA);
        take(b);
        ck_assert(was_resumed(a));
        ck_assert(reads(a));
        ck_assert_int_eq(quota_hold(&a->client, m), 0);
        ck_assert(!reads(a));
        quota_release(&a->client, m);
        ck_assert(was_resumed(a));

        /* A message that is not queued is in no backlog. */
        bus.limits.max_outgoing_bytes = 0;
        ck_assert(!put_call(a, b, 1000));
        ck_assert_uint_eq(a->client.backlog->n_messages, 2);
        bus.limits.max_outgoing_bytes = 1000000;
        ck_assert(put_call(a, b, 1000));
        ck_assert(!reads(a));
        bus.limits.max_incoming_bytes *= 2;
        ck_assert(!was_resumed(a));
        quota_recheck(&a->client);
        ck_assert(was_resumed(a));
        message_unref(m);
        member_free(b);
        member_free(a);
}
END_TEST

/* unfinished messages */

/* Unfinished messages of many clients, which are the maximum together. */
static void fill_unfinished(struct member *members[], size_t n) {
        for (size_t i = 0; i < n; i++) {
                members[i] = member_new(A);
                quota_set_unfinished(&members[i]->client, UNFINISHED_MAX / n);
        }
}

START_TEST(waiting_clients_finish_one_after_the_other) {
        struct member *members[8];
        size_t n_reading = 0, large = 0;
        struct client *next;

        fill_unfinished(members, 8);
        for (unsigned left = 8; left > 4; left--) {
                n_reading = 0;
                for (size_t i = 0; i < 8; i++) {
                        was_resumed(members[i]);
                        if (members[i]->client.unfinished > 0 && reads(members[i])) {
                                n_reading++;
                                large = i;
                        }
                }
                ck_assert_uint_eq(n_reading, 1);
                /* It gets on, while nobody else does. */
                quota_set_unfinished(&members[large]->client, 40 * MIB);
                ck_assert(reads(members[large]));
                for (size_t i = 0; i < 8; i++)
                        ck_assert(!was_resumed(members[i]));
                /* What it has finished lets another one go on. */
                quota_set_unfinished(&members[large]->client, 0);
                for (size_t i = 0; i < 8; i++)
                        if (i != large && members[i]->client.unfinished > 0)
                                ck_assert(was_resumed(members[i]));
                next = &members[(large + 1) % 8]->client;
                quota_set_unfinished(next,
                                     next->unfinished + UNFINISHED_MAX - next->account->unfinished);
        }
        for (size_t i = 0; i < 8; i++)
                member_free(members[i]);
}
END_TEST

START_TEST(waiting_clients_do_not_wait_for_a_client_that_begins_anew) {
        struct member *members[8];

        fill_unfinished(members, 8);
        for (size_t i = 0; i < 8; i++)
                ck_assert_int_eq(reads(members[i]), i == 0);
        /* It ends a message and begins the next one in the same read. */
        quota_set_unfinished(&members[0]->client, 20 * MIB);
        quota_set_unfinished(&members[0]->client, 2 * MIB);
        ck_assert(was_resumed(members[1]));
        ck_assert(reads(members[1]));
        ck_assert(!reads(members[0]));
        for (size_t i = 0; i < 8; i++)
                member_free(members[i]);
}
END_TEST

START_TEST(waiting_clients_go_on_when_the_large_one_leaves) {
        struct member *members[8];

        fill_unfinished(members, 8);
        for (size_t i = 0; i < 8; i++)
                ck_assert_int_eq(reads(members[i]), i == 0);
        quota_set_unfinished(&members[0]->client, 2 * UNFINISHED_MAX);
        member_free(members[0]);
        for (size_t i = 1; i < 8; i++)
                ck_assert(was_resumed(members[i]));
        ck_assert(reads(members[1]));
        for (size_t i = 1; i < 8; i++)
                member_free(members[i]);
}
END_TEST

START_TEST(waiting_clients_lose_one_that_stalls) {
        struct member *members[8];
        int64_t now;

        fill_unfinished(members, 8);
        ck_assert(reads(members[0]));
        now = loop_now();
        /* Nobody waits for it. */
        ck_assert(!quota_is_stalling(&members[0]->client, now + 2 * STALLING));
        ck_assert(!reads(members[1]));
        ck_assert(!quota_is_stalling(&members[0]->client, now + STALLING / 2));
        ck_assert(quota_is_stalling(&members[0]->client, now + 2 * STALLING));
        ck_assert(!quota_is_stalling(&members[1]->client, now + 2 * STALLING));
        for (size_t i = 0; i < 8; i++)
                member_free(members[i]);
}
END_TEST

START_TEST(waiting_client_does_not_stall_while_the_bus_does_not_read) {
        struct member *members[8], *b = member_new(A);
        struct message *m = message_of(A, 1000);
        struct later *later;
        int64_t now;

        bus.limits.max_outgoing_bytes = 1000 * (int64_t)MIB;
        fill_unfinished(members, 8);
        ck_assert(reads(members[0]));
        for (unsigned i = 0; i < 32; i++)
                ck_assert(put_call(members[0], b, 1 * MIB));
        ck_assert(!reads(members[0]));
        ck_assert(!reads(members[1]));
        now = loop_now() + 2 * STALLING;
        ck_assert(!quota_is_stalling(&members[0]->client, now));
        take_all(b);
        ck_assert(was_resumed(members[0]));
        ck_assert(reads(members[0]));
        ck_assert(!quota_is_stalling(&members[0]->client, now));
        ck_assert(quota_is_stalling(&members[0]->client, now + STALLING));

        /* The same while a deferred answer is due. */
        ck_assert_int_eq(later_new(&members[0]->client, m, 0, LATER_RELOAD, &later), 0);
        ck_assert(!quota_is_stalling(&members[0]->client, now + STALLING));
        later_free(later);
        message_unref(m);
        member_free(b);
        for (size_t i = 0; i < 8; i++)
                member_free(members[i]);
}
END_TEST

START_TEST(waiting_is_near_when_half_is_unfinished) {
        struct member *a = member_new(A), *b = member_new(A);

        quota_set_unfinished(&a->client, UNFINISHED_MAX / 2 - 1);
        ck_assert(!quota_is_scarce(&b->client));
        quota_set_unfinished(&a->client, UNFINISHED_MAX / 2);
        ck_assert(quota_is_scarce(&b->client));
        member_free(a);
        member_free(b);
}
END_TEST

START_TEST(waiting_large_client_alone_is_not_stalling) {
        struct member *a = member_new(A);

        quota_set_unfinished(&a->client, UNFINISHED_MAX);
        ck_assert(reads(a));
        ck_assert(put(a, answer_to(a, ANSWERS_SLOW)));
        ck_assert(!reads(a));
        ck_assert(!quota_is_stalling(&a->client, loop_now() + 2 * STALLING));
        member_free(a);
}
END_TEST

/* at random */

#define N 12

static unsigned seed;
static bool sleeping[N]; /* the front end does not read, and waits for resume() */

static uint64_t random_below(uint64_t n) {
        return (uint64_t)rand_r(&seed) % n;
}

static void ask(struct member *members[], size_t i) {
        sleeping[i] = quota_is_congested(&members[i]->client);
}

static void wake(struct member *members[]) {
        for (size_t i = 0; i < N; i++)
                if (was_resumed(members[i]))
                        ask(members, i);
}

static void take_and_ask(struct member *members[], size_t i) {
        if (take(members[i]) && sleeping[i])
                ask(members, i);
}

static uint64_t sum_unfinished(struct member *members[], size_t from, size_t to) {
        uint64_t n = 0;

        for (size_t i = from; i < to; i++)
                n += members[i]->client.unfinished;
        return n;
}

static void act(struct member *members[]) {
        size_t i = random_below(N), k = (i & ~(size_t)1) == 0 ? random_below(N) : i ^ 1;
        struct client *client = &members[i]->client;

        switch (random_below(8)) {
        case 0:
        case 1:
                take_and_ask(members, i);
                return;
        case 2:
                if (!sleeping[i])
                        put(members[i], answer_to(members[i], 1 + random_below(3 * MIB)));
                break;
        case 3:
                if (!sleeping[i])
                        put_call(members[i], members[k], 1 + random_below(4 * MIB));
                break;
        case 4:
        case 5:
                if (!sleeping[i])
                        quota_set_unfinished(client, client->unfinished + random_below(3 * MIB));
                break;
        case 6:
                if (!sleeping[i])
                        quota_set_unfinished(client, random_below(2) ? 0 : random_below(64 * KIB));
                break;
        default:
                if (random_below(20) == 0) {
                        uint32_t uid = client->credentials.uid;

                        member_free(members[i]);
                        members[i] = member_new(uid);
                        sleeping[i] = false;
                }
                break;
        }
        if (!sleeping[i])
                ask(members, i);
}

START_TEST(waiting_ends_for_everybody_when_all_have_read) {
        struct member *members[N];
        unsigned n_sleeping = 0;

        seed = 3 + (unsigned)_i;
        bus.limits.max_outgoing_bytes = 1000 * (int64_t)MIB;
        for (size_t i = 0; i < N; i++) {
                members[i] = member_new(i < 2 * N / 3 ? A : B);
                sleeping[i] = false;
        }
        for (unsigned round = 0; round < 200; round++) {
                bool progress = true;

                for (unsigned step = 0; step < 100; step++) {
                        act(members);
                        wake(members);
                        ck_assert_uint_eq(members[0]->client.account->unfinished,
                                          sum_unfinished(members, 0, 2 * N / 3));
                }
                for (size_t i = 0; i < N; i++)
                        n_sleeping += sleeping[i];
                /* All read their queues; some never end their messages. */
                while (progress) {
                        progress = false;
                        for (size_t i = 0; i < N; i++) {
                                progress |= members[i]->n > 0;
                                take_and_ask(members, i);
                                wake(members);
                        }
                }
                for (size_t i = 0; i < N; i++)
                        if (sleeping[i]) {
                                ck_assert_uint_ge(members[i]->client.unfinished, RESERVE);
                                ck_assert_ptr_nonnull(members[i]->client.account->large);
                                ck_assert(!sleeping[i] ||
                                          members[i]->client.account->large != &members[i]->client);
                        }
                if (round % 2 == 0)
                        continue;
                /* Now those that are read from end their messages, which lets the others go on. */
                for (progress = true; progress;) {
                        progress = false;
                        for (size_t i = 0; i < N; i++) {
                                if (sleeping[i] || members[i]->client.unfinished == 0)
                                        continue;
                                progress = true;
                                quota_set_unfinished(&members[i]->client, 0);
                                wake(members);
                        }
                }
                for (size_t i = 0; i < N; i++) {
                        struct account *account = members[i]->client.account;

                        ck_assert(!sleeping[i]);
                        ck_assert(!members[i]->client.is_paused);
                        ck_assert_ptr_null(account->large);
                        ck_assert_uint_eq(account->unfinished, 0);
                        ck_assert_uint_eq(account->answers, 0);
                        ck_assert_uint_eq(account->backlog, 0);
                        ck_assert_uint_eq(account->queued, 0);
                }
        }
        ck_assert_uint_gt(n_sleeping, 100);
        for (size_t i = 0; i < N; i++)
                take_all(members[i]);
        for (size_t i = 0; i < N; i++)
                member_free(members[i]);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("waiting");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, waiting_for_answers_begins_at_each_of_three_amounts);
        tcase_add_test(tcase, waiting_for_answers_ends_although_others_have_unfinished_messages);
        tcase_add_test(tcase, waiting_for_others_to_read_ends_when_they_have);
        tcase_add_test(tcase, waiting_ends_for_a_client_that_has_no_backlog_left);
        tcase_add_test(tcase, waiting_backlog_outlives_its_client);
        tcase_add_test(tcase, waiting_for_the_backlog_of_one_client);
        tcase_add_test(tcase, waiting_clients_finish_one_after_the_other);
        tcase_add_test(tcase, waiting_clients_do_not_wait_for_a_client_that_begins_anew);
        tcase_add_test(tcase, waiting_clients_go_on_when_the_large_one_leaves);
        tcase_add_test(tcase, waiting_clients_lose_one_that_stalls);
        tcase_add_test(tcase, waiting_client_does_not_stall_while_the_bus_does_not_read);
        tcase_add_test(tcase, waiting_is_near_when_half_is_unfinished);
        tcase_add_test(tcase, waiting_large_client_alone_is_not_stalling);
        tcase_add_loop_test(tcase, waiting_ends_for_everybody_when_all_have_read, 0, 5);
        return run_tests(tcase);
}
