/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names, match rules and monitors in a state document, and how a bus goes on with them. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bridge/bus/account.h"
#include "takeover.h"

#define NAME "com.example.Name"
#define OTHER "com.example.Other"

static struct peer *p[8];

/* A, B, ... have said Hello. */
static void make_peers(size_t n) {
        for (size_t i = 0; i < n; i++)
                p[i] = peer_hello();
}

static void flush(size_t n) {
        for (size_t i = 0; i < n; i++)
                peer_flush(p[i]);
}

/* The queue of a name: for each client a letter, and its flags. */
static const char *queue_of(const char *name, size_t n) {
        struct name *found = name_find(&bus.names, name, strlen(name));
        struct name_ownership *ownership;
        static char text[32];
        size_t at = 0;

        text[0] = '\0';
        if (!found)
                return text;
        DL_FOREACH2(found->queue, ownership, queue_next) {
                for (size_t i = 0; i < n; i++)
                        if (ownership->client == &p[i]->client)
                                at += snprintf(text + at, sizeof(text) - at, "%c%u", (int)('A' + i),
                                               ownership->flags);
        }
        return text;
}

START_TEST(empty_bus_is_taken_over) {
        takeover(p, 0);
        ck_assert_ptr_null(bus.names.registered);
}
END_TEST

START_TEST(clients_keep_their_unique_names) {
        char name[32];

        make_peers(2);
        p[2] = peer_new(); /* without Hello */
        strcpy(name, p[1]->client.unique_name);
        takeover(p, 3);
        ck_assert_str_eq(p[1]->client.unique_name, name);
        ck_assert_ptr_eq(name_resolve(&bus.names, name, strlen(name)), &p[1]->client);
        ck_assert_int_eq(p[2]->client.state, CLIENT_CONNECTED);
        ck_assert_uint_eq(bus.names.n_registered, 2);
        ck_assert_uint_eq(p[0]->client.account->n_registered, 2);
        ck_assert_uint_eq(name_count(&bus.names), 3);

        /* the next one has a new name */
        peer_call_driver(p[2], "Hello", NULL, NULL);
        peer_expect_return(p[2]);
        ck_assert_str_eq(p[2]->client.unique_name, ":1.2");
}
END_TEST

/* The clients say Hello in another order than that in which they have connected. */
START_TEST(unique_names_are_in_order_though_clients_are_not) {
        for (size_t i = 0; i < 4; i++)
                p[i] = peer_new();
        for (size_t i = 4; i-- > 0;) {
                peer_call_driver(p[i], "Hello", NULL, NULL);
                peer_flush(p[i]);
        }
        takeover(p, 4);
        ck_assert_ptr_eq(bus.names.registered, &p[3]->client);
        ck_assert_str_eq(p[0]->client.unique_name, ":1.3");
}
END_TEST

START_TEST(queues_keep_their_order_and_flags) {
        make_peers(4);
        peer_request_name(p[0], NAME, NAME_FLAG_ALLOW_REPLACEMENT);
        peer_request_name(p[1], NAME, 0);
        peer_request_name(p[2], OTHER, 0);
        peer_request_name(p[2], NAME, NAME_FLAG_REPLACE_EXISTING | NAME_FLAG_ALLOW_REPLACEMENT);
        peer_request_name(p[3], NAME, NAME_FLAG_ALLOW_REPLACEMENT);
        flush(4);
        ck_assert_str_eq(queue_of(NAME, 4), "C3A1B0D1");
        takeover(p, 4);
        ck_assert_str_eq(queue_of(NAME, 4), "C3A1B0D1");
        ck_assert_uint_eq(p[2]->client.n_ownerships, 2);
        ck_assert_uint_eq(p[0]->client.holdings->n_ownerships, 5);

        /* The flags count: C lets itself be replaced, and then waits next. */
        ck_assert_uint_eq(peer_request_name(p[1], NAME, NAME_FLAG_REPLACE_EXISTING),
                          NAME_PRIMARY_OWNER);
        peer_expect_signal(p[2], "NameLost", NAME);
        peer_expect_signal(p[1], "NameAcquired", NAME);
        ck_assert_str_eq(queue_of(NAME, 4), "B2C3A1D1");
        ck_assert_uint_eq(peer_request_name(p[3], NAME, NAME_FLAG_REPLACE_EXISTING), NAME_IN_QUEUE);
        flush(4);
        takeover(p, 4);

        /* Who leaves gives the name to the next one. */
        peer_call_driver(p[1], "ReleaseName", NAME, NULL);
        peer_expect_signal(p[1], "NameLost", NAME);
        peer_expect_signal(p[2], "NameAcquired", NAME);
        peer_disconnect(p[2]);
        peer_expect_signal(p[0], "NameAcquired", NAME);
        ck_assert_str_eq(queue_of(NAME, 4), "A1D2");
}
END_TEST

/* A client that leaves releases its newest name first, whatever the places in the queues are. */
START_TEST(names_of_a_client_keep_their_order) {
        static const char *const names[] = {"com.example.C", "com.example.A", "com.example.B"};

        make_peers(2);
        for (size_t i = 0; i < 3; i++) {
                /* the names come into the table in the reverse order */
                peer_request_name(p[1], names[2 - i], NAME_FLAG_ALLOW_REPLACEMENT);
        }
        for (size_t i = 0; i < 3; i++)
                peer_request_name(p[0], names[i], NAME_FLAG_REPLACE_EXISTING);
        flush(2);
        takeover(p, 2);
        takeover(p, 2);
        peer_disconnect(p[0]);
        for (size_t i = 3; i-- > 0;)
                peer_expect_signal(p[1], "NameAcquired", names[i]);
        peer_expect_nothing(p[1]);
}
END_TEST

/* rules */

static void add_match(struct peer *peer, const char *rule) {
        peer_call_driver(peer, "AddMatch", rule, NULL);
        peer_expect_return(peer);
}

static void remove_match(struct peer *peer, const char *rule) {
        peer_call_driver(peer, "RemoveMatch", rule, NULL);
}

START_TEST(rules_keep_their_counts) {
        make_peers(2);
        for (size_t i = 0; i < 3; i++)
                add_match(p[0], "type='signal',member='M'");
        add_match(p[0], "member=M,type=signal,eavesdrop=true");
        takeover(p, 2);
        ck_assert_uint_eq(bus.matches.n_rules, 4);
        ck_assert_uint_eq(bus.matches.n_eavesdrop, 1);
        ck_assert_uint_eq(p[0]->client.n_rules, 4);
        ck_assert_uint_eq(p[0]->client.holdings->n_rules, 4);
        remove_match(p[0], "type='signal',member='M',eavesdrop='true'");
        peer_expect_return(p[0]);
        for (size_t i = 0; i < 3; i++) {
                peer_signal(p[1], NULL, "/", "a.b", "M", NULL);
                ck_assert_str_eq(peer_next(p[0])->member.s, "M");
                peer_expect_nothing(p[0]);
                remove_match(p[0], "type='signal',member='M'");
                peer_expect_return(p[0]);
                takeover(p, 2);
        }
        remove_match(p[0], "type='signal',member='M'");
        peer_expect_error(p[0], DRIVER_ERROR("MatchRuleNotFound"));
        peer_signal(p[1], NULL, "/", "a.b", "M", NULL);
        peer_expect_nothing(p[0]);
}
END_TEST

START_TEST(rules_with_cookies_keep_them) {
        static const char text[] = "type='signal'";
        struct match_rule *rule;

        make_peers(2);
        for (uint64_t cookie = 7; cookie < 9; cookie++)
                ck_assert_int_eq(match_rule_add(&bus.matches, &p[0]->client, 99, text, strlen(text),
                                                cookie, NULL),
                                 0);
        takeover(p, 2);
        peer_signal(p[1], NULL, "/", "a.b", "M", NULL);
        for (uint64_t cookie = 7; cookie < 9; cookie++) {
                ck_assert_uint_eq(p[0]->inbox[p[0]->read].cookie, cookie);
                ck_assert_ptr_nonnull(peer_next(p[0]));
        }
        peer_expect_nothing(p[0]);
        rule = p[0]->client.rules;
        ck_assert_uint_eq(rule->cookie, 7);
        match_rule_free(rule);
}
END_TEST

/*
 * The text that the bus makes of a rule has four characters for each apostrophe, so it can be
 * longer than what a client may send.
 */
START_TEST(rules_that_get_longer_are_taken_over) {
        char text[MATCH_RULE_LENGTH_MAX + 1], value[MATCH_RULE_LENGTH_MAX + 1];
        size_t n = strlen(strcpy(text, "arg0="));

        memset(value, 0, sizeof(value));
        for (size_t i = 0; n + 2 <= MATCH_RULE_LENGTH_MAX; n += 2, i++) {
                text[n] = '\\';
                text[n + 1] = value[i] = '\'';
        }
        text[n] = '\0';
        ck_assert_uint_ge(n, MATCH_RULE_LENGTH_MAX - 1);
        make_peers(2);
        add_match(p[0], text);
        takeover(p, 2);
        takeover(p, 2);
        peer_signal(p[1], NULL, "/", "a.b", "M", value);
        ck_assert_ptr_nonnull(peer_next(p[0]));
        remove_match(p[0], text);
        peer_expect_return(p[0]);
}
END_TEST

/* The longest five keys that a client may send. */
START_TEST(rules_with_long_keys_are_taken_over) {
        char text[MATCH_RULE_LENGTH_MAX + 1];
        size_t n = strlen(strcpy(text, "path=/"));

        memset(text + n, 'a', MATCH_RULE_LENGTH_MAX - n);
        text[MATCH_RULE_LENGTH_MAX] = '\0';
        make_peers(2);
        add_match(p[0], text);
        takeover(p, 2);
        peer_signal(p[1], NULL, text + n - 1, "a.b", "M", NULL);
        ck_assert_ptr_nonnull(peer_next(p[0]));
}
END_TEST

/* More than fit into one record. */
START_TEST(many_rules_keep_their_order) {
        const struct match_rule *rule;
        unsigned n = 0;

        bus.limits.max_match_rules_per_connection = 1000;
        make_peers(1);
        for (unsigned i = 0; i < 700; i++) {
                char text[64];

                snprintf(text, sizeof(text), "type='signal',member='M%u'", i);
                add_match(p[0], text);
                peer_forget(p[0]);
        }
        takeover(p, 1);
        DL_FOREACH2(p[0]->client.rules, rule, client_next) {
                char expected[64], *text = match_rule_format(rule);

                snprintf(expected, sizeof(expected), "type='signal',member='M%u'", n++);
                ck_assert_str_eq(text, expected);
                free(text);
        }
        ck_assert_uint_eq(n, 700);
        /* limits do not count, not even lower ones than before */
        bus.limits.max_match_rules_per_connection = 1;
        takeover(p, 1);
        ck_assert_uint_eq(bus.matches.n_rules, 700);
}
END_TEST

/* monitors */

static void become_monitor(struct peer *peer, const char *rule) {
        struct writer w;

        peer_call_init(peer, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH,
                       "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu");
        writer_array_begin(&w, 4);
        if (rule) {
                writer_string(&w, rule);
                writer_string(&w, rule);
        }
        writer_array_end(&w);
        writer_u32(&w, 0);
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);
        peer_flush(peer);
}

START_TEST(monitors_go_on_with_their_rules) {
        char name[32];

        make_peers(3);
        strcpy(name, p[0]->client.unique_name);
        become_monitor(p[1], "member='M'");
        become_monitor(p[0], NULL);
        takeover(p, 3);
        ck_assert_ptr_eq(bus.monitors, &p[1]->client);
        ck_assert_int_eq(p[0]->client.state, CLIENT_MONITOR);
        ck_assert_str_eq(p[0]->client.unique_name, name);
        ck_assert_ptr_null(name_resolve(&bus.names, name, strlen(name)));
        ck_assert_uint_eq(p[1]->client.n_rules, 2);
        ck_assert_uint_eq(bus.matches.n_rules, 0);
        peer_signal(p[2], NULL, "/", "a.b", "M", NULL);
        peer_signal(p[2], NULL, "/", "a.b", "N", NULL);
        ck_assert_str_eq(peer_next(p[0])->member.s, "M");
        ck_assert_str_eq(peer_next(p[0])->member.s, "N");
        ck_assert_str_eq(peer_next(p[1])->member.s, "M");
        peer_expect_nothing(p[1]);
        peer_expect_nothing(p[0]);
}
END_TEST

START_TEST(bus_that_a_client_leaves_is_not_taken_over) {
        size_t n_bytes;
        uint8_t *bytes;
        char error[256];
        bool done;

        make_peers(2);
        peer_request_name(p[0], NAME, 0);
        ck_assert_int_eq(client_leave(&p[0]->client, &done), 0);
        ck_assert(!done);
        ck_assert_int_eq(takeover_save(&bytes, &n_bytes, error), -EOPNOTSUPP);
        ck_assert_str_eq(error, "a client is leaving the bus");
}
END_TEST

int main(void) {
        TCase *t = tcase_create("state-names");

        tcase_add_test(t, empty_bus_is_taken_over);
        tcase_add_test(t, clients_keep_their_unique_names);
        tcase_add_test(t, unique_names_are_in_order_though_clients_are_not);
        tcase_add_test(t, queues_keep_their_order_and_flags);
        tcase_add_test(t, names_of_a_client_keep_their_order);
        tcase_add_test(t, rules_keep_their_counts);
        tcase_add_test(t, rules_with_cookies_keep_them);
        tcase_add_test(t, rules_that_get_longer_are_taken_over);
        tcase_add_test(t, rules_with_long_keys_are_taken_over);
        tcase_add_test(t, many_rules_keep_their_order);
        tcase_add_test(t, monitors_go_on_with_their_rules);
        tcase_add_test(t, bus_that_a_client_leaves_is_not_taken_over);
        return suite_main("bus-state-names", t);
}
