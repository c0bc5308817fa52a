/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unread calls: which calls wait until their owner has left, and where they go then. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bridge/base/loop.h"
#include "bridge/bus/account.h"
#include "bridge/bus/activation-table.h"
#include "bridge/bus/activation.h"
#include "bridge/bus/unread.h"
#include "fixture.h"
#include "test/unit/suite.h"

#define NAME "com.example.Waits"  /* has no Exec: the start only waits for an owner of the name */
#define OTHER "com.example.Other" /* cannot be started */
#define COOKIE 7

static struct loop loop;
static char directory[] = "/tmp/bus-unread-XXXXXX";
static char service[64];

static void setup(void) {
        struct bus_servicedir servicedir = {.path = directory};
        const struct bus_config config = {.servicedirs = &servicedir, .n_servicedirs = 1};
        struct service_table *table;
        struct rlimit limit;
        FILE *f;

        fixture_setup();
        memset(directory + strlen(directory) - 6, 'X', 6);
        ck_assert_ptr_nonnull(mkdtemp(directory));
        snprintf(service, sizeof(service), "%s/a.service", directory);
        f = fopen(service, "we");
        ck_assert_ptr_nonnull(f);
        fprintf(f, "[D-BUS Service]\nName=" NAME "\n");
        fclose(f);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        ck_assert_int_eq(loop_init(&loop), 0);
        ck_assert_int_eq(activation_new(&bus, &loop, &limit, &bus.activation), 0);
        ck_assert_int_eq(service_table_load(&config, &table), 0);
        activation_exchange_table(bus.activation, &table);
}

static void teardown(void) {
        for (struct client *client = bus.clients; client; client = client->next) {
                ck_assert_int_eq(client_disconnect(client), 0);
                ck_assert_ptr_null(client->unread);
                ck_assert_ptr_null(client->unread_sent);
                ck_assert_uint_eq(client->account->n_waiting, 0);
                ck_assert_uint_eq(client->account->backlog, 0);
        }
        bus.activation = activation_free(bus.activation);
        loop_deinit(&loop);
        unlink(service);
        rmdir(directory);
        fixture_teardown();
}

static void call_with(struct peer *peer, const char *name, const char *member, uint8_t flags) {
        struct writer w;

        peer_call_init(peer, &w, name, "/", "i.j", member, "");
        w.flags = flags;
        ck_assert_int_eq(peer_send(peer, &w, flags & MESSAGE_FLAG_NO_REPLY_EXPECTED ? 0 : COOKIE),
                         0);
}

static void call(struct peer *peer, const char *name, const char *member) {
        call_with(peer, name, member, 0);
}

static struct peer *owner_new(const char *name) {
        struct peer *owner = peer_hello();

        peer_request_name(owner, name, 0);
        return owner;
}

static struct peer *hello_of_another_user(void) {
        struct peer *peer;

        bus.uid++;
        peer = peer_hello();
        bus.uid--;
        return peer;
}

static void answer(struct peer *owner, const struct message *m) {
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, 0, ++owner->serial, "");
        w.destination = m->sender.s;
        w.reply_serial = m->serial;
        ck_assert_int_eq(peer_send(owner, &w, 0), 0);
}

/* The next call that the peer has got, or NULL. Other messages are skipped. */
static struct message *next_call(struct peer *peer) {
        struct message *m;

        do
                m = peer_next(peer);
        while (m && m->type != MESSAGE_TYPE_METHOD_CALL);
        return m;
}

static unsigned count_calls(struct peer *peer) {
        unsigned n = 0;

        while (next_call(peer))
                n++;
        return n;
}

static void expect_call(struct peer *peer, const char *member) {
        struct message *m = next_call(peer);

        ck_assert_ptr_nonnull(m);
        ck_assert_str_eq(m->member.s, member);
}

/* The front end gives up all calls in the queue of the peer: the program has not read them. */
static void give_up(struct peer *peer) {
        struct message *m;

        peer->client.is_closing = true;
        while ((m = next_call(peer)))
                if (unread_concerns(&peer->client, m))
                        unread_hold(&peer->client, m, false);
        peer->refuse = CLIENT_E_GONE;
}

static void leave_unread(struct peer *peer) {
        give_up(peer);
        peer_disconnect(peer);
}

/* places to go */

START_TEST(unread_calls_go_to_the_next_owner_in_order) {
        struct peer *a = peer_hello(), *b = peer_hello();
        struct peer *owner = owner_new(OTHER), *next = owner_new(OTHER);
        struct message *m;

        call(a, OTHER, "One");
        call(b, OTHER, "Two");
        call_with(a, OTHER, "Three", MESSAGE_FLAG_NO_REPLY_EXPECTED);
        give_up(owner);
        call(b, OTHER, "Four"); /* the front end refuses it: the socket is broken */
        peer_expect_nothing(a);
        peer_disconnect(owner);

        peer_flush(a);
        m = next_call(next);
        ck_assert_str_eq(m->member.s, "One");
        ck_assert_str_eq(m->sender.s, a->client.unique_name);
        answer(next, m);
        a->serial--; /* that of "One" */
        peer_expect_return(a);
        ck_assert_uint_eq(a->inbox[a->n - 1].caller_cookie, COOKIE);
        ck_assert_uint_eq(a->n_closed, 0);
        expect_call(next, "Two");
        expect_call(next, "Three");
        expect_call(next, "Four");
        ck_assert_ptr_null(next_call(next));
        peer_expect_nothing(b);
}
END_TEST

START_TEST(unread_calls_start_the_service_before_later_calls) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME);
        bool done;

        call(caller, NAME, "One");
        give_up(owner);
        /* It leaves in steps, and another call comes while it still has the name. */
        ck_assert_int_eq(client_leave(&owner->client, &done), 0);
        call(caller, NAME, "Two");
        ck_assert_ptr_nonnull(activation_find(&bus, NAME));
        peer_disconnect(owner);
        peer_expect_nothing(caller);

        owner = owner_new(NAME);
        expect_call(owner, "One");
        expect_call(owner, "Two");
        ck_assert_ptr_null(next_call(owner));
}
END_TEST

START_TEST(first_unread_call_comes_first) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME);
        struct message *last;

        call(caller, NAME, "Last"); /* was written */
        last = next_call(owner);
        call(caller, NAME, "Queued");
        give_up(owner);
        ck_assert(unread_hold(&owner->client, last, true));
        peer_disconnect(owner);
        owner = owner_new(NAME);
        expect_call(owner, "Last");
        expect_call(owner, "Queued");
}
END_TEST

/* The owner has given up the name, and leaves without having read what came before that. */
START_TEST(calls_from_before_the_release) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME);

        call(caller, NAME, "One");
        peer_call_driver(owner, "ReleaseName", NAME, NULL);
        /* As with dbus-daemon: the owner is still there to read it. */
        ck_assert_ptr_null(activation_find(&bus, NAME));
        leave_unread(owner);
        ck_assert_ptr_nonnull(activation_find(&bus, NAME));
        owner = owner_new(NAME);
        expect_call(owner, "One");
        peer_expect_nothing(caller);
}
END_TEST

/* The owner is closing, but the bus has not read all its input yet. */
START_TEST(calls_go_before_later_ones_when_the_owner_gives_up_the_name) {
        struct peer *caller = peer_hello(), *owner = owner_new(OTHER), *next = owner_new(OTHER);

        call(caller, OTHER, "One");
        give_up(owner);
        peer_call_driver(owner, "ReleaseName", OTHER, NULL);
        call(caller, OTHER, "Two");
        expect_call(next, "One");
        expect_call(next, "Two");
        peer_disconnect(owner);
        ck_assert_ptr_null(next_call(next));
        peer_expect_nothing(caller);
}
END_TEST

START_TEST(calls_go_before_later_ones_when_the_owner_is_replaced) {
        struct peer *caller = peer_hello(), *owner = peer_hello(), *next = peer_hello();

        peer_request_name(owner, OTHER, NAME_FLAG_ALLOW_REPLACEMENT);
        call(caller, OTHER, "One");
        give_up(owner);
        peer_request_name(next, OTHER, NAME_FLAG_REPLACE_EXISTING);
        call(caller, OTHER, "Two");
        expect_call(next, "One");
        expect_call(next, "Two");
        peer_disconnect(owner);
        ck_assert_ptr_null(next_call(next));
        peer_expect_nothing(caller);
}
END_TEST

/* the end */

START_TEST(owner_that_becomes_a_monitor_keeps_no_call_waiting) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME);

        call(caller, NAME, "M");
        give_up(owner);
        ck_assert_int_eq(client_become_monitor(&owner->client, NULL, 0), 0);
        ck_assert_ptr_null(owner->client.unread);
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));
        peer_disconnect(owner);
        ck_assert_ptr_null(activation_find(&bus, NAME));
}
END_TEST

START_TEST(calls_that_can_go_nowhere) {
        struct peer *caller = peer_hello(), *owner = owner_new(OTHER);
        struct peer *service_owner = owner_new(NAME);

        call(caller, OTHER, "M"); /* no service file */
        leave_unread(owner);
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));
        call_with(caller, NAME, "M", MESSAGE_FLAG_NO_AUTO_START);
        leave_unread(service_owner);
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));

        service_owner = owner_new(NAME);
        call(caller, service_owner->client.unique_name, "M");
        leave_unread(service_owner);
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));
        ck_assert_ptr_null(activation_find(&bus, NAME));
}
END_TEST

START_TEST(strangers_get_no_unread_calls) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME);
        struct peer *next = hello_of_another_user();

        peer_request_name(next, NAME, 0);
        call(caller, NAME, "M");
        leave_unread(owner);
        ck_assert_ptr_null(next_call(next));
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));

        /* The same user, but nobody knows whether this is the same program. */
        owner = next;
        next = hello_of_another_user();
        owner->client.credentials.label = strdup("one");
        owner->client.credentials.n_label = 3;
        peer_request_name(next, NAME, 0);
        call(caller, NAME, "M");
        leave_unread(owner);
        ck_assert_ptr_null(next_call(next));
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));

        owner = next;
        next = hello_of_another_user();
        owner->client.credentials.label = strdup("one");
        owner->client.credentials.n_label = 3;
        next->client.credentials.label = strdup("two");
        next->client.credentials.n_label = 3;
        peer_request_name(next, NAME, 0);
        call(caller, NAME, "M");
        leave_unread(owner);
        ck_assert_ptr_null(next_call(next));
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));

        memcpy(next->client.credentials.label, "one", 3);
        owner = next;
        next = hello_of_another_user();
        next->client.credentials.label = strdup("one");
        next->client.credentials.n_label = 3;
        peer_request_name(next, NAME, 0);
        call(caller, NAME, "M");
        leave_unread(owner);
        expect_call(next, "M");
        peer_expect_nothing(caller);
}
END_TEST

START_TEST(without_auto_start_a_call_goes_to_the_next_owner) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME), *next = owner_new(NAME);

        call_with(caller, NAME, "M", MESSAGE_FLAG_NO_AUTO_START);
        leave_unread(owner);
        expect_call(next, "M");
        peer_expect_nothing(caller);
}
END_TEST

START_TEST(owner_that_stays_keeps_no_call_waiting) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME);

        owner->refuse =
                CLIENT_E_GONE; /* it does not read any more, but may send as much as it wants */
        call(caller, NAME, "M");
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));
}
END_TEST

/* It may have taken effect. */
START_TEST(call_that_was_read_is_not_sent_again) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME);

        call(caller, NAME, "M");
        expect_call(owner, "M");
        peer_disconnect(owner);
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));
        ck_assert_ptr_null(activation_find(&bus, NAME));
}
END_TEST

START_TEST(call_is_sent_again_twice) {
        struct peer *caller = peer_hello();

        call(caller, NAME, "M");
        for (int i = 0; i <= UNREAD_TRIES; i++) {
                peer_expect_nothing(caller);
                leave_unread(owner_new(NAME));
        }
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));
        ck_assert_uint_eq(caller->inbox[caller->n - 1].caller_cookie, COOKIE);
        ck_assert_uint_eq(caller->n_closed, 0);
        ck_assert_ptr_null(activation_find(&bus, NAME));
        peer_expect_nothing(caller);
}
END_TEST

START_TEST(limits_are_those_of_held_messages) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME);

        bus.limits.max_pending_service_starts = 1;
        call(caller, NAME, "One");
        call(caller, NAME, "Two");
        leave_unread(owner);
        peer_expect_error(caller, DRIVER_ERROR("NoReply")); /* for the second one */
        peer_expect_nothing(caller);

        owner = owner_new(NAME);
        expect_call(owner, "One");
        ck_assert_ptr_null(next_call(owner));
        bus.limits.max_incoming_bytes = 1; /* a backlog takes one message */
        bus.limits.max_pending_service_starts = 2;
        call(caller, NAME, "Three");
        call(caller, NAME, "Four");
        leave_unread(owner);
        peer_next(caller); /* for the first one, which was read */
        caller->serial--;
        owner = owner_new(NAME);
        expect_call(owner, "Three");
        ck_assert_ptr_null(next_call(owner));
}
END_TEST

/* All unread calls of one owner are sent again in one step. */
START_TEST(calls_to_one_owner_are_few) {
        struct peer *caller = peer_hello(), *other = hello_of_another_user();
        struct peer *owner = owner_new(OTHER), *next = owner_new(OTHER);

        for (unsigned i = 0; i < UNREAD_MAX; i++)
                call(caller, OTHER, "M");
        for (unsigned i = 0; i < UNREAD_MAX; i++)
                call(other, OTHER, "M");
        leave_unread(owner);
        /* The first user has half of the places, and the second one half of the rest. */
        ck_assert_uint_eq(count_calls(next), UNREAD_MAX / 2 + UNREAD_MAX / 4);
        ck_assert_uint_eq(caller->n - caller->read, UNREAD_MAX / 2);
        ck_assert_uint_eq(other->n - other->read, UNREAD_MAX * 3 / 4);
        ck_assert_str_eq(peer_next(other)->error_name.s, DRIVER_ERROR("NoReply"));
}
END_TEST

START_TEST(caller_that_leaves_takes_its_calls_with_it) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME);

        call(caller, NAME, "M");
        call_with(caller, NAME, "M", MESSAGE_FLAG_NO_REPLY_EXPECTED);
        give_up(owner);
        ck_assert_uint_eq(owner->client.account->n_waiting, 2);
        peer_disconnect(caller);
        ck_assert_uint_eq(owner->client.account->n_waiting, 0);
        peer_disconnect(owner);
        ck_assert_ptr_null(activation_find(&bus, NAME));
}
END_TEST

START_TEST(call_whose_time_is_over_is_not_sent_again) {
        struct peer *caller = peer_hello(), *owner, *next;
        int64_t deadline;

        bus.limits.reply_timeout = 1000;
        owner = owner_new(NAME);
        next = owner_new(NAME);
        call(caller, NAME, "M");
        give_up(owner);
        ck_assert_int_eq(tell_replies_expired(&bus, INT64_MAX - 1, &deadline), 0);
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));
        peer_disconnect(owner);
        ck_assert_ptr_null(next_call(next));

        /* The next owner has the same time to answer. */
        owner = next;
        next = owner_new(NAME);
        call(caller, NAME, "M");
        leave_unread(owner);
        expect_call(next, "M");
        ck_assert_int_eq(next->opened->deadline != INT64_MAX, 1);
        ck_assert_int_eq(tell_replies_expired(&bus, INT64_MAX - 1, &deadline), 0);
        peer_expect_error(caller, DRIVER_ERROR("NoReply"));
}
END_TEST

START_TEST(observers_see_a_call_once) {
        struct peer *caller = peer_hello(), *monitor = peer_hello(), *eavesdropper = peer_hello();
        struct peer *owner = owner_new(NAME), *next = owner_new(NAME);

        ck_assert_int_eq(client_become_monitor(&monitor->client, NULL, 0), 0);
        peer_call_driver(eavesdropper, "AddMatch", "eavesdrop='true',member='M'", NULL);
        call(caller, NAME, "M");
        /* Copies are not calls to those who have them. */
        give_up(monitor);
        give_up(eavesdropper);
        monitor->refuse = eavesdropper->refuse = 0;
        ck_assert_ptr_null(monitor->client.unread);
        ck_assert_ptr_null(eavesdropper->client.unread);
        leave_unread(owner);
        expect_call(next, "M");
        ck_assert_ptr_null(next_call(monitor));
        ck_assert_ptr_null(next_call(eavesdropper));
}
END_TEST

/* Each copy is charged in one queue, and one of them is a call. */
START_TEST(eavesdropper_that_becomes_the_owner) {
        struct peer *caller = peer_hello(), *owner = owner_new(NAME), *next = owner_new(NAME);
        struct message *seen, *got;
        int pipe_fds[2];
        struct writer w;

        peer_call_driver(next, "AddMatch", "eavesdrop='true',member='M'", NULL);
        owner->client.fds_negotiated = next->client.fds_negotiated = true;
        bus.fds[FDS_HELD].max = 100;
        ck_assert_int_eq(pipe(pipe_fds), 0);
        peer_call_init(caller, &w, NAME, "/", "i.j", "M", "hs");
        writer_take_fd(&w, pipe_fds[1]);
        writer_string(&w, "text");
        ck_assert_int_eq(peer_send(caller, &w, COOKIE), 0);
        leave_unread(owner);

        seen = next_call(next);
        got = next_call(next);
        ck_assert_ptr_nonnull(got);
        ck_assert_ptr_ne(seen, got);
        ck_assert_ptr_ne(seen->charged_at, &next->client);
        ck_assert_ptr_eq(got->charged_at, &next->client);
        ck_assert_uint_eq(got->n_wire, seen->n_wire);
        ck_assert_mem_eq(got->wire, seen->wire, got->n_wire);
        ck_assert_str_eq(got->sender.s, caller->client.unique_name);
        ck_assert_uint_eq(got->n_fds, 1);
        ck_assert_int_ne(got->fds[0], seen->fds[0]);
        close(pipe_fds[0]);

        /* It leaves without having read them, too. */
        next->read = 0;
        leave_unread(next);
        next = owner_new(NAME);
        next->client.fds_negotiated = true;
        ck_assert_uint_eq(count_calls(next), 0);
        peer_expect_error(caller, DRIVER_ERROR("NotSupported"));
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("unread");

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_add_test(tcase, unread_calls_go_to_the_next_owner_in_order);
        tcase_add_test(tcase, unread_calls_start_the_service_before_later_calls);
        tcase_add_test(tcase, first_unread_call_comes_first);
        tcase_add_test(tcase, calls_from_before_the_release);
        tcase_add_test(tcase, calls_go_before_later_ones_when_the_owner_gives_up_the_name);
        tcase_add_test(tcase, calls_go_before_later_ones_when_the_owner_is_replaced);
        tcase_add_test(tcase, owner_that_becomes_a_monitor_keeps_no_call_waiting);
        tcase_add_test(tcase, calls_that_can_go_nowhere);
        tcase_add_test(tcase, strangers_get_no_unread_calls);
        tcase_add_test(tcase, without_auto_start_a_call_goes_to_the_next_owner);
        tcase_add_test(tcase, owner_that_stays_keeps_no_call_waiting);
        tcase_add_test(tcase, call_that_was_read_is_not_sent_again);
        tcase_add_test(tcase, call_is_sent_again_twice);
        tcase_add_test(tcase, limits_are_those_of_held_messages);
        tcase_add_test(tcase, calls_to_one_owner_are_few);
        tcase_add_test(tcase, caller_that_leaves_takes_its_calls_with_it);
        tcase_add_test(tcase, call_whose_time_is_over_is_not_sent_again);
        tcase_add_test(tcase, observers_see_a_call_once);
        tcase_add_test(tcase, eavesdropper_that_becomes_the_owner);
        return suite_run("unread", tcase);
}
