/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages that wait for a service, for a policy or for the end of a service, on the next bus. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/bus/account.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/pace.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/start.h"
#include "bridge/bus/unit-watch.h"
#include "bridge/bus/unread.h"
#include "bridge/bus/waiter.h"
#include "services.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define COOKIE 7

static struct peer *p[6];

static void make_peers(size_t n) {
        for (size_t i = 0; i < n; i++)
                p[i] = peer_hello();
}

static void call_with(struct peer *peer, const char *destination, const char *member, uint8_t flags,
                      uint64_t cookie) {
        struct writer w;

        peer_call_init(peer, &w, destination, "/", "i.j", member, "");
        w.flags = flags;
        ck_assert_int_eq(peer_send(peer, &w, cookie), 0);
}

static void call(struct peer *peer, const char *destination, const char *member, uint64_t cookie) {
        call_with(peer, destination, member, 0, cookie);
}

static void start_by_name(struct peer *peer, const char *name, uint64_t cookie) {
        struct writer w;

        peer_call_init(peer, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, BUS_DRIVER_INTERFACE,
                       "StartServiceByName", "su");
        writer_string(&w, name);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(peer, &w, cookie), 0);
}

static void expect_call(struct peer *peer, const char *member, const struct peer *sender) {
        struct message *m = peer_next(peer);

        ck_assert_ptr_nonnull(m);
        ck_assert_uint_eq(m->type, MESSAGE_TYPE_METHOD_CALL);
        ck_assert_str_eq(m->member.s, member);
        ck_assert_str_eq(m->sender.s, sender->client.unique_name);
}

/* starts */

START_TEST(messages_that_wait_for_a_service_get_there) {
        services_setup();
        make_peers(3);
        call(p[0], WAITS, "One", COOKIE);
        call(p[1], WAITS, "Two", 0);
        start_by_name(p[1], WAITS, 9);
        peer_signal(p[0], WAITS, "/", "i.j", "Three", NULL);
        takeover(p, 3);
        takeover(p, 3);
        ck_assert_uint_eq(p[0]->client.account->n_waiting, 4);
        ck_assert_uint_eq(p[0]->client.backlog->n_messages, 2);
        call(p[0], WAITS, "Four", 0); /* joins the start */

        ck_assert_uint_eq(peer_request_name(p[2], WAITS, 0), NAME_PRIMARY_OWNER);
        peer_expect_signal(p[2], "NameAcquired", WAITS);
        expect_call(p[2], "One", p[0]);
        expect_call(p[2], "Two", p[1]);
        ck_assert_str_eq(peer_next(p[2])->member.s, "Three");
        expect_call(p[2], "Four", p[0]);
        ck_assert_uint_eq(p[1]->inbox[0].caller_cookie, 9);
        peer_expect_return(p[1]);
        ck_assert_uint_eq(p[0]->client.pending->caller_cookie, COOKIE);
        ck_assert_ptr_null(bus.activation->starts);
        services_teardown();
}
END_TEST

START_TEST(start_fails_when_it_would_have_failed) {
        struct loop_timer *timer;
        int64_t deadline;

        services_setup();
        make_peers(2);
        bus.limits.service_start_timeout = 50000;
        call(p[0], WAITS, "One", COOKIE);
        deadline = bus.activation->starts->timer.deadline;
        takeover(p, 2);
        timer = &bus.activation->starts->timer;
        ck_assert_int_eq(timer->deadline, deadline);
        ck_assert_uint_ne(timer->index, 0);
        loop_timer_cancel(&services_loop, timer);
        ck_assert_int_eq(timer->expired(timer), 0);
        ck_assert_uint_eq(p[0]->inbox[0].caller_cookie, COOKIE);
        peer_expect_error(p[0], DRIVER_ERROR("TimedOut"));
        services_teardown();
}
END_TEST

START_TEST(start_waits_for_its_turn) {
        struct loop_timer *timer;
        struct start *start;
        int64_t due, turn;

        services_setup();
        make_peers(1);
        due = loop_now() + 2 * PACE_BURST * PACE_INTERVAL;
        p[0]->client.account->starts_due = due;
        call(p[0], MISSING, "One", 0);
        turn = bus.activation->starts->turn;
        ck_assert_int_gt(turn, loop_now());
        takeover(p, 1);
        start = bus.activation->starts;
        ck_assert_int_eq(start->turn, turn);
        ck_assert_uint_eq(start->payer, p[0]->client.account->uid);
        timer = &start->timer;
        ck_assert_int_eq(timer->deadline, turn);
        loop_timer_cancel(&services_loop, timer);
        ck_assert_int_eq(timer->expired(timer), 0); /* it begins */
        ck_assert_ptr_nonnull(start->child);
        services_run();
        peer_expect_error(p[0], DRIVER_ERROR("Spawn.ExecFailed"));
        services_teardown();
}
END_TEST

START_TEST(clients_that_leave_take_their_messages_along) {
        services_setup();
        make_peers(2);
        call(p[0], WAITS, "One", COOKIE);
        call(p[1], WAITS, "Two", 0);
        takeover(p, 2);
        peer_disconnect(p[0]);
        ck_assert_uint_eq(p[0]->n_closed, 1);
        ck_assert_uint_eq(p[0]->closed[0], COOKIE);
        ck_assert_uint_eq(p[1]->client.account->n_waiting, 1);
        ck_assert_ptr_eq(bus.activation->starts->waiters->client, &p[1]->client);
        services_teardown();
}
END_TEST

/* programs */

static void wait_for_end(pid_t pid) {
        siginfo_t info;

        ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

START_TEST(program_that_ends_later_fails_the_start) {
        pid_t pid;

        services_setup();
        make_peers(1);
        call(p[0], SLEEPS, "One", COOKIE);
        services_run(); /* it runs */
        ck_assert_int_eq(child_pipe(bus.activation->starts->child), -1);
        pid = child_pid(bus.activation->starts->child);
        takeover(p, 1);
        ck_assert_int_eq(child_pid(bus.activation->starts->child), pid);
        services_run();
        peer_expect_nothing(p[0]);
        kill(pid, SIGKILL);
        wait_for_end(pid);
        services_run();
        ck_assert_uint_eq(p[0]->inbox[0].caller_cookie, COOKIE);
        peer_expect_error(p[0], DRIVER_ERROR("Spawn.ChildSignaled"));
        ck_assert_ptr_null(bus.activation->children.list);
        services_teardown();
}
END_TEST

/* SIGCHLD came to the old bus, which has not looked at it. */
START_TEST(program_that_ended_meanwhile_fails_the_start) {
        struct signalfd_siginfo *info = malloc(128);
        pid_t pid;

        services_setup();
        make_peers(1);
        call(p[0], SLEEPS, "One", 0);
        services_run();
        pid = child_pid(bus.activation->starts->child);
        kill(pid, SIGKILL);
        wait_for_end(pid);
        ck_assert_int_eq(read(bus.activation->children.signals.fd, info, 128), 128);
        free(info);

        /* takeover() wakes the bus */
        takeover(p, 1);
        peer_expect_error(p[0], DRIVER_ERROR("Spawn.ChildSignaled"));
        services_teardown();
}
END_TEST

START_TEST(program_that_cannot_be_executed_fails_the_start) {
        services_setup();
        make_peers(1);
        call(p[0], MISSING, "One", 0);
        ck_assert_int_ge(child_pipe(bus.activation->starts->child), 0);
        takeover(p, 1);
        services_run();
        peer_expect_error(p[0], DRIVER_ERROR("Spawn.ExecFailed"));
        ck_assert_ptr_null(bus.activation->children.list);
        services_teardown();
}
END_TEST

START_TEST(program_that_nobody_waits_for_is_reaped) {
        pid_t pid;

        services_setup();
        make_peers(2);
        call(p[0], SLEEPS, "One", 0);
        pid = child_pid(bus.activation->starts->child);
        ck_assert_uint_eq(peer_request_name(p[1], SLEEPS, 0), NAME_PRIMARY_OWNER);
        peer_flush(p[1]);
        takeover(p, 2);
        ck_assert_int_eq(child_pid(bus.activation->children.list), pid);
        kill(pid, SIGKILL);
        wait_for_end(pid);
        services_run();
        ck_assert_ptr_null(bus.activation->children.list);
        ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
        peer_expect_nothing(p[0]);
        services_teardown();
}
END_TEST

/* systemd */

static uint32_t expect(struct peer *peer, const char *member) {
        struct message *m = peer_next(peer);

        ck_assert_ptr_nonnull(m);
        ck_assert_str_eq(m->member.s, member);
        return m->serial;
}

static void answer_init(struct peer *peer, struct writer *w, uint32_t serial,
                        const char *signature) {
        writer_init(w, MESSAGE_TYPE_METHOD_RETURN, 0, ++peer->serial, signature);
        w->reply_serial = serial;
        w->destination = BUS_DRIVER_NAME;
}

static void tell_path(struct peer *peer, uint32_t serial) {
        struct writer w;

        answer_init(peer, &w, serial, "o");
        writer_string(&w, "/org/freedesktop/systemd1/unit/a_2eservice");
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);
}

static void tell_state(struct peer *peer, uint32_t serial, const char *name, const char *value) {
        struct writer w;

        answer_init(peer, &w, serial, "a{sv}");
        writer_array_begin(&w, 8);
        writer_struct(&w);
        writer_string(&w, name);
        writer_variant(&w, "s");
        writer_string(&w, value);
        writer_array_end(&w);
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);
}

/* Another bus takes over after each message. */
START_TEST(questions_to_systemd_are_answered_to_the_next_bus) {
        uint32_t serial;

        services_setup();
        make_peers(2);
        ck_assert_uint_eq(peer_request_name(p[1], SYSTEMD, 0), NAME_PRIMARY_OWNER);
        peer_forget(p[1]);
        call(p[0], HAS_UNIT, "One", COOKIE);
        expect(p[1], "Subscribe");
        expect(p[1], "ActivationRequest");
        serial = expect(p[1], "LoadUnit");
        takeover(p, 2);
        ck_assert_ptr_eq(bus.unit_manager, &p[1]->client);
        tell_path(p[1], serial);
        serial = expect(p[1], "GetAll");
        takeover(p, 2);
        tell_state(p[1], serial, "ActiveState", "failed");
        serial = expect(p[1], "GetAll");
        peer_expect_nothing(p[1]);
        takeover(p, 2);
        tell_state(p[1], serial, "Result", "timeout");
        ck_assert_uint_eq(p[0]->inbox[0].caller_cookie, COOKIE);
        peer_expect_error(p[0], DRIVER_ERROR("TimedOut"));
        ck_assert_ptr_null(bus.activation->watches->watches);
        ck_assert_ptr_null(bus.unit_manager);
        services_teardown();
}
END_TEST

/* The start is over, but the answer of systemd is not there: it is expected, and not denied. */
START_TEST(question_without_a_start_is_kept) {
        uint32_t serial;

        services_setup();
        make_peers(3);
        ck_assert_uint_eq(peer_request_name(p[1], SYSTEMD, 0), NAME_PRIMARY_OWNER);
        peer_forget(p[1]);
        call(p[0], HAS_UNIT, "One", 0);
        expect(p[1], "Subscribe");
        expect(p[1], "ActivationRequest");
        serial = expect(p[1], "LoadUnit");
        ck_assert_uint_eq(peer_request_name(p[2], HAS_UNIT, 0), NAME_PRIMARY_OWNER);
        peer_flush(p[2]);
        takeover(p, 3);
        ck_assert_ptr_nonnull(bus.activation->watches->watches);
        tell_path(p[1], serial);
        ck_assert_ptr_null(bus.activation->watches->watches);
        peer_expect_nothing(p[1]);
        services_teardown();
}
END_TEST

START_TEST(requests_wait_for_systemd) {
        services_setup();
        make_peers(2);
        call(p[0], HAS_UNIT, "One", 0);
        ck_assert_uint_eq(bus.activation->n_own, 1);
        takeover(p, 2);
        ck_assert_uint_eq(bus.activation->n_own, 1);
        ck_assert_uint_eq(peer_request_name(p[1], SYSTEMD, 0), NAME_PRIMARY_OWNER);
        peer_expect_signal(p[1], "NameAcquired", SYSTEMD);
        expect(p[1], "Subscribe");
        expect(p[1], "ActivationRequest");
        ck_assert_uint_eq(bus.activation->n_own, 0);
        expect(p[1], "LoadUnit");
        services_teardown();
}
END_TEST

/* dockets */

static bool policy_is_old(void *process) {
        return true;
}

static int nothing(void *process, struct later *later) {
        return 0;
}

/* The policy denies a message to p[1], which waits. There is no policy here, so the test does it.
 */
static void deny(struct peer *peer, const char *member, uint64_t cookie) {
        const struct message_stamp stamp = {.sender = peer->client.unique_name};
        struct message *m;
        struct writer w;

        bus.policy_is_checked = false;
        bus.hooks.policy_is_old = policy_is_old;
        peer_call_init(peer, &w, p[1]->client.unique_name, "/", "i.j", member, "");
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        ck_assert_int_eq(message_stamp(m, &stamp), 0);
        m->order = ++peer->client.n_received;
        m->cost = message_memory(m);
        ck_assert(docket_hold(&peer->client, m, cookie, DOCKET_MESSAGE));
        message_unref(m);
        bus.hooks.policy_is_old = NULL;
}

START_TEST(denied_messages_are_judged_by_the_next_bus) {
        services_setup();
        make_peers(3);
        bus.hooks.reload = nothing;
        deny(p[0], "One", COOKIE);
        deny(p[0], "Two", 0);
        deny(p[2], "Three", 0);
        takeover(p, 3);
        takeover(p, 3);
        ck_assert_uint_eq(p[0]->client.account->n_waiting, 3);
        call(p[0], p[1]->client.unique_name, "Four", 0); /* follows in the docket */
        peer_expect_nothing(p[1]);
        services_run_jobs();
        ck_assert_uint_eq(p[1]->n, 4);
        expect_call(p[1], "One", p[0]);
        expect_call(p[1], "Two", p[0]);
        expect_call(p[1], "Four", p[0]); /* p[0] and p[2] are of one user, and p[0] waited first */
        expect_call(p[1], "Three", p[2]);
        ck_assert_uint_eq(p[0]->client.pending->caller_cookie, COOKIE);
        ck_assert_ptr_null(bus.dockets);
        services_teardown();
}
END_TEST

/* unread calls */

START_TEST(unread_calls_go_on_to_the_next_owner) {
        struct message *m;

        services_setup();
        make_peers(4);
        peer_request_name(p[2], WAITS, 0);
        peer_request_name(p[3], WAITS, 0);
        peer_flush(p[2]);
        peer_flush(p[3]);
        call(p[0], WAITS, "One", COOKIE);
        call_with(p[1], WAITS, "Two", MESSAGE_FLAG_NO_REPLY_EXPECTED, 0);
        call(p[0], WAITS, "Three", 0);
        p[2]->client.is_closing = true;
        while ((m = peer_next(p[2])))
                ck_assert(unread_hold(&p[2]->client, m, false));
        takeover(p, 4);
        takeover(p, 4);
        ck_assert_uint_eq(p[0]->client.account->n_waiting, 3);
        peer_disconnect(p[2]);
        peer_expect_signal(p[3], "NameAcquired", WAITS);
        expect_call(p[3], "One", p[0]);
        expect_call(p[3], "Two", p[1]);
        expect_call(p[3], "Three", p[0]);
        ck_assert_uint_eq(p[3]->inbox[1].m->n_resent, 1);
        ck_assert_uint_eq(p[0]->client.n_pending, 2);
        ck_assert_uint_eq(p[0]->client.pending->caller_cookie, COOKIE);
        peer_expect_nothing(p[0]);
        services_teardown();
}
END_TEST

START_TEST(unread_calls_start_the_service) {
        struct message *m;

        services_setup();
        make_peers(3);
        peer_request_name(p[1], WAITS, 0);
        peer_flush(p[1]);
        call(p[0], WAITS, "One", 0);
        m = peer_next(p[1]);
        p[1]->client.is_closing = true;
        ck_assert(unread_hold(&p[1]->client, m, false));
        takeover(p, 3);
        peer_disconnect(p[1]);
        peer_expect_nothing(p[0]);
        ck_assert_ptr_nonnull(activation_find(&bus, WAITS));
        peer_request_name(p[2], WAITS, 0);
        peer_expect_signal(p[2], "NameAcquired", WAITS);
        expect_call(p[2], "One", p[0]);
        services_teardown();
}
END_TEST

int main(void) {
        TCase *t = tcase_create("state-starts");

        tcase_set_timeout(t, 60);
        tcase_add_test(t, messages_that_wait_for_a_service_get_there);
        tcase_add_test(t, start_fails_when_it_would_have_failed);
        tcase_add_test(t, start_waits_for_its_turn);
        tcase_add_test(t, clients_that_leave_take_their_messages_along);
        tcase_add_test(t, program_that_ends_later_fails_the_start);
        tcase_add_test(t, program_that_ended_meanwhile_fails_the_start);
        tcase_add_test(t, program_that_cannot_be_executed_fails_the_start);
        tcase_add_test(t, program_that_nobody_waits_for_is_reaped);
        tcase_add_test(t, questions_to_systemd_are_answered_to_the_next_bus);
        tcase_add_test(t, question_without_a_start_is_kept);
        tcase_add_test(t, requests_wait_for_systemd);
        tcase_add_test(t, denied_messages_are_judged_by_the_next_bus);
        tcase_add_test(t, unread_calls_go_on_to_the_next_owner);
        tcase_add_test(t, unread_calls_start_the_service);
        return suite_main("bus-state-starts", t);
}
