/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Contexts: which policies apply to which users and in which order, and who may connect.
 */

#include <stdio.h>
#include <string.h>

#include "support.h"

static struct scratch scratch;

static void setup(void) {
        scratch_open(&scratch);
}

static void teardown(void) {
        scratch_close(&scratch);
}

#define BUS_UID 500

/* The line of the rule that decides whether the user may own a.b; negative: a deny; 0: no rule. */
static int own_line(const char *body, uid_t uid, const gid_t *gids, size_t n_gids) {
        const struct policy_rule *rule = NULL;
        struct policy_client *client;
        struct bus_config *config;
        bool allowed;
        int line;

        config = scratch_load_body(&scratch, body);
        ck_assert_msg(!!config, "%s: %s", body, scratch.error);
        ck_assert_int_eq(policy_client_new(config->policy, uid, gids, n_gids, &client), 0);
        bus_config_free(config);
        allowed = policy_check_own(client, "a.b", &rule);
        line = rule ? (int)policy_rule_line(rule) : 0;
        ck_assert(rule ? policy_rule_allows(rule) == allowed : !allowed);
        policy_client_free(client);
        return allowed ? line : -line;
}

START_TEST(contexts_apply_in_their_order) {
        /*
         * One block for each context except at_console="true", which applies to nobody. They start
         * at line 2, and each block overrides those that follow it.
         */
        static const char *const policies[] = {
                "<policy context=\"mandatory\"><allow own=\"a.b\"/></policy>\n",
                "<policy at_console=\"false\"><deny own=\"a.b\"/></policy>\n",
                "<policy user=\"1000\"><allow own=\"a.b\"/></policy>\n",
                "<policy group=\"20\"><deny own=\"a.b\"/></policy>\n",
                "<policy context=\"default\"><allow own=\"a.b\"/></policy>\n",
        };
        static const int expected[] = {2, -3, 4, -5, 6};
        static const gid_t gids[] = {10, 20};

        for (size_t first = 0; first < 5; first++) {
                char body[1024];
                size_t n = 0;

                /* leave out the blocks before number "first": their lines stay empty */
                for (size_t i = 0; i < 5; i++)
                        n += (size_t)snprintf(body + n, sizeof(body) - n, "%s",
                                              i < first ? "\n" : policies[i]);
                ck_assert_int_eq(own_line(body, 1000, gids, 2), expected[first]);
        }
}
END_TEST

START_TEST(other_peoples_policies_do_not_apply) {
        static const char body[] = "<policy user=\"1000\"><allow own=\"*\"/></policy>\n"
                                   "<policy group=\"20\"><allow own=\"a.b\"/></policy>\n"
                                   "<policy at_console=\"true\"><allow own=\"*\"/></policy>";
        static const gid_t member[] = {7, 20}, stranger[] = {7, 1000};

        ck_assert_int_eq(own_line(body, 1000, stranger, 2), 2);
        ck_assert_int_eq(own_line(body, 1000, NULL, 0), 2);
        ck_assert_int_eq(own_line(body, 1001, member, 2), 3);
        ck_assert_int_eq(own_line(body, 1001, stranger, 2), 0);
        ck_assert_int_eq(own_line(body, 0, NULL, 0), 0);
        ck_assert_int_eq(own_line(body, POLICY_UID_ANONYMOUS, NULL, 0), 0);
}
END_TEST

START_TEST(users_and_groups_are_found_by_name) {
        static const gid_t gids[] = {0};

        ck_assert_int_eq(own_line("<policy user=\"root\"><allow own=\"*\"/></policy>", 0, NULL, 0),
                         2);
        ck_assert_int_eq(own_line("<policy group=\"root\"><allow own=\"*\"/></policy>", 5, gids, 1),
                         2);
}
END_TEST

START_TEST(unknown_user_policy_applies_to_nobody) {
        static const char body[] = "<policy user=\"nosuchuser\"><allow own=\"*\"/></policy>\n"
                                   "<policy group=\"nosuchgroup\"><allow own=\"*\"/></policy>\n"
                                   "<policy user=\"*\"><allow own=\"*\"/></policy>\n"
                                   "<policy user=\"4294967295\"><allow own=\"*\"/></policy>";
        static const gid_t gids[] = {0};

        ck_assert_int_eq(own_line(body, 0, gids, 1), 0);
        ck_assert_int_eq(own_line(body, POLICY_UID_ANONYMOUS, NULL, 0), 0);
}
END_TEST

START_TEST(order_within_a_context_is_that_of_the_files) {
        static const char body[] = "<policy context=\"default\"><deny own=\"a.b\"/></policy>\n"
                                   "<policy user=\"1\"><allow own=\"a.b\"/></policy>\n"
                                   "<includedir>d</includedir>"
                                   "<policy user=\"1\"><allow own=\"x\"/></policy>\n"
                                   "<policy context=\"default\"><allow own=\"a.b\"/></policy>";
        const struct policy_rule *rule;
        struct policy_client *client;
        struct bus_config *config;

        scratch_mkdir(&scratch, "d");
        scratch_write(&scratch, "d/a.conf",
                      "<busconfig><policy context=\"default\"><deny own=\"a.b\"/></policy>"
                      "<policy user=\"1\"><deny own=\"a.b\"/></policy></busconfig>");
        ck_assert_int_eq(own_line(body, 2, NULL, 0), 5);
        config = scratch_load_body(&scratch, body);
        ck_assert_int_eq(policy_client_new(config->policy, 1, NULL, 0, &client), 0);
        ck_assert(!policy_check_own(client, "a.b", &rule));
        ck_assert(strstr(policy_rule_file(rule), "/d/a.conf"));
        policy_client_free(client);
        bus_config_free(config);
}
END_TEST

/*
 * Blocks of groups are sorted by ID. dbus-daemon uses the order in which the socket reports the
 * groups.
 */
START_TEST(order_among_groups_is_that_of_their_ids) {
        static const char low_last[] = "<policy group=\"25\"><deny own=\"a.b\"/></policy>\n"
                                       "<policy group=\"20\"><allow own=\"a.b\"/></policy>\n"
                                       "<policy group=\"25\"><deny own=\"a.b\"/></policy>\n"
                                       "<policy group=\"20\"><allow own=\"a.b\"/></policy>";
        static const gid_t both[] = {20, 25}, reversed[] = {25, 20}, low[] = {20};

        ck_assert_int_eq(own_line(low_last, 1, both, 2), -4);
        ck_assert_int_eq(own_line(low_last, 1, reversed, 2), -4);
        ck_assert_int_eq(own_line(low_last, 1, low, 1), 5);
}
END_TEST

START_TEST(a_rule_about_everything_ends_the_contexts_before) {
        static const char body[] = "<policy context=\"mandatory\"><allow own=\"c.d\"/></policy>\n"
                                   "<policy user=\"1\"><deny own=\"a.b\"/><allow own=\"*\"/>\n"
                                   "<deny own=\"e.f\"/></policy>\n"
                                   "<policy context=\"default\"><allow own=\"a.b\"/></policy>";

        ck_assert_int_eq(own_line(body, 1, NULL, 0), 3);
        ck_assert_int_eq(own_line(body, 2, NULL, 0), 5);
}
END_TEST

START_TEST(families_do_not_mix) {
        const struct policy_message m = {.type = POLICY_TYPE_SIGNAL, .broadcast = true};
        struct policy_client *client;
        struct bus_config *config;

        config = scratch_load_body(&scratch,
                                   "<policy context=\"default\">"
                                   "<allow send_destination=\"*\" eavesdrop=\"true\"/>"
                                   "<deny receive_sender=\"*\"/><deny own=\"*\"/></policy>");
        ck_assert_int_eq(policy_client_new(config->policy, 1, NULL, 0, &client), 0);
        ck_assert(policy_check_send(client, &m, NULL));
        ck_assert(!policy_check_receive(client, &m, NULL));
        ck_assert(!policy_check_own(client, "a.b", NULL));
        policy_client_free(client);
        bus_config_free(config);
}
END_TEST

static const struct {
        const char *rules;
        uid_t uid;
        gid_t gid;
        bool allowed;
        unsigned line;
} connects[] = {
        {"", BUS_UID, 1, true, 0},
        {"", 0, 0, false, 0},
        {"", 1000, 1, false, 0},
        {"", POLICY_UID_ANONYMOUS, 1, true, 0},
        {"<allow user=\"*\"/>", 1000, 1, true, 2},
        {"<allow user=\"1000\"/>", 1000, 1, true, 2},
        {"<allow user=\"1000\"/>", 1001, 1, false, 0},
        {"<allow user=\"root\"/>", 0, 1, true, 2},
        {"<allow group=\"7\"/>", 1000, 7, true, 2},
        {"<allow group=\"7\"/>", 1000, 8, false, 0},
        {"<allow group=\"*\"/>", 1000, 8, true, 2},
        {"<allow user=\"*\"/>\n<deny user=\"1000\"/>", 1000, 1, false, 3},
        {"<allow user=\"*\"/>\n<deny user=\"1000\"/>", 1001, 1, true, 2},
        {"<allow user=\"*\"/>\n<deny group=\"7\"/>", 0, 7, false, 3},
        {"<deny user=\"1000\"/>\n<allow user=\"*\"/>", 1000, 1, true, 3},
        {"<deny user=\"500\"/>", BUS_UID, 1, false, 2},
        {"<deny user=\"*\"/>", POLICY_UID_ANONYMOUS, 1, false, 2},
        {"<allow user=\"nosuchuser\"/>", 1000, 1, false, 0},
        {"<allow user=\"nosuchuser\"/>", POLICY_UID_ANONYMOUS, 1, true, 0},
        {"<allow group=\"nosuchgroup\"/>", 1000, 1, false, 0},
        {"<allow own=\"*\"/>", 1000, 1, false, 0},
};

START_TEST(connect_is_decided) {
        const struct policy_rule *rule = NULL;
        struct bus_config *config;
        char body[512];

        snprintf(body, sizeof(body), "<policy context=\"default\">%s</policy>", connects[_i].rules);
        config = scratch_load_body(&scratch, body);
        ck_assert_msg(policy_check_connect(config->policy, connects[_i].uid, &connects[_i].gid, 1,
                                           BUS_UID, &rule) == connects[_i].allowed,
                      "%s", connects[_i].rules);
        ck_assert_uint_eq(rule ? policy_rule_line(rule) : 0, connects[_i].line);
        bus_config_free(config);
}
END_TEST

START_TEST(connect_is_overridden_by_later_contexts) {
        struct bus_config *config;

        config = scratch_load_body(&scratch,
                                   "<policy context=\"mandatory\"><deny user=\"1\"/></policy>"
                                   "<policy context=\"default\"><allow user=\"*\"/></policy>");
        ck_assert(!policy_check_connect(config->policy, 1, NULL, 0, BUS_UID, NULL));
        ck_assert(policy_check_connect(config->policy, 2, NULL, 0, BUS_UID, NULL));
        bus_config_free(config);
        /* at_console="false" applies to everybody: its denies about connecting count, its allows do
         * not */
        config = scratch_load_body(&scratch,
                                   "<policy at_console=\"false\"><deny user=\"1\"/>"
                                   "<allow user=\"2\"/></policy>"
                                   "<policy at_console=\"true\"><deny user=\"3\"/></policy>"
                                   "<policy context=\"default\"><allow user=\"1\"/>"
                                   "<allow user=\"3\"/></policy>");
        ck_assert(!policy_check_connect(config->policy, 1, NULL, 0, BUS_UID, NULL));
        ck_assert(!policy_check_connect(config->policy, 2, NULL, 0, BUS_UID, NULL));
        ck_assert(policy_check_connect(config->policy, 3, NULL, 0, BUS_UID, NULL));
        bus_config_free(config);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("policy-context");
        TCase *t = tcase_create("context");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, contexts_apply_in_their_order);
        tcase_add_test(t, other_peoples_policies_do_not_apply);
        tcase_add_test(t, users_and_groups_are_found_by_name);
        tcase_add_test(t, unknown_user_policy_applies_to_nobody);
        tcase_add_test(t, order_within_a_context_is_that_of_the_files);
        tcase_add_test(t, order_among_groups_is_that_of_their_ids);
        tcase_add_test(t, a_rule_about_everything_ends_the_contexts_before);
        tcase_add_test(t, families_do_not_mix);
        tcase_add_loop_test(t, connect_is_decided, 0, (int)(sizeof(connects) / sizeof(*connects)));
        tcase_add_test(t, connect_is_overridden_by_later_contexts);
        suite_add_tcase(suite, t);
        return run_suite(suite);
}
