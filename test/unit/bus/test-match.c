/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Match rules: grammar, equality, and that the index finds exactly what matches. */

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static int parses(const char *text) {
        struct match_keys keys;
        int r = match_keys_parse(&keys, text, strlen(text));

        if (r == 0)
                match_keys_deinit(&keys);
        return r;
}

START_TEST(match_grammar_accepts) {
        static const char *const rules[] = {
                "",
                "type='signal'",
                "type=signal",
                "type='signal',",
                "  type='signal', member='X'",
                "member ='X'",
                "arg0=''",
                "arg63='x'",
                "arg00='x'",
                "arg3path='/a/'",
                "arg0namespace='a'",
                "arg0='a=b'",
                "arg0='a,b'",
                "arg0=it\\'s",
                "arg0='a'b'c'",
                "path_namespace='/'",
                "eavesdrop='true'",
                "eavesdrop='false',eavesdrop='true'",
                "sender=':1.5'",
                "destination='a.b'",
                "arg0='\\'",
                "arg0=\\,,member=X",
                "arg0=a\\",
                "\ttype='error'",
        };

        ck_assert_uint_lt((size_t)_i, sizeof(rules) / sizeof(rules[0]));
        ck_assert_int_eq(parses(rules[_i]), 0);
}
END_TEST

START_TEST(match_grammar_refuses) {
        static const char *const rules[] = {
                ",",
                ",type='signal'",
                "type='signal',,member='X'",
                "type",
                "type='nonsense'",
                "Type='signal'",
                "type='signal',type='signal'",
                "type='signal",
                "log='true'",
                "arg64='x'",
                "arg='x'",
                "arg1namespace='a'",
                "arg0='a',arg0path='/'",
                "path='/a',path_namespace='/a'",
                "path='/a/'",
                "path_namespace='/a/'",
                "interface='nodot'",
                "member='a.b'",
                "sender='nodot'",
                "=signal",
                "arg0=\\\\'",
                "eavesdrop='maybe'",
                "arg0namespace='a..b'",
        };

        ck_assert_int_eq(parses(rules[_i]), MATCH_E_INVALID);
}
END_TEST

START_TEST(match_rule_longer_than_1024_bytes_is_too_long) {
        char text[1100] = "arg0='";

        memset(text + 6, 'x', 1017);
        strcpy(text + 1023, "'");
        ck_assert_int_eq(parses(text), 0);
        memset(text + 1023, 'x', 1);
        strcpy(text + 1024, "'");
        ck_assert_int_eq(parses(text), MATCH_E_TOO_LONG);
}
END_TEST

START_TEST(match_equality_is_of_what_was_parsed) {
        static const struct {
                const char *a, *b;
                bool equal;
        } pairs[] = {
                {"type='signal',member='X'", "member=X,type=signal", true},
                {"arg1='b',arg0='a'", "arg0='a',arg1='b'", true},
                {"eavesdrop='false'", "", true},
                {"arg0='/a'", "arg0path='/a'", false},
                {"path='/a'", "path_namespace='/a'", false},
                {"arg0='it'\\''s'", "arg0=it\\'s", true},
                {"arg0='a'b'c'", "arg0=abc", true},
                {"arg0=\\,a", "arg0='\\,a'", true},
                {"sender='a.b'", "destination='a.b'", false},
        };
        const char *a = pairs[_i].a, *b = pairs[_i].b;
        struct peer *A = peer_hello();

        ck_assert_int_eq(match_rule_add(&bus.matches, &A->client, INT64_MAX, a, strlen(a), 0, NULL),
                         0);
        ck_assert_int_eq(match_rule_remove(&bus.matches, &A->client, b, strlen(b)),
                         pairs[_i].equal ? 0 : MATCH_E_NOT_FOUND);
}
END_TEST

START_TEST(match_text_form_parses_back) {
        static const char rule[] = "arg3path='/x/',arg0=it\\'s,sender=':1.1',path='/a',type=signal,"
                                   "member=M,interface=a.b";
        struct peer *A = peer_hello();
        struct match_rule *kept, *back;
        char *text;

        ck_assert_int_eq(
                match_rule_add(&bus.matches, &A->client, INT64_MAX, rule, strlen(rule), 0, &kept),
                0);
        text = match_rule_format(kept);
        ck_assert_str_eq(text, "type='signal',interface='a.b',member='M',path='/a',sender=':1.1',"
                               "arg0='it'\\''s',arg3path='/x/'");
        ck_assert_int_eq(
                match_rule_add(&bus.matches, &A->client, INT64_MAX, text, strlen(text), 0, &back),
                0);
        ck_assert_ptr_eq(kept, back);
        free(text);
}
END_TEST

/*
 * Which rules match the signal of the next test: path /a/b, interface a.b.C, member M, arg0 "x.y",
 * sender :1.1, which owns own.Name.
 */
static const struct {
        const char *rule;
        bool matches;
} matching[] = {
        {"", true},
        {"type='signal'", true},
        {"type='method_call'", false},
        {"interface='a.b.C'", true},
        {"interface='a.b.D'", false},
        {"member='M'", true},
        {"member='N'", false},
        {"path='/a/b'", true},
        {"path='/a'", false},
        {"path_namespace='/a'", true},
        {"path_namespace='/a/b'", true},
        {"path_namespace='/a/bc'", false},
        {"path_namespace='/'", true},
        {"sender=':1.1'", true},
        {"sender=':1.0'", false},
        {"sender='own.Name'", true},
        {"sender='other.Name'", false},
        {"sender='org.freedesktop.DBus'", false},
        {"destination=':1.0'", false},
        {"arg0='x.y'", true},
        {"arg0='x'", false},
        {"arg0=''", false},
        {"arg1='x.y'", false},
        {"arg1=''", false},
        {"arg0path='x.y'", true},
        {"arg0namespace='x'", true},
        {"arg0namespace='x.y'", true},
        {"arg0namespace='x.y.z'", false},
        {"type='signal',sender='own.Name',path='/a/b',interface='a.b.C',member='M',arg0='x.y'",
         true},
        {"type='signal',sender='own.Name',path='/a/b',interface='a.b.C',member='M',arg0='x.z'",
         false},
        {"eavesdrop='true',member='M'", true},
};

START_TEST(match_index_finds_what_matches) {
        struct peer *A = peer_hello(), *B = peer_hello();

        peer_request_name(B, "own.Name", 0);
        peer_call_driver(A, "AddMatch", matching[_i].rule, NULL);
        peer_expect_return(A);
        peer_flush(A);
        peer_signal(B, NULL, "/a/b", "a.b.C", "M", "x.y");
        if (matching[_i].matches)
                ck_assert_str_eq(peer_next(A)->member.s, "M");
        peer_expect_nothing(A);

        peer_call_driver(A, "RemoveMatch", matching[_i].rule, NULL);
        peer_expect_return(A);
        peer_call_driver(A, "RemoveMatch", matching[_i].rule, NULL);
        peer_expect_error(A, DRIVER_ERROR("MatchRuleNotFound"));
}
END_TEST

START_TEST(match_path_arguments_match_both_ways) {
        static const struct {
                const char *rule, *arg;
                bool matches;
        } table[] = {
                {"arg0path='/aa/bb/'", "/", true},       {"arg0path='/aa/bb/'", "/aa/", true},
                {"arg0path='/aa/bb/'", "/aa/bb/", true}, {"arg0path='/aa/bb/'", "/aa/bb/cc", true},
                {"arg0path='/aa/bb/'", "/aa/b", false},  {"arg0path='/aa/bb/'", "/aa", false},
                {"arg0path='/aa/bb/'", "/aa/bb", false},
        };
        struct peer *A = peer_hello();

        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                peer_call_driver(A, "AddMatch", table[i].rule, NULL);
                peer_expect_return(A);
                peer_signal(A, NULL, "/", "a.b", "M", table[i].arg);
                ck_assert_int_eq(peer_next(A) != NULL, table[i].matches);
                peer_call_driver(A, "RemoveMatch", table[i].rule, NULL);
                peer_flush(A);
        }
}
END_TEST

START_TEST(match_gives_one_copy_for_all_rules_and_one_for_each_subscription) {
        struct peer *A = peer_hello(), *B = peer_hello();
        uint64_t cookies = 0;

        for (unsigned i = 0; i < 3; i++)
                peer_call_driver(A, "AddMatch", i == 1 ? "type='signal'" : "member='M'", NULL);
        ck_assert_int_eq(
                match_rule_add(&bus.matches, &A->client, INT64_MAX, "member='M'", 10, 1, NULL), 0);
        ck_assert_int_eq(match_rule_add(&bus.matches, &A->client, INT64_MAX, "", 0, 2, NULL), 0);
        ck_assert_int_eq(
                match_rule_add(&bus.matches, &A->client, INT64_MAX, "member='N'", 10, 4, NULL), 0);
        peer_flush(A);

        peer_signal(B, NULL, "/", "a.b", "M", NULL);
        ck_assert_uint_eq(A->n - A->read, 3);
        while (peer_next(A))
                cookies += A->inbox[A->read - 1].cookie;
        ck_assert_uint_eq(cookies, 0 + 1 + 2);
}
END_TEST

START_TEST(match_rules_do_not_catch_what_is_for_others) {
        struct peer *A = peer_hello(), *B = peer_hello(), *C = peer_hello();

        peer_call_driver(A, "AddMatch", "member='M'", NULL);
        peer_call_driver(C, "AddMatch", "member='M',eavesdrop='true'", NULL);
        peer_flush(A);
        peer_flush(C);
        peer_signal(B, B->client.unique_name, "/", "a.b", "M", NULL);
        peer_expect_nothing(A);
        ck_assert_ptr_nonnull(peer_next(C));
        peer_expect_nothing(C);
}
END_TEST

/* Make a rule with random conditions. They have few different values, so that rules often match. */
static void random_rule(unsigned *seed, char *text, size_t size) {
        static const char *const conditions[][8] = {
                {"type='signal'", "type='method_call'", "type='signal'", "", "", ""},
                {"path='/a'", "path='/a/b'", "path_namespace='/a'", "path_namespace='/'",
                 "path_namespace='/a/b/c'", ""},
                {"interface='a.b'", "interface='a.c'", "", "", "", ""},
                {"member='M'", "member='N'", "", "", "", ""},
                {"sender=':1.1'", "sender='com.example.A'", "", "", "", ""},
                {"arg0='/a/'", "arg0='a.b'", "arg0namespace='a'", "arg0path='/a/'",
                 "arg0path='/a/b'", "arg0path='/a/b/c'", "arg0path='/ab/'", ""},
                {"arg1='x'", "arg2path='/'", "", "", "", ""},
                {"destination=':1.2'", "", "", "", "", ""},
        };

        text[0] = '\0';
        for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
                const char *condition = conditions[i][(unsigned)rand_r(seed) % 8];

                if (!condition || !condition[0])
                        continue;
                if (text[0])
                        strncat(text, ",", size - strlen(text) - 1);
                strncat(text, condition, size - strlen(text) - 1);
        }
}

static int count_found(struct match_rule *rule, void *userdata) {
        (*(unsigned *)userdata)++;
        return 0;
}

START_TEST(match_index_finds_exactly_the_rules_that_match) {
        static const char *const paths[] = {"/", "/a", "/ab", "/a/b", "/a/b/c/d"};
        static const char *const args[] = {"",  "/",   "/a", "/a/",   "/a/b", "/a/b/c",
                                           "a", "a.b", "ab", "/a/b/", "/ab/"};
        struct peer *A = peer_hello(), *B = peer_hello();
        struct match_rule *rules[400];
        static struct match_keys keys[400];
        unsigned seed = 1;

        ck_assert_uint_eq(peer_request_name(A, "com.example.A", 0), NAME_PRIMARY_OWNER);
        for (size_t i = 0; i < 400; i++) {
                char text[1024];

                random_rule(&seed, text, sizeof(text));
                ck_assert_int_eq(match_keys_parse(&keys[i], text, strlen(text)), 0);
                ck_assert_int_eq(match_rule_add(&bus.matches, &B->client, INT64_MAX, text,
                                                strlen(text), 1 + i, &rules[i]),
                                 0);
        }
        for (unsigned n = 400; n > 0; n--) {
                const struct match_context context = {.names = &bus.names, .sender = &A->client};
                unsigned wanted = 0, found = 0;
                struct message *m;
                struct writer w;

                writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, n, "ss");
                w.path = paths[(unsigned)rand_r(&seed) % 5];
                w.interface = n % 2 ? "a.b" : "a.c";
                w.member = n % 3 ? "M" : "N";
                writer_string(&w, args[(unsigned)rand_r(&seed) % 11]);
                writer_string(&w, n % 5 ? "x" : "y");
                ck_assert_int_eq(writer_finish(&w, &m), 0);

                for (unsigned i = 0; i < n; i++)
                        wanted += match_keys_match(&keys[i], m, &context);
                ck_assert_int_eq(
                        match_index_search(&bus.matches, m, &context, false, count_found, &found),
                        0);
                ck_assert_uint_eq(found, wanted);
                message_unref(m);
                match_rule_free(rules[n - 1]);
        }
        ck_assert_uint_eq(bus.matches.nodes.n, 0);
        for (size_t i = 0; i < 400; i++)
                match_keys_deinit(&keys[i]);
}
END_TEST

static unsigned find(struct client *sender, uint64_t user) {
        const struct match_context context = {.names = &bus.names, .sender = sender};
        unsigned found = 0;
        struct message *m;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, 1, "");
        w.path = "/";
        w.interface = "a.b";
        w.member = "M";
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        m->caused_by = user;
        ck_assert_int_eq(match_index_search(&bus.matches, m, &context, false, count_found, &found),
                         0);
        message_unref(m);
        return found;
}

START_TEST(no_message_of_a_user_meets_rules_that_sleep) {
        static const char *const texts[] = {"member='M'", "interface='a.b'", "member='M'"};
        struct peer *A = peer_hello(), *B = peer_hello();
        struct match_rule *rules[3];

        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(match_rule_add(&bus.matches, i < 2 ? &A->client : &B->client, 9,
                                                texts[i], strlen(texts[i]), 0, &rules[i]),
                                 0);
        ck_assert_uint_eq(find(&B->client, 1), 3);
        match_rule_sleep(rules[0], 1);
        match_rule_sleep(rules[0], 2);
        ck_assert_uint_eq(find(&B->client, 1), 2);
        ck_assert_uint_eq(find(&B->client, 2), 3);
        match_rule_sleep(rules[1], 2);
        match_rule_sleep(rules[2], MATCH_ALL_USERS);
        ck_assert_uint_eq(find(&B->client, 1), 1);
        ck_assert_uint_eq(find(&B->client, 2), 1);
        ck_assert_uint_eq(find(&B->client, 3), 2);
        match_rules_wake(&A->client);
        ck_assert_uint_eq(find(&B->client, 1), 2);
        ck_assert_uint_eq(find(&B->client, 2), 2);

        /* a rule may end in its sleep, and is the last one of its node */
        ck_assert_int_eq(match_rule_remove(&bus.matches, &A->client, texts[0], strlen(texts[0])),
                         0);
        ck_assert_int_eq(match_rule_remove(&bus.matches, &B->client, texts[2], strlen(texts[2])),
                         0);
        ck_assert_ptr_null(B->client.sleeping_rules);
        match_rule_sleep(rules[1], 1);
        match_rules_free(&A->client);
        ck_assert_uint_eq(bus.matches.nodes.n, 0);
}
END_TEST

/* Equal rules of a client are one rule with a count, and those of others do not matter to it. */
START_TEST(equal_rules_are_counted) {
        static const char text[] = "member='M',arg0='a',arg2path='/x/'",
                          twin[] = "arg2path='/x/',member='M',arg0='a'";
        struct peer *A = peer_hello(), *B = peer_hello();
        struct match_index *index = &bus.matches;
        struct match_rule *rule[2], *cookie;

        ck_assert_int_eq(match_rule_add(index, &A->client, 2, text, strlen(text), 0, &rule[0]), 0);
        ck_assert_int_eq(match_rule_add(index, &A->client, 2, twin, strlen(twin), 0, &rule[1]), 0);
        ck_assert_ptr_eq(rule[0], rule[1]);
        ck_assert_uint_eq(rule[0]->n, 2);
        ck_assert_int_eq(match_rule_add(index, &A->client, 2, text, strlen(text), 0, NULL),
                         MATCH_E_QUOTA);
        ck_assert_int_eq(match_rule_add(index, &B->client, 9, text, strlen(text), 0, &rule[1]), 0);
        ck_assert_ptr_ne(rule[0], rule[1]);
        ck_assert_int_eq(match_rule_add(index, &B->client, 9, text, strlen(text), 7, &cookie), 0);
        ck_assert_ptr_ne(rule[1], cookie);
        ck_assert_uint_eq(index->n_rules, 4);
        /* one node for each of the three conditions */
        ck_assert_uint_eq(index->nodes.n, 3);

        ck_assert_int_eq(match_rule_remove(index, &B->client, twin, strlen(twin)), 0);
        ck_assert_int_eq(match_rule_remove(index, &B->client, text, strlen(text)),
                         MATCH_E_NOT_FOUND);
        ck_assert_int_eq(match_rule_remove(index, &A->client, text, strlen(text)), 0);
        ck_assert_uint_eq(rule[0]->n, 1);
        ck_assert_int_eq(match_rule_remove(index, &A->client, text, strlen(text)), 0);
        ck_assert_uint_eq(A->client.n_rules, 0);
        match_rule_free(cookie);
        ck_assert_uint_eq(index->nodes.n, 0);
}
END_TEST

START_TEST(match_limit_holds) {
        struct peer *A = peer_hello();

        bus.limits.max_match_rules_per_connection = 1;
        peer_call_driver(A, "AddMatch", "", NULL);
        peer_expect_return(A);
        peer_call_driver(A, "AddMatch", "", NULL);
        peer_expect_error(A, DRIVER_ERROR("LimitsExceeded"));
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("match");

        tcase_add_loop_test(tcase, match_grammar_accepts, 0, 24);
        tcase_add_loop_test(tcase, match_grammar_refuses, 0, 23);
        tcase_add_test(tcase, match_rule_longer_than_1024_bytes_is_too_long);
        tcase_add_loop_test(tcase, match_equality_is_of_what_was_parsed, 0, 9);
        tcase_add_test(tcase, match_text_form_parses_back);
        tcase_add_loop_test(tcase, match_index_finds_what_matches, 0,
                            sizeof(matching) / sizeof(matching[0]));
        tcase_add_test(tcase, match_path_arguments_match_both_ways);
        tcase_add_test(tcase, match_gives_one_copy_for_all_rules_and_one_for_each_subscription);
        tcase_add_test(tcase, match_rules_do_not_catch_what_is_for_others);
        tcase_add_test(tcase, match_index_finds_exactly_the_rules_that_match);
        tcase_add_test(tcase, no_message_of_a_user_meets_rules_that_sleep);
        tcase_add_test(tcase, equal_rules_are_counted);
        tcase_add_test(tcase, match_limit_holds);
        return suite_main("match", tcase);
}
