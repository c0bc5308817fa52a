/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attacks of clients on the bus. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

static void call_stats(struct peer *peer, const char *member) {
        struct writer w;

        peer_call_init(peer, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                       "org.freedesktop.DBus.Debug.Stats", member, "");
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);
}

/* An error text must not be cut in the middle of a character: the message would not be valid. */
START_TEST(error_texts_are_valid_wherever_they_are_cut) {
        static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9d\x84\x9e"};
        char text[1200 + 16];
        struct peer *A = peer_hello();
        struct writer w;

        for (unsigned c = 0; c < 3; c++)
                for (size_t n = 200; n < 1100; n++) {
                        memset(text, 'x', n);
                        text[n] = '\0';
                        for (unsigned i = 0; i < 4; i++)
                                strcat(text, characters[c]);
                        if (n < MATCH_RULE_LENGTH_MAX - 16) {
                                peer_call_driver(A, "AddMatch", text, NULL);
                                peer_expect_error(A, DRIVER_ERROR("MatchRuleInvalid"));
                        }
                        peer_call_driver(A, "GetNameOwner", text, NULL);
                        peer_expect_error(A, DRIVER_ERROR("NameHasNoOwner"));

                        peer_call_init(A, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                                       "org.freedesktop.DBus.Properties", "GetAll", "s");
                        writer_string(&w, text);
                        ck_assert_int_eq(peer_send(A, &w, 0), 0);
                        peer_expect_error(A, DRIVER_ERROR("UnknownInterface"));
                        peer_forget(A);
                }
}
END_TEST

/* A Hello whose header has no room for SENDER is refused: monitors would see no sender in it. */
START_TEST(hello_leaves_room_for_its_sender) {
        const size_t n = MESSAGE_ARRAY_MAX - 160;
        struct peer *A = peer_new();
        struct writer w;
        char *path;

        path = malloc(n);
        ck_assert_ptr_nonnull(path);
        memset(path, 'x', n);
        path[0] = '/';
        path[n - 1] = '\0';
        for (unsigned i = 0; i < 2; i++) {
                peer_call_init(A, &w, BUS_DRIVER_NAME, path, BUS_DRIVER_INTERFACE, "Hello", "");
                ck_assert_int_eq(peer_send(A, &w, 0), 0);
                if (i == 0)
                        peer_expect_error(A, DRIVER_ERROR("LimitsExceeded"));
                else
                        peer_expect_return(A);
                path[n - 513] = '\0'; /* the second header has room */
        }
        free(path);
}
END_TEST

static const char broken_text[] = "\xff.conf is no file";

static int broken_reload(void *userdata, struct later *later) {
        return later_fail(later, DRIVER_ERROR("Failed"), "%s", broken_text);
}

/* File names need not be UTF-8, but error texts that contain file names must be. */
START_TEST(error_texts_may_name_any_file) {
        struct peer *A = peer_hello();

        bus.hooks.reload = broken_reload;
        peer_call_driver(A, "ReloadConfig", NULL, NULL);
        peer_expect_error(A, DRIVER_ERROR("Failed"));
}
END_TEST

static struct later *kept[4];
static size_t n_kept;

static int slow_reload(void *userdata, struct later *later) {
        ck_assert_uint_lt(n_kept, 4);
        kept[n_kept++] = later;
        return 0;
}

/* A client has a limit of deferred answers, and may leave before it gets one. */
START_TEST(deferred_answers_reach_clients_that_still_wait) {
        struct peer *A = peer_hello(), *B = peer_hello();
        struct writer w;

        n_kept = 0;
        bus.hooks.reload = slow_reload;
        bus.limits.max_replies_per_connection = 2;
        peer_call_driver(A, "ReloadConfig", NULL, NULL);
        peer_call_init(B, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, BUS_DRIVER_INTERFACE,
                       "ReloadConfig", "");
        ck_assert_int_eq(peer_send(B, &w, 7), 0);
        peer_call_driver(A, "ReloadConfig", NULL, NULL);
        peer_expect_nothing(A);
        peer_call_driver(A, "ReloadConfig", NULL, NULL);
        peer_expect_error(A, DRIVER_ERROR("LimitsExceeded"));

        ck_assert_uint_eq(B->n_closed, 0);
        peer_disconnect(B);
        ck_assert_uint_eq(B->n_closed, 1);
        ck_assert_uint_eq(B->closed[0], 7);
        ck_assert_uint_eq(n_kept, 3);
        ck_assert_int_eq(later_reply(kept[1]), 0);
        peer_expect_nothing(A);
        A->serial = kept[0]->serial;
        ck_assert_int_eq(later_fail(kept[0], DRIVER_ERROR("Failed"), "no"), 0);
        peer_expect_error(A, DRIVER_ERROR("Failed"));
        A->serial = kept[2]->serial;
        ck_assert_int_eq(later_reply(kept[2]), 0);
        peer_expect_return(A);
        peer_expect_nothing(A);
}
END_TEST

/* Match rules of more than 64 MiB together do not fit into an answer. */
START_TEST(answers_that_are_too_large_are_errors) {
        const unsigned n = 70000;
        char rule[MATCH_RULE_LENGTH_MAX + 1];
        struct peer *A = peer_hello();

        bus.limits.max_match_rules_per_connection = n;
        for (unsigned i = 0; i < n; i++) {
                int k = snprintf(rule, sizeof(rule), "arg0='%u", i);

                memset(rule + k, 'x', sizeof(rule) - k - 2);
                strcpy(rule + sizeof(rule) - 2, "'");
                ck_assert_int_eq(match_rule_add(&bus.matches, &A->client, INT64_MAX, rule,
                                                strlen(rule), 0, NULL),
                                 0);
        }
        call_stats(A, "GetAllMatchRules");
        peer_expect_error(A, DRIVER_ERROR("LimitsExceeded"));
        call_stats(A, "GetStats");
        peer_expect_return(A);
}
END_TEST

START_TEST(credentials_are_told_without_descriptors_left) {
        struct peer *A = peer_hello();
        struct rlimit old, none;

        A->client.fds_negotiated = true;
        /* a process can always get a descriptor of itself */
        A->client.credentials.pid = getpid();
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        none = (struct rlimit){.rlim_cur = 3, .rlim_max = old.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);

        peer_call_driver(A, "GetConnectionCredentials", A->client.unique_name, NULL);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        peer_expect_return(A);

        peer_call_driver(A, "GetConnectionCredentials", A->client.unique_name, NULL);
        ck_assert_uint_eq(peer_next(A)->n_fds, 1);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("hostile");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, error_texts_are_valid_wherever_they_are_cut);
        tcase_add_test(tcase, error_texts_may_name_any_file);
        tcase_add_test(tcase, hello_leaves_room_for_its_sender);
        tcase_add_test(tcase, deferred_answers_reach_clients_that_still_wait);
        tcase_add_test(tcase, answers_that_are_too_large_are_errors);
        tcase_add_test(tcase, credentials_are_told_without_descriptors_left);
        return suite_main("hostile", tcase);
}
