/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The registries of names, pending replies and match rules, without a bus around them. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/loop.h"
#include "bridge/bus/match.h"
#include "bridge/bus/name.h"
#include "bridge/bus/reply.h"
#include "bridge/wire/writer.h"
#include "test/unit/suite.h"

#define NAME "com.example.Name"

static const struct hash_seed seed;
static struct client A, B;
static struct holdings holdings;

/* names */

static struct name_registry names;

static uint32_t request(struct client *client, uint32_t flags, struct name_change *ret_change) {
        uint32_t result;

        ck_assert_int_eq(
                name_request(&names, client, NAME, strlen(NAME), flags, &result, ret_change), 0);
        return result;
}

static void release(struct client *client, struct name_change *ret_change) {
        struct name *name = name_find(&names, NAME, strlen(NAME));

        name_ownership_release(&names, name_ownership_find(name, client), ret_change);
}

static void setup(void) {
        A = (struct client){
                .id = 1, .unique_name = ":1.1", .n_unique_name = 4, .holdings = &holdings};
        B = (struct client){
                .id = 2, .unique_name = ":1.2", .n_unique_name = 4, .holdings = &holdings};
        names = (struct name_registry){.seed = &seed};
}

START_TEST(registry_reports_each_change_of_owner) {
        struct name_change change;

        ck_assert_uint_eq(request(&A, 0, &change), NAME_PRIMARY_OWNER);
        ck_assert_ptr_null(change.old_owner);
        ck_assert_ptr_eq(change.new_owner, &A);
        ck_assert_uint_eq(request(&B, 0, &change), NAME_IN_QUEUE);
        ck_assert_ptr_eq(change.old_owner, change.new_owner);
        ck_assert_ptr_eq(name_resolve(&names, NAME, strlen(NAME)), &A);

        release(&A, &change);
        ck_assert_ptr_eq(change.old_owner, &A);
        ck_assert_ptr_eq(change.new_owner, &B);
        release(&B, &change);
        ck_assert_ptr_eq(change.old_owner, &B);
        ck_assert_ptr_null(change.new_owner);
        ck_assert_ptr_null(name_find(&names, NAME, strlen(NAME)));
        ck_assert_uint_eq(names.n_names, 0);
}
END_TEST

START_TEST(registry_reports_nothing_when_a_waiting_client_leaves) {
        struct name_change change;

        request(&A, 0, &change);
        request(&B, 0, &change);
        release(&B, &change);
        ck_assert_ptr_eq(change.old_owner, change.new_owner);
        release(&A, &change);
        ck_assert_uint_eq(names.n_names, 0);
}
END_TEST

START_TEST(registry_replaces_an_owner_that_allows_it) {
        struct name_change change;

        request(&A, NAME_FLAG_ALLOW_REPLACEMENT, &change);
        ck_assert_uint_eq(request(&B, NAME_FLAG_REPLACE_EXISTING, &change), NAME_PRIMARY_OWNER);
        ck_assert_ptr_eq(change.old_owner, &A);
        ck_assert_ptr_eq(change.new_owner, &B);
        ck_assert(name_client_owns(&A, NAME, false)); /* A waits in the queue */
        release(&B, &change);
        ck_assert_ptr_eq(change.new_owner, &A);
        release(&A, &change);
}
END_TEST

/* pending replies */

static struct reply_table replies;
static struct bus_limits limits;

static void replies_init(void) {
        bus_limits_default(&limits);
        reply_table_init(&replies, &seed, &limits);
}

static void end(struct reply *reply) {
        reply_unlink(reply);
        free(reply);
}

START_TEST(replies_are_found_by_caller_callee_and_serial) {
        struct reply *reply, *other;

        replies_init();
        ck_assert_int_eq(reply_new(&replies, &A, &B, 7, 5, &reply), 0);
        ck_assert_ptr_eq(reply_find(&replies, &A, &B, 7), reply);
        ck_assert_uint_eq(reply->caller_cookie, 5);
        ck_assert_ptr_null(reply_find(&replies, &B, &A, 7));
        ck_assert_ptr_null(reply_find(&replies, &A, &B, 8));
        ck_assert_int_eq(reply_new(&replies, &A, &B, 7, 0, &other), REPLY_E_EXISTS);
        ck_assert_uint_eq(A.n_pending, 1);
        ck_assert_ptr_eq(B.owed, reply);

        end(reply);
        ck_assert_ptr_null(reply_find(&replies, &A, &B, 7));
        ck_assert_uint_eq(A.n_pending, 0);
        ck_assert_ptr_null(B.owed);
        reply_table_deinit(&replies);
}
END_TEST

START_TEST(replies_are_limited_for_each_caller) {
        struct reply *first, *second, *other;

        replies_init();
        limits.max_replies_per_connection = 1;
        ck_assert_int_eq(reply_new(&replies, &A, &B, 1, 0, &first), 0);
        ck_assert_int_eq(reply_new(&replies, &A, &B, 2, 0, &second), REPLY_E_QUOTA);
        ck_assert_int_eq(reply_new(&replies, &B, &A, 2, 0, &other), 0);
        end(first);
        ck_assert_int_eq(reply_new(&replies, &A, &B, 2, 0, &second), 0);
        end(second);
        end(other);
        reply_table_deinit(&replies);
}
END_TEST

static int64_t reported;

static void set_timer(void *userdata, int64_t deadline) {
        reported = deadline;
}

START_TEST(replies_report_the_first_deadline_only) {
        struct reply *first, *second;

        replies_init();
        limits.reply_timeout = 1000;
        replies.set_timer = set_timer;
        ck_assert_int_eq(reply_new(&replies, &A, &B, 1, 0, &first), 0);
        ck_assert_int_eq(reported, first->deadline);
        reported = 0;
        ck_assert_int_eq(reply_new(&replies, &A, &B, 2, 0, &second), 0);
        ck_assert_int_eq(reported, 0);
        ck_assert_ptr_eq(replies.deadlines, first);
        end(first);
        ck_assert_ptr_eq(replies.deadlines, second);
        end(second);
        reply_table_deinit(&replies);
}
END_TEST

/* match rules */

static struct match_index rules;

static void add(struct client *client, const char *text) {
        ck_assert_int_eq(match_rule_add(&rules, client, 10, text, strlen(text), 0, NULL), 0);
}

static int found(struct match_rule *rule, void *userdata) {
        *(unsigned *)userdata += rule->client == &A ? 1 : 10;
        return 0;
}

/* Count the rules that match a signal of A: each rule of A counts 1, each rule of B 10. */
static unsigned search(const char *member) {
        const struct match_context context = {.names = &names, .sender = &A};
        unsigned n = 0;
        struct message *m;
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, 1, "");
        w.path = "/a";
        w.interface = "a.b";
        w.member = member;
        ck_assert_int_eq(writer_finish(&w, &m), 0);
        ck_assert_int_eq(match_index_search(&rules, m, &context, false, found, &n), 0);
        message_unref(m);
        return n;
}

START_TEST(rules_follow_the_names_of_a_sender) {
        struct name_change change;

        match_index_init(&rules, &seed);
        add(&A, "member='M'");
        add(&B, "sender='" NAME "',member='M'");
        ck_assert_uint_eq(search("M"), 1);
        request(&A, 0, &change);
        ck_assert_uint_eq(search("M"), 11);
        ck_assert_uint_eq(search("N"), 0);
        release(&A, &change);
        ck_assert_uint_eq(search("M"), 1);

        match_rules_free(&A);
        match_rules_free(&B);
        ck_assert_uint_eq(rules.n_rules, 0);
        ck_assert_uint_eq(rules.nodes.n, 0);
}
END_TEST

START_TEST(rules_are_removed_one_at_a_time) {
        static const char text[] = "path='/a'";

        match_index_init(&rules, &seed);
        add(&A, text);
        add(&A, text);
        ck_assert_int_eq(match_rule_remove(&rules, &B, text, strlen(text)), MATCH_E_NOT_FOUND);
        ck_assert_int_eq(match_rule_remove(&rules, &A, text, strlen(text)), 0);
        ck_assert_uint_eq(search("M"), 1);
        ck_assert_int_eq(match_rule_remove(&rules, &A, text, strlen(text)), 0);
        ck_assert_int_eq(match_rule_remove(&rules, &A, text, strlen(text)), MATCH_E_NOT_FOUND);
        ck_assert_uint_eq(search("M"), 0);
}
END_TEST

START_TEST(rules_are_limited_for_each_client) {
        static const char text[] = "member='M'";

        match_index_init(&rules, &seed);
        add(&A, text);
        ck_assert_int_eq(match_rule_add(&rules, &A, 1, text, strlen(text), 0, NULL), MATCH_E_QUOTA);
        ck_assert_int_eq(match_rule_add(&rules, &B, 1, text, strlen(text), 0, NULL), 0);
        match_rules_free(&A);
        match_rules_free(&B);
        ck_assert_uint_eq(rules.n_rules, 0);
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("registry");

        tcase_add_checked_fixture(tcase, setup, NULL);
        tcase_add_test(tcase, registry_reports_each_change_of_owner);
        tcase_add_test(tcase, registry_reports_nothing_when_a_waiting_client_leaves);
        tcase_add_test(tcase, registry_replaces_an_owner_that_allows_it);
        tcase_add_test(tcase, replies_are_found_by_caller_callee_and_serial);
        tcase_add_test(tcase, replies_are_limited_for_each_caller);
        tcase_add_test(tcase, replies_report_the_first_deadline_only);
        tcase_add_test(tcase, rules_follow_the_names_of_a_sender);
        tcase_add_test(tcase, rules_are_removed_one_at_a_time);
        tcase_add_test(tcase, rules_are_limited_for_each_client);
        return suite_run("registry", tcase);
}
