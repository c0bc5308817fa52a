/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pending replies: which client gets which message, and that each cookie ends exactly once. */

#include <string.h>

#include "bridge/base/loop.h"
#include "fixture.h"

static struct peer *A, *B;

static int call(uint64_t cookie, uint8_t flags) {
        struct writer w;

        peer_call_init(A, &w, B->client.unique_name, "/", "a.b", "M", "");
        w.flags = flags;
        return peer_send(A, &w, cookie);
}

static struct message *make_return(uint32_t reply_serial) {
        struct message *m;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_METHOD_RETURN, 0, ++B->serial, "");
        w.reply_serial = reply_serial;
        w.destination = A->client.unique_name;
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        return m;
}

static void answer(struct peer *from, uint32_t reply_serial) {
        struct message *m = make_return(reply_serial);

        ck_assert_int_eq(client_receive(&from->client, m, 0), 0);
        message_unref(m);
}

static void setup_pair(void) {
        A = peer_hello();
        B = peer_hello();
}

START_TEST(reply_goes_to_the_caller_once) {
        setup_pair();
        ck_assert_int_eq(call(7, 0), 0);
        ck_assert_str_eq(peer_next(B)->sender.s, A->client.unique_name);
        answer(B, A->serial);
        peer_expect_return(A);
        ck_assert_uint_eq(A->inbox[A->n - 1].caller_cookie, 7);
        ck_assert_uint_eq(A->n_closed, 0);
        answer(B, A->serial); /* A does not wait any more */
        peer_expect_nothing(A);
        ck_assert_uint_eq(A->client.n_pending, 0);
}
END_TEST

START_TEST(reply_of_a_third_party_is_dropped) {
        struct peer *C;

        setup_pair();
        C = peer_hello();
        call(0, 0);
        answer(C, A->serial);
        peer_expect_nothing(A);
        answer(B, A->serial);
        peer_expect_return(A);
}
END_TEST

START_TEST(reply_through_its_handle_is_addressed_to_the_caller) {
        struct message *m;

        setup_pair();
        B->callee_cookie = 5;
        call(7, 0);
        m = make_return(A->serial);
        ck_assert_int_eq(client_receive_reply(&B->client, B->opened, m), 0);
        message_unref(m);
        peer_expect_return(A);
        ck_assert_uint_eq(A->inbox[A->n - 1].caller_cookie, 7);
        ck_assert_uint_eq(B->n_closed, 0);
}
END_TEST

START_TEST(reply_with_another_serial_costs_the_connection) {
        struct message *m;

        setup_pair();
        B->callee_cookie = 5;
        call(7, 0);
        m = make_return(A->serial + 1);
        ck_assert_int_eq(client_receive_reply(&B->client, B->opened, m), CLIENT_E_VIOLATION);
        message_unref(m);
        peer_expect_error(A, DRIVER_ERROR("NoReply"));
        ck_assert_uint_eq(A->inbox[A->n - 1].caller_cookie, 7);
}
END_TEST

START_TEST(reply_answered_otherwise_closes_the_handle) {
        setup_pair();
        B->callee_cookie = 5;
        call(0, 0);
        answer(B, A->serial);
        ck_assert_uint_eq(B->n_closed, 1);
        ck_assert_uint_eq(B->closed[0], 5);
}
END_TEST

START_TEST(reply_dropped_becomes_no_reply) {
        setup_pair();
        B->callee_cookie = 5;
        call(7, 0);
        ck_assert_int_eq(tell_reply_dropped(B->opened, NULL, NULL), 0);
        peer_expect_error(A, DRIVER_ERROR("NoReply"));
        ck_assert_uint_eq(A->inbox[A->n - 1].caller_cookie, 7);
        ck_assert_uint_eq(B->n_closed, 0);
}
END_TEST

START_TEST(reply_of_a_callee_that_left_is_no_reply_after_the_names) {
        setup_pair();
        peer_call_driver(A, "AddMatch", "member='NameOwnerChanged'", NULL);
        peer_flush(A);
        call(7, 0);
        peer_disconnect(B);
        peer_expect_signal(A, "NameOwnerChanged", B->client.unique_name);
        peer_expect_error(A, DRIVER_ERROR("NoReply"));
        peer_expect_nothing(A);
}
END_TEST

START_TEST(reply_for_a_caller_that_left_closes_both_cookies) {
        setup_pair();
        B->callee_cookie = 5;
        call(7, 0);
        peer_disconnect(A);
        ck_assert_uint_eq(A->n_closed, 1);
        ck_assert_uint_eq(A->closed[0], 7);
        ck_assert_uint_eq(B->n_closed, 1);
        ck_assert_uint_eq(B->closed[0], 5);
        answer(B, A->serial);
}
END_TEST

START_TEST(reply_cookie_of_a_call_without_reply_is_closed) {
        setup_pair();
        ck_assert_int_eq(call(7, MESSAGE_FLAG_NO_REPLY_EXPECTED), 0);
        ck_assert_uint_eq(A->n_closed, 1);
        ck_assert_uint_eq(bus.replies.n, 0);
}
END_TEST

START_TEST(reply_of_a_refused_delivery_is_an_error_with_the_cookie) {
        setup_pair();
        B->refuse = CLIENT_E_QUOTA;
        call(7, 0);
        peer_expect_error(A, DRIVER_ERROR("LimitsExceeded"));
        ck_assert_uint_eq(A->inbox[A->n - 1].caller_cookie, 7);
        ck_assert_uint_eq(A->n_closed, 0);
        ck_assert_uint_eq(bus.replies.n, 0);
}
END_TEST

/* The table grows with the number of pending replies, and is small again when it is empty. */
START_TEST(reply_is_found_among_many) {
        enum { N = 10000 };
        uint32_t first;

        setup_pair();
        bus.limits.max_replies_per_connection = N;
        first = A->serial + 1;
        for (unsigned i = 0; i < N; i++) {
                ck_assert_int_eq(call(0, 0), 0);
                peer_forget(B);
        }
        ck_assert_uint_eq(bus.replies.n, N);
        ck_assert_uint_ge(bus.replies.n_buckets, N);
        for (unsigned i = 0; i < N; i++) {
                uint32_t serial = first + (i * 7919) % N; /* each call once, in another order */

                answer(B, serial);
                ck_assert_uint_eq(peer_next(A)->reply_serial, serial);
                answer(B, serial);
                peer_expect_nothing(A);
                peer_forget(A);
                peer_forget(B);
        }
        ck_assert_uint_eq(bus.replies.n, 0);
        ck_assert_uint_eq(bus.replies.n_buckets, REPLY_BUCKETS_MIN);
        call(0, 0);
        answer(B, A->serial);
        peer_expect_return(A);
}
END_TEST

START_TEST(reply_serial_in_use_is_refused) {
        setup_pair();
        call(0, 0);
        A->serial--;
        call(0, 0);
        peer_expect_error(A, DRIVER_ERROR("AccessDenied"));
        ck_assert_uint_eq(A->client.n_pending, 1);
}
END_TEST

START_TEST(reply_limit_is_of_the_caller) {
        setup_pair();
        bus.limits.max_replies_per_connection = 2;
        call(0, 0);
        call(0, 0);
        peer_expect_nothing(A);
        call(0, 0);
        peer_expect_error(A, DRIVER_ERROR("LimitsExceeded"));
}
END_TEST

START_TEST(reply_that_takes_too_long_is_no_reply) {
        int64_t next;

        setup_pair();
        bus.limits.reply_timeout = 1000;
        call(0, 0);
        ck_assert_int_eq(tell_replies_expired(&bus, loop_now(), &next), 0);
        peer_expect_nothing(A);
        ck_assert_int_eq(tell_replies_expired(&bus, next, &next), 0);
        peer_expect_error(A, DRIVER_ERROR("NoReply"));
        ck_assert_int_eq(next, INT64_MAX);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("reply");

        tcase_add_test(tcase, reply_goes_to_the_caller_once);
        tcase_add_test(tcase, reply_is_found_among_many);
        tcase_add_test(tcase, reply_of_a_third_party_is_dropped);
        tcase_add_test(tcase, reply_through_its_handle_is_addressed_to_the_caller);
        tcase_add_test(tcase, reply_with_another_serial_costs_the_connection);
        tcase_add_test(tcase, reply_answered_otherwise_closes_the_handle);
        tcase_add_test(tcase, reply_dropped_becomes_no_reply);
        tcase_add_test(tcase, reply_of_a_callee_that_left_is_no_reply_after_the_names);
        tcase_add_test(tcase, reply_for_a_caller_that_left_closes_both_cookies);
        tcase_add_test(tcase, reply_cookie_of_a_call_without_reply_is_closed);
        tcase_add_test(tcase, reply_of_a_refused_delivery_is_an_error_with_the_cookie);
        tcase_add_test(tcase, reply_serial_in_use_is_refused);
        tcase_add_test(tcase, reply_limit_is_of_the_caller);
        tcase_add_test(tcase, reply_that_takes_too_long_is_no_reply);
        return suite_main("reply", tcase);
}
