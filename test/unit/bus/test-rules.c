/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GetAllMatchRules, whose answer is made in pieces while clients come and go. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/bus/account.h"
#include "fixture.h"

static struct loop loop;

/* The time of a turn is over after each step: the schedule looks at the clock, and it is late. */
static void make_late(void) {
        bus.schedule.steps = 1;
        bus.schedule.end = 1;
}

/* Call this in each test: the fixture makes the bus after the functions of this file have run. */
static void setup(void) {
        ck_assert_int_eq(loop_init(&loop), 0);
        schedule_init(&bus.schedule, &loop);
}

static void teardown(void) {
        loop_deinit(&loop);
}

/* Do one step of the answer. Returns whether there was one. */
static bool step(struct peer *caller) {
        struct schedule_user *user = &caller->client.account->schedule;
        struct schedule_job *job = user->input;

        if (!job)
                return false;
        schedule_cancel(&bus.schedule, job);
        make_late();
        ck_assert_int_eq(job->run(job), 0);
        return true;
}

static void finish(struct peer *caller) {
        while (step(caller))
                ;
}

static void add_rules(struct peer *peer, unsigned n) {
        char rule[64];

        for (unsigned i = 0; i < n; i++) {
                snprintf(rule, sizeof(rule), "interface='i.j%u'", i);
                peer_call_driver(peer, "AddMatch", rule, NULL);
        }
        peer_forget(peer);
}

static void ask(struct peer *peer) {
        struct writer w;

        peer_call_init(peer, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                       "org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules", "");
        make_late();
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);
}

/* How many rules does the answer show for this client? -1: it is not in the answer. */
static int count_rules(struct message *m, const struct peer *peer) {
        const uint8_t *end, *end_of_rules;
        int n = -1;
        struct reader r;

        ck_assert_ptr_nonnull(m);
        ck_assert_uint_eq(m->type, MESSAGE_TYPE_METHOD_RETURN);
        reader_init(&r, m);
        reader_array(&r, 8, &end);
        while (r.at < end) {
                bool is_it;

                reader_struct(&r);
                is_it = strcmp(reader_string(&r).s, peer->client.unique_name) == 0;
                reader_array(&r, 4, &end_of_rules);
                if (is_it) {
                        ck_assert_int_eq(n, -1);
                        n = 0;
                }
                while (r.at < end_of_rules) {
                        reader_string(&r);
                        n += is_it;
                }
        }
        return n;
}

START_TEST(rules_come_in_one_answer_after_many_turns) {
        struct peer *peers[20];
        unsigned n_steps = 0;
        struct message *m;

        setup();
        for (unsigned i = 0; i < 20; i++) {
                peers[i] = peer_hello();
                add_rules(peers[i], i);
        }
        ask(peers[3]);
        ck_assert_ptr_nonnull(peers[3]->client.later);
        peer_expect_nothing(peers[3]);
        while (step(peers[3]))
                n_steps++;
        ck_assert_uint_ge(n_steps, 18);
        ck_assert_ptr_null(peers[3]->client.later);
        m = peer_next(peers[3]);
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_eq(count_rules(m, peers[i]), (int)i);
        peer_expect_nothing(peers[3]);
}
END_TEST

START_TEST(rules_come_at_once_if_there_is_time) {
        struct peer *a, *b;
        struct message *m;

        setup();
        a = peer_hello();
        b = peer_hello();
        add_rules(b, 2);
        peer_forget(a);
        ask(a);
        finish(a);
        m = peer_next(a);
        ck_assert_int_eq(count_rules(m, a), 0);
        ck_assert_int_eq(count_rules(m, b), 2);
}
END_TEST

START_TEST(rules_show_a_rule_as_often_as_it_was_added) {
        struct peer *a;

        setup();
        a = peer_hello();
        add_rules(a, 3);
        add_rules(a, 2);
        ask(a);
        finish(a);
        ck_assert_int_eq(count_rules(peer_next(a), a), 5);
}
END_TEST

START_TEST(rules_for_a_caller_that_leaves_meanwhile) {
        setup();
        for (unsigned n_steps = 0; n_steps < 6; n_steps++) {
                struct peer *others[5], *caller;
                struct account *account;
                uint32_t n_refs;

                for (unsigned i = 0; i < 5; i++) {
                        others[i] = peer_hello();
                        add_rules(others[i], 3);
                }
                caller = peer_hello();
                account = caller->client.account;
                n_refs = account->n_refs;
                ask(caller);
                ck_assert_uint_eq(account->n_refs, n_refs + 1);
                for (unsigned i = 0; i < n_steps; i++)
                        step(caller);
                peer_forget(caller);
                peer_disconnect(caller);
                finish(others[0]); /* of the same user, whose job it is */
                ck_assert_uint_eq(account->n_refs, n_refs);
                peer_expect_nothing(caller);
                peer_free(caller);
                for (unsigned i = 0; i < 5; i++)
                        peer_free(others[i]);
                ck_assert_ptr_null(bus.accounts);
        }
}
END_TEST

START_TEST(rules_outlive_the_last_client_of_their_user) {
        struct peer *caller, *other;

        setup();
        caller = peer_hello();
        other = peer_hello();
        peer_forget(other);
        ask(caller);
        peer_free(caller);
        peer_free(other);
        ck_assert_ptr_nonnull(bus.accounts);
        ck_assert_int_eq(loop.work->run(loop.work), 0);
        while (loop.work->is_wanted)
                ck_assert_int_eq(loop.work->run(loop.work), 0);
        ck_assert_ptr_null(bus.accounts);
}
END_TEST

START_TEST(rules_of_a_client_that_changes_in_the_middle) {
        setup();
        for (unsigned n_steps = 0; n_steps < 8; n_steps++)
                for (unsigned leaves = 0; leaves < 2; leaves++) {
                        struct peer *caller = peer_hello(), *b = peer_hello(), *c = peer_hello();
                        struct message *m;
                        int n;

                        add_rules(b, 5);
                        add_rules(c, 2);
                        peer_forget(caller);
                        ask(caller);
                        for (unsigned i = 0; i < n_steps; i++)
                                step(caller);
                        if (leaves) {
                                peer_disconnect(b);
                        } else {
                                match_rule_free(b->client.rules);
                                match_rule_free(b->client.rules);
                        }
                        finish(caller);
                        m = peer_next(caller);
                        n = count_rules(m, b);
                        ck_assert_int_ge(n, leaves ? -1 : 3);
                        ck_assert_int_le(n, 5);
                        ck_assert_int_eq(count_rules(m, c), 2);
                        peer_free(b);
                        peer_free(c);
                        peer_free(caller);
                }
}
END_TEST

START_TEST(rules_for_a_caller_that_becomes_a_monitor) {
        struct peer *caller, *other;

        setup();
        caller = peer_hello();
        other = peer_hello();
        add_rules(other, 3);
        peer_forget(caller);
        ask(caller);
        ck_assert_int_eq(client_become_monitor(&caller->client, NULL, 0), 0);
        peer_forget(caller);
        finish(other);
        ck_assert_ptr_null(peer_next(caller));
        ck_assert_uint_eq(caller->client.account->n_refs, 4); /* two clients and their backlogs */
}
END_TEST

START_TEST(rules_of_clients_that_come_and_go) {
        struct peer *caller, *early, *gone, *late, *kept[8];
        struct message *m;

        setup();
        early = peer_hello();
        add_rules(early, 1);
        caller = peer_hello();
        for (unsigned i = 0; i < 8; i++) {
                kept[i] = peer_hello();
                add_rules(kept[i], 2);
        }
        gone = peer_hello();
        add_rules(gone, 3);
        ask(caller);
        step(caller);
        step(caller);
        /* one whose rules are in the answer, the next one, and one that comes much later */
        peer_free(early);
        peer_free(kept[0]);
        peer_free(kept[1]);
        peer_free(gone);
        add_rules(kept[7], 4);
        late = peer_hello();
        add_rules(late, 5);
        finish(caller);
        m = peer_next(caller);
        for (unsigned i = 2; i < 7; i++)
                ck_assert_int_eq(count_rules(m, kept[i]), 2);
        ck_assert_int_eq(count_rules(m, kept[7]), 6);
        ck_assert_int_eq(count_rules(m, late), 5);
        ck_assert_int_eq(count_rules(m, caller), 0);
}
END_TEST

START_TEST(rules_at_random) {
        struct peer *peers[24];
        unsigned seed = 31 + (unsigned)_i;
        struct peer *caller;

        setup();
        caller = peer_hello();
        for (size_t i = 0; i < 24; i++)
                peers[i] = peer_hello();
        for (unsigned round = 0; round < 200; round++) {
                bool stayed[24];
                struct message *m;

                memset(stayed, true, sizeof(stayed));
                peer_forget(caller);
                ask(caller);
                while (caller->client.later) {
                        size_t i = (size_t)rand_r(&seed) % 24;

                        if (rand_r(&seed) % 3 == 0) {
                                peer_free(peers[i]);
                                peers[i] = peer_hello();
                                add_rules(peers[i], (unsigned)rand_r(&seed) % 4);
                                stayed[i] = false;
                        }
                        step(caller);
                        /* Without this, more and more come after those that are done. */
                        if (rand_r(&seed) % 8 == 0)
                                finish(caller);
                }
                m = peer_next(caller);
                for (size_t i = 0; i < 24; i++)
                        ck_assert(!stayed[i] ||
                                  count_rules(m, peers[i]) == (int)peers[i]->client.n_rules);
        }
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("rules");

        tcase_add_checked_fixture(tcase, NULL, teardown);
        tcase_add_test(tcase, rules_come_in_one_answer_after_many_turns);
        tcase_add_test(tcase, rules_come_at_once_if_there_is_time);
        tcase_add_test(tcase, rules_show_a_rule_as_often_as_it_was_added);
        tcase_add_test(tcase, rules_for_a_caller_that_leaves_meanwhile);
        tcase_add_test(tcase, rules_outlive_the_last_client_of_their_user);
        tcase_add_test(tcase, rules_of_a_client_that_changes_in_the_middle);
        tcase_add_test(tcase, rules_for_a_caller_that_becomes_a_monitor);
        tcase_add_test(tcase, rules_of_clients_that_come_and_go);
        tcase_add_loop_test(tcase, rules_at_random, 0, 3);
        return suite_main("rules", tcase);
}
