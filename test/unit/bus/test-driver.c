/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The driver: which methods it has on which path and interface, and its errors. */

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static void call(struct peer *peer, const char *destination, const char *path,
                 const char *interface, const char *member, uint8_t flags) {
        struct writer w;

        peer_call_init(peer, &w, destination, path, interface, member, "");
        w.flags = flags;
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);
}

START_TEST(driver_wants_hello_first) {
        struct peer *A = peer_new();
        struct writer w;

        peer_call_driver(A, "GetId", NULL, NULL);
        peer_expect_error(A, DRIVER_ERROR("AccessDenied"));
        call(A, NULL, "/", "org.freedesktop.DBus.Peer", "Ping", 0);
        peer_expect_return(A);
        peer_call_driver(A, "Hello", NULL, NULL);
        peer_expect_return(A);
        peer_expect_signal(A, "NameAcquired", ":1.0");
        peer_call_driver(A, "Hello", NULL, NULL);
        peer_expect_error(A, DRIVER_ERROR("Failed"));

        A = peer_new();
        peer_call_init(A, &w, "a.b", "/", NULL, "M", "");
        ck_assert_int_eq(peer_send(A, &w, 0), CLIENT_E_VIOLATION);
}
END_TEST

START_TEST(driver_names_what_it_does_not_know) {
        struct peer *A = peer_hello();

        call(A, BUS_DRIVER_NAME, "/", "a.b", "GetId", 0);
        peer_expect_error(A, DRIVER_ERROR("UnknownInterface"));
        call(A, BUS_DRIVER_NAME, "/", BUS_DRIVER_INTERFACE, "Nothing", 0);
        peer_expect_error(A, DRIVER_ERROR("UnknownMethod"));
        call(A, BUS_DRIVER_NAME, "/", NULL, "Nothing", 0);
        peer_expect_error(A, DRIVER_ERROR("UnknownMethod"));
        call(A, BUS_DRIVER_NAME, "/", NULL, "GetNameOwner", 0);
        peer_expect_error(A, DRIVER_ERROR("InvalidArgs"));
        call(A, BUS_DRIVER_NAME, "/", "org.freedesktop.DBus.Debug.Stats", "GetStats", 0);
        peer_expect_error(A, DRIVER_ERROR("UnknownInterface"));
        call(A, BUS_DRIVER_NAME, BUS_DRIVER_PATH, "org.freedesktop.DBus.Debug.Stats", "GetStats",
             0);
        peer_expect_return(A);
        call(A, BUS_DRIVER_NAME, "/", NULL, "UpdateActivationEnvironment", 0);
        peer_expect_error(A, DRIVER_ERROR("AccessDenied"));
        call(A, NULL, "/", NULL, "GetId", 0);
        peer_expect_error(A, DRIVER_ERROR("UnknownMethod"));
        call(A, "com.example.Nobody", "/", NULL, "M", 0);
        peer_expect_error(A, DRIVER_ERROR("ServiceUnknown"));
        call(A, "com.example.Nobody", "/", NULL, "M", MESSAGE_FLAG_NO_AUTO_START);
        peer_expect_error(A, DRIVER_ERROR("NameHasNoOwner"));
}
END_TEST

START_TEST(driver_is_silent_when_no_reply_is_expected) {
        struct peer *A = peer_hello();

        call(A, BUS_DRIVER_NAME, "/", NULL, "GetId", MESSAGE_FLAG_NO_REPLY_EXPECTED);
        call(A, BUS_DRIVER_NAME, "/", NULL, "Nothing", MESSAGE_FLAG_NO_REPLY_EXPECTED);
        call(A, "com.example.Nobody", "/", NULL, "M", MESSAGE_FLAG_NO_REPLY_EXPECTED);
        peer_signal(A, "com.example.Nobody", "/", "a.b", "M", NULL);
        peer_expect_nothing(A);
}
END_TEST

START_TEST(driver_properties_follow_the_tables) {
        struct peer *A = peer_hello();

        peer_call_driver(A, "Get", BUS_DRIVER_INTERFACE, "Features");
        peer_expect_error(A, DRIVER_ERROR("UnknownMethod")); /* Get is of another interface */

        struct writer w;
        static const struct {
                const char *interface, *property, *error;
        } table[] = {
                {BUS_DRIVER_INTERFACE, "Features", NULL},
                {BUS_DRIVER_INTERFACE, "Interfaces", NULL},
                {BUS_DRIVER_INTERFACE, "Nothing", DRIVER_ERROR("UnknownProperty")},
                {"org.freedesktop.DBus.Peer", "Nothing", DRIVER_ERROR("UnknownProperty")},
                {"", "Nothing", DRIVER_ERROR("UnknownInterface")},
        };

        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                peer_call_init(A, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                               "org.freedesktop.DBus.Properties", "Get", "ss");
                writer_string(&w, table[i].interface);
                writer_string(&w, table[i].property);
                ck_assert_int_eq(peer_send(A, &w, 0), 0);
                if (table[i].error)
                        peer_expect_error(A, table[i].error);
                else
                        peer_expect_return(A);
        }
}
END_TEST

START_TEST(driver_introspection_names_every_interface) {
        char *text = driver_introspect(&bus, NULL);

        for (size_t i = 0; i < bus.n_interfaces; i++)
                ck_assert_ptr_nonnull(strstr(text, bus.interfaces[i]->name));
        ck_assert_ptr_nonnull(strstr(text, "type=\"a{sv}\""));
        free(text);
}
END_TEST

START_TEST(driver_makes_monitors_that_see_all_and_may_not_speak) {
        struct peer *A = peer_hello(), *M = peer_hello();
        struct writer w;

        peer_request_name(M, "com.example.Monitor", 0);
        peer_flush(M);
        peer_call_init(M, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, "org.freedesktop.DBus.Monitoring",
                       "BecomeMonitor", "asu");
        writer_array_begin(&w, 4);
        writer_array_end(&w);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(M, &w, 0), 0);
        peer_expect_return(M);
        peer_expect_signal(M, "NameLost", M->client.unique_name);
        peer_expect_signal(M, "NameLost", "com.example.Monitor");
        peer_expect_nothing(M);
        ck_assert_ptr_null(
                name_resolve(&bus.names, M->client.unique_name, M->client.n_unique_name));

        call(A, "com.example.Nobody", "/", NULL, "Call", 0);
        ck_assert_str_eq(peer_next(M)->member.s, "Call");
        ck_assert_str_eq(peer_next(M)->error_name.s, DRIVER_ERROR("ServiceUnknown"));
        peer_expect_nothing(M);

        peer_call_init(M, &w, BUS_DRIVER_NAME, "/", NULL, "GetId", "");
        ck_assert_int_eq(peer_send(M, &w, 0), CLIENT_E_VIOLATION);
}
END_TEST

/* Cases in which the bus has to do exactly what the reference does. */

START_TEST(driver_shows_a_new_monitor_the_end_of_its_calls) {
        struct peer *A = peer_hello(), *M = peer_hello();
        struct writer w;

        for (unsigned i = 0; i < 2; i++)
                call(A, M->client.unique_name, "/", NULL, "Call", 0);
        peer_flush(M);
        peer_call_init(M, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, "org.freedesktop.DBus.Monitoring",
                       "BecomeMonitor", "asu");
        writer_array_begin(&w, 4);
        writer_array_end(&w);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(M, &w, 0), 0);
        peer_expect_return(M);
        peer_expect_signal(M, "NameLost", M->client.unique_name);
        for (uint32_t serial = A->serial; serial > A->serial - 2; serial--) {
                struct message *m = peer_next(M);

                ck_assert_str_eq(m->error_name.s, DRIVER_ERROR("NoReply"));
                ck_assert_uint_eq(m->reply_serial, serial); /* the last call first */
        }
        peer_expect_nothing(M);
}
END_TEST

START_TEST(driver_answers_are_not_overheard) {
        struct peer *A = peer_hello(), *B = peer_hello();

        peer_call_driver(B, "AddMatch", "eavesdrop='true'", NULL);
        peer_expect_return(B);
        ck_assert_str_eq(peer_next(B)->member.s, "AddMatch");
        ck_assert_uint_eq(peer_request_name(A, "com.example.A", 0), NAME_PRIMARY_OWNER);
        peer_expect_signal(B, "NameOwnerChanged", "com.example.A");
        ck_assert_str_eq(peer_next(B)->member.s, "RequestName");
        peer_expect_nothing(B);
        peer_hello();
        ck_assert_str_eq(peer_next(B)->member.s, "NameOwnerChanged");
        ck_assert_str_eq(peer_next(B)->member.s, "Hello");
        peer_expect_nothing(B);
}
END_TEST

START_TEST(driver_connection_knows_peer_by_its_name_only) {
        struct peer *A = peer_hello();

        call(A, NULL, "/", "org.freedesktop.DBus.Peer", "Ping", 0);
        peer_expect_return(A);
        call(A, NULL, "/", NULL, "Ping", 0);
        peer_expect_error(A, DRIVER_ERROR("UnknownMethod"));
        call(A, NULL, "/", "org.freedesktop.DBus", "GetId", 0);
        peer_expect_error(A, DRIVER_ERROR("UnknownMethod"));
}
END_TEST

START_TEST(driver_lets_in_as_many_as_allowed) {
        struct peer *A;

        bus.limits.max_connections_per_user = 1;
        peer_hello();
        A = peer_new();
        peer_call_driver(A, "Hello", NULL, NULL);
        peer_expect_error(A, DRIVER_ERROR("LimitsExceeded"));
        ck_assert_uint_eq(A->client.state, CLIENT_CONNECTED);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("driver");

        tcase_add_test(tcase, driver_wants_hello_first);
        tcase_add_test(tcase, driver_names_what_it_does_not_know);
        tcase_add_test(tcase, driver_is_silent_when_no_reply_is_expected);
        tcase_add_test(tcase, driver_properties_follow_the_tables);
        tcase_add_test(tcase, driver_introspection_names_every_interface);
        tcase_add_test(tcase, driver_makes_monitors_that_see_all_and_may_not_speak);
        tcase_add_test(tcase, driver_shows_a_new_monitor_the_end_of_its_calls);
        tcase_add_test(tcase, driver_answers_are_not_overheard);
        tcase_add_test(tcase, driver_connection_knows_peer_by_its_name_only);
        tcase_add_test(tcase, driver_lets_in_as_many_as_allowed);
        return suite_main("driver", tcase);
}
