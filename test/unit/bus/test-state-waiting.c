/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What clients wait for, in a state document, and how a bus goes on with it. */

#include <stdlib.h>
#include <string.h>

#include "bridge/base/loop.h"
#include "bridge/bus/account.h"
#include "bridge/bus/later.h"
#include "bridge/bus/state-waiting.h"
#include "takeover.h"

#define SECOND INT64_C(1000000000)

static struct peer *p[8];

static void make_peers(size_t n) {
        for (size_t i = 0; i < n; i++)
                p[i] = peer_hello();
}

/* pending replies */

/* Send a call. Returns its pending reply. */
static struct reply *call(struct peer *from, struct peer *to, uint64_t caller_cookie) {
        struct writer w;

        to->opened = NULL;
        peer_call_init(from, &w, to->client.unique_name, "/", "a.b", "Call", "");
        ck_assert_int_eq(peer_send(from, &w, caller_cookie), 0);
        ck_assert_ptr_nonnull(to->opened);
        peer_flush(to);
        return to->opened;
}

static void answer(struct peer *from, struct peer *to, uint32_t serial) {
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, 0, ++from->serial, "");
        w.destination = to->client.unique_name;
        w.reply_serial = serial;
        ck_assert_int_eq(peer_send(from, &w, 0), 0);
}

static void expect_no_reply(struct peer *peer, uint32_t serial) {
        struct message *m = peer_next(peer);

        ck_assert_ptr_nonnull(m);
        ck_assert_str_eq(m->error_name.s, DRIVER_ERROR("NoReply"));
        ck_assert_uint_eq(m->reply_serial, serial);
}

START_TEST(calls_get_their_answers) {
        make_peers(2);
        call(p[0], p[1], 0);
        call(p[0], p[1], 0);
        takeover(p, 2);
        ck_assert_uint_eq(bus.replies.n, 2);
        ck_assert_uint_eq(p[0]->client.n_pending, 2);
        answer(p[1], p[0], p[0]->serial);
        peer_expect_return(p[0]);
        /* only once, and nothing that was not asked for */
        answer(p[1], p[0], p[0]->serial);
        answer(p[1], p[0], 99);
        peer_expect_nothing(p[0]);
        ck_assert_uint_eq(bus.replies.n, 1);
}
END_TEST

/*
 * Three lists have an order: a caller that becomes a monitor, a callee that leaves and the
 * deadlines show them.
 */
START_TEST(callers_are_told_in_the_order_of_their_calls) {
        const unsigned callers[] = {1, 0, 2, 0, 1};
        uint32_t serials[5];

        make_peers(4);
        for (size_t i = 0; i < 5; i++) {
                call(p[callers[i]], p[3], 0);
                serials[i] = p[callers[i]]->serial;
        }
        call(p[0], p[2], 0);
        takeover(p, 4);
        takeover(p, 4);
        ck_assert_ptr_eq(p[3]->client.owed->caller, &p[1]->client);
        ck_assert_uint_eq(p[0]->client.pending->serial, serials[1]);
        ck_assert_uint_eq(p[0]->client.pending->pending_prev->serial, p[0]->serial);
        peer_disconnect(p[3]); /* the last caller is told first */
        expect_no_reply(p[0], serials[3]);
        expect_no_reply(p[0], serials[1]);
        expect_no_reply(p[1], serials[4]);
        expect_no_reply(p[1], serials[0]);
        expect_no_reply(p[2], serials[2]);
        ck_assert_uint_eq(bus.replies.n, 1);
}
END_TEST

static int64_t timer;

static void set_timer(void *userdata, int64_t deadline) {
        timer = deadline;
}

START_TEST(deadlines_stay_what_they_are) {
        struct reply *second, *third;
        int64_t first, next;

        bus.limits.reply_timeout = 5000;
        make_peers(3);
        first = call(p[0], p[2], 0)->deadline;
        ck_assert_int_gt(first, loop_now());
        bus.limits.reply_timeout = -1;
        ck_assert_int_eq(call(p[1], p[2], 0)->deadline, INT64_MAX);
        bus.limits.reply_timeout = 7000;
        second = call(p[1], p[2], 0);
        second->deadline = first + SECOND;
        third = call(p[0], p[2], 0);
        third->deadline = first + 2 * SECOND;

        takeover(p, 3);
        bus.replies.set_timer = set_timer;
        bus.limits.reply_timeout = 1;
        takeover(p, 3);
        ck_assert_int_eq(bus.replies.deadlines->deadline, first);
        bus.replies.set_timer = set_timer;
        waiting_wake(&bus);
        ck_assert_int_eq(timer, first);

        ck_assert_int_eq(tell_replies_expired(&bus, first - 1, &next), 0);
        ck_assert_int_eq(next, first);
        ck_assert_int_eq(tell_replies_expired(&bus, first, &next), 0);
        expect_no_reply(p[0], p[0]->serial - 1);
        ck_assert_int_eq(next, first + SECOND);
        ck_assert_int_eq(tell_replies_expired(&bus, next, &next), 0);
        expect_no_reply(p[1], p[1]->serial);
        ck_assert_int_eq(tell_replies_expired(&bus, INT64_MAX - 1, &next), 0);
        expect_no_reply(p[0], p[0]->serial);
        ck_assert_int_eq(next, INT64_MAX);
        ck_assert_uint_eq(bus.replies.n, 1);
        peer_expect_nothing(p[1]);
}
END_TEST

/* What has expired meanwhile gets its NoReply at once. */
START_TEST(timer_is_set_even_if_it_is_late) {
        make_peers(2);
        bus.limits.reply_timeout = 0;
        call(p[0], p[1], 0);
        takeover(p, 2);
        bus.replies.set_timer = set_timer;
        waiting_wake(&bus);
        ck_assert_int_le(timer, loop_now());
}
END_TEST

START_TEST(both_cookies_of_a_call_are_kept) {
        make_peers(2);
        p[1]->callee_cookie = 5;
        call(p[0], p[1], 7);
        takeover(p, 2);
        answer(p[1], p[0], p[0]->serial);
        ck_assert_uint_eq(p[0]->inbox[0].caller_cookie, 7);
        peer_expect_return(p[0]);
        ck_assert_uint_eq(p[1]->n_closed, 1);
        ck_assert_uint_eq(p[1]->closed[0], 5);
        ck_assert_uint_eq(p[0]->n_closed, 0);
}
END_TEST

/* More than fit into one record, and more than the caller may have now. */
START_TEST(many_calls_are_taken_over) {
        const struct reply *reply;
        uint32_t serial = 0;

        bus.limits.max_replies_per_connection = 3000;
        make_peers(2);
        for (unsigned i = 0; i < 2500; i++) {
                call(p[0], p[1], 0);
                peer_forget(p[1]);
        }
        bus.limits.max_replies_per_connection = 1;
        takeover(p, 2);
        ck_assert_uint_eq(bus.replies.n, 2500);
        DL_FOREACH2(p[1]->client.owed, reply, owed_next) {
                ck_assert_uint_gt(reply->serial, serial);
                serial = reply->serial;
        }
}
END_TEST

/* deferred answers */

static struct later *waiting; /* for a reload */

static int reload(void *process, struct later *later) {
        DL_APPEND2(waiting, later, owner_prev, owner_next);
        return 0;
}

static void call_reload(struct peer *peer, uint8_t flags, uint64_t caller_cookie) {
        struct writer w;

        peer_call_init(peer, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, BUS_DRIVER_INTERFACE,
                       "ReloadConfig", "");
        w.flags = flags;
        ck_assert_int_eq(peer_send(peer, &w, caller_cookie), 0);
        peer_expect_nothing(peer);
}

/* The old bus forgets what the new one has to do. */
static void take_over_answers(size_t n) {
        struct later *old = waiting, *later, *next;

        waiting = NULL;
        takeover(p, n);
        DL_FOREACH_SAFE2(old, later, next, owner_next) {
                ck_assert_ptr_null(later->client); /* its client is gone */
                later_free(later);
        }
}

START_TEST(answers_that_are_due_are_given_by_the_next_bus) {
        struct later *list, *later, *next;

        make_peers(3);
        bus.hooks.reload = reload;
        call_reload(p[1], 0, 9);
        call_reload(p[0], 0, 0);
        call_reload(p[2], 0, 0);
        peer_disconnect(p[2]); /* nobody waits for this one */
        peer_free(p[2]);
        take_over_answers(2);
        ck_assert_uint_eq(p[0]->client.n_later, 1);
        ck_assert_ptr_null(later_take(&owed_answers, LATER_REEXECUTE));
        list = later_take(&owed_answers, LATER_RELOAD);
        ck_assert_ptr_null(owed_answers);
        ck_assert_ptr_nonnull(list);
        DL_FOREACH_SAFE2(list, later, next, owner_next) {
                ck_assert_int_eq(later_reply(later), 0);
        }
        ck_assert_uint_eq(p[1]->inbox[0].caller_cookie, 9);
        for (size_t i = 0; i < 2; i++) {
                peer_expect_return(p[i]);
                peer_expect_nothing(p[i]);
                ck_assert_uint_eq(p[i]->client.n_later, 0);
        }
}
END_TEST

START_TEST(answer_that_nobody_wants_is_not_given) {
        make_peers(1);
        bus.hooks.reload = reload;
        call_reload(p[0], MESSAGE_FLAG_NO_REPLY_EXPECTED, 0);
        take_over_answers(1);
        ck_assert_uint_eq(p[0]->client.n_later, 1);
        ck_assert_int_eq(later_reply(later_take(&owed_answers, LATER_RELOAD)), 0);
        peer_expect_nothing(p[0]);
        ck_assert_uint_eq(p[0]->client.n_later, 0);
}
END_TEST

/* Do what is left to do for the user of the peer. */
static void run_jobs(struct peer *peer) {
        struct schedule_user *user = &peer->client.account->schedule;
        struct schedule_job *job;

        while ((job = user->input)) {
                schedule_cancel(&bus.schedule, job);
                ck_assert_int_eq(job->run(job), 0);
        }
}

START_TEST(list_of_all_rules_begins_anew) {
        struct later *later, from = {.kind = LATER_MATCH_RULES, .wants_reply = true};
        struct loop loop;
        struct message *m;

        make_peers(2);
        peer_call_driver(p[1], "AddMatch", "member='M'", NULL);
        peer_expect_return(p[1]);
        /* The old bus was making the answer. */
        from.client = &p[0]->client;
        from.serial = ++p[0]->serial;
        later = later_restore(&from);
        DL_APPEND2(waiting, later, owner_prev, owner_next);
        take_over_answers(2);
        ck_assert_int_eq(loop_init(&loop), 0);
        schedule_init(&bus.schedule, &loop);
        ck_assert_int_eq(
                driver_answer_match_rules(&bus, later_take(&owed_answers, LATER_MATCH_RULES)), 0);
        peer_expect_nothing(p[0]);
        run_jobs(p[0]);
        m = p[0]->inbox[0].m;
        peer_expect_return(p[0]);
        ck_assert_str_eq(m->signature.s, "a{sas}");
        ck_assert_ptr_nonnull(memmem(m->body, m->n_body, "member='M'", 11));
        ck_assert_uint_eq(p[0]->client.n_later, 0);
        loop_deinit(&loop);
}
END_TEST

int main(void) {
        TCase *t = tcase_create("state-waiting");

        tcase_add_test(t, calls_get_their_answers);
        tcase_add_test(t, callers_are_told_in_the_order_of_their_calls);
        tcase_add_test(t, deadlines_stay_what_they_are);
        tcase_add_test(t, timer_is_set_even_if_it_is_late);
        tcase_add_test(t, both_cookies_of_a_call_are_kept);
        tcase_add_test(t, many_calls_are_taken_over);
        tcase_add_test(t, answers_that_are_due_are_given_by_the_next_bus);
        tcase_add_test(t, answer_that_nobody_wants_is_not_given);
        tcase_add_test(t, list_of_all_rules_begins_anew);
        return suite_main("bus-state-waiting", t);
}
