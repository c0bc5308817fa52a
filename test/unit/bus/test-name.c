/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names: results of RequestName for all flags, the queue, and the order of signals. */

#include <string.h>

#include "fixture.h"

#define NAME "com.example.Name"

/*
 * What happens if A owns the name with flags a, and B requests it with flags b: the number that
 * RequestName returns to B, and then the queue of the name, which begins with the owner.
 */
static const char *expected(uint32_t a, uint32_t b) {
        bool replace = (a & NAME_FLAG_ALLOW_REPLACEMENT) && (b & NAME_FLAG_REPLACE_EXISTING);

        if (replace)
                return a & NAME_FLAG_DO_NOT_QUEUE ? "1B" : "1BA";
        return b & NAME_FLAG_DO_NOT_QUEUE ? "3A" : "2AB";
}

START_TEST(name_request_follows_the_matrix) {
        uint32_t a = _i / 8, b = _i % 8;
        struct peer *A = peer_hello(), *B = peer_hello();
        struct name_ownership *ownership;
        char got[8] = {};
        size_t n = 0;

        ck_assert_uint_eq(peer_request_name(A, NAME, a), NAME_PRIMARY_OWNER);
        got[n++] = '0' + peer_request_name(B, NAME, b);
        DL_FOREACH2(name_find(&bus.names, NAME, strlen(NAME))->queue, ownership, queue_next) {
                got[n++] = ownership->client == &A->client ? 'A' : 'B';
        }
        ck_assert_str_eq(got, expected(a, b));
}
END_TEST

START_TEST(name_queue_hands_over_to_next_owner) {
        struct peer *A = peer_hello(), *B = peer_hello(), *C = peer_hello();

        ck_assert_uint_eq(peer_request_name(A, NAME, 0), NAME_PRIMARY_OWNER);
        ck_assert_uint_eq(peer_request_name(B, NAME, 0), NAME_IN_QUEUE);
        /* C cannot replace A, and waits behind B, even when A allows its replacement later. */
        ck_assert_uint_eq(peer_request_name(C, NAME, NAME_FLAG_REPLACE_EXISTING), NAME_IN_QUEUE);
        ck_assert_uint_eq(peer_request_name(A, NAME, NAME_FLAG_ALLOW_REPLACEMENT),
                          NAME_ALREADY_OWNER);
        peer_flush(B);
        peer_flush(C);

        peer_disconnect(A);
        peer_expect_signal(B, "NameAcquired", NAME);
        ck_assert_ptr_eq(name_resolve(&bus.names, NAME, strlen(NAME)), &B->client);
        peer_disconnect(B);
        peer_expect_signal(C, "NameAcquired", NAME);
        peer_disconnect(C);
        ck_assert_ptr_null(name_find(&bus.names, NAME, strlen(NAME)));
}
END_TEST

START_TEST(name_waiter_that_will_not_wait_leaves_the_queue) {
        struct peer *A = peer_hello(), *B = peer_hello();

        peer_request_name(A, NAME, 0);
        ck_assert_uint_eq(peer_request_name(B, NAME, 0), NAME_IN_QUEUE);
        ck_assert_uint_eq(peer_request_name(B, NAME, NAME_FLAG_DO_NOT_QUEUE), NAME_EXISTS);
        ck_assert_uint_eq(B->client.n_ownerships, 0);
}
END_TEST

START_TEST(name_signals_come_in_the_order_of_the_reference) {
        struct peer *A = peer_hello(), *B = peer_hello();

        peer_call_driver(A, "AddMatch", "type='signal',member='NameOwnerChanged'", NULL);
        peer_expect_return(A);
        peer_call_driver(B, "AddMatch", "sender='org.freedesktop.DBus',arg0='" NAME "'", NULL);
        peer_expect_return(B);

        peer_request_name(A, NAME, NAME_FLAG_ALLOW_REPLACEMENT);
        peer_expect_signal(A, "NameOwnerChanged", NAME);
        peer_expect_signal(A, "NameAcquired", NAME);
        peer_expect_return(A);
        peer_expect_signal(B, "NameOwnerChanged", NAME);

        peer_request_name(B, NAME, NAME_FLAG_REPLACE_EXISTING);
        peer_expect_signal(A, "NameLost", NAME);
        peer_expect_signal(A, "NameOwnerChanged", NAME);
        peer_expect_nothing(A);
        peer_expect_signal(B, "NameOwnerChanged", NAME);
        peer_expect_signal(B, "NameAcquired", NAME);
        peer_expect_return(B);

        peer_call_driver(B, "ReleaseName", NAME, NULL);
        peer_expect_signal(B, "NameLost", NAME);
        peer_expect_signal(B, "NameOwnerChanged", NAME);
        peer_expect_return(B);
        peer_expect_signal(A, "NameOwnerChanged", NAME);
        peer_expect_signal(A, "NameAcquired", NAME);
}
END_TEST

START_TEST(name_limit_counts_the_unique_name) {
        struct peer *A = peer_hello();
        struct writer w;

        bus.limits.max_names_per_connection = 2;
        ck_assert_uint_eq(peer_request_name(A, NAME, 0), NAME_PRIMARY_OWNER);
        peer_flush(A);
        peer_call_init(A, &w, BUS_DRIVER_NAME, "/", NULL, "RequestName", "su");
        writer_string(&w, "com.example.Other");
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(A, &w, 0), 0);
        peer_expect_error(A, DRIVER_ERROR("LimitsExceeded"));
}
END_TEST

START_TEST(name_that_cannot_be_owned_is_refused) {
        static const char *const names[] = {"nodot", ":1.7", "org.freedesktop.DBus", "", "a..b"};
        struct peer *A = peer_hello();

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                peer_call_driver(A, "ReleaseName", names[i], NULL);
                peer_expect_error(A, DRIVER_ERROR("InvalidArgs"));
        }
}
END_TEST

START_TEST(name_owned_counts_below_a_prefix) {
        struct peer *A = peer_hello();

        peer_request_name(A, "com.example.Deep.Name", 0);
        ck_assert(name_client_owns(&A->client, "com.example.Deep.Name", false));
        ck_assert(!name_client_owns(&A->client, "com.example.Deep", false));
        ck_assert(name_client_owns(&A->client, "com.example.Deep", true));
        ck_assert(!name_client_owns(&A->client, "com.example.De", true));
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("name");

        tcase_add_loop_test(tcase, name_request_follows_the_matrix, 0, 64);
        tcase_add_test(tcase, name_queue_hands_over_to_next_owner);
        tcase_add_test(tcase, name_waiter_that_will_not_wait_leaves_the_queue);
        tcase_add_test(tcase, name_signals_come_in_the_order_of_the_reference);
        tcase_add_test(tcase, name_limit_counts_the_unique_name);
        tcase_add_test(tcase, name_that_cannot_be_owned_is_refused);
        tcase_add_test(tcase, name_owned_counts_below_a_prefix);
        return suite_main("name", tcase);
}
