/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rule attributes: which combinations make a rule. The outcomes were compared with dbus-daemon
 * 1.14.10.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static struct scratch scratch;

static void setup(void) {
        scratch_open(&scratch);
}

static void teardown(void) {
        scratch_close(&scratch);
}

static struct bus_config *load_rule(const char *policy, const char *rule) {
        char body[512];

        snprintf(body, sizeof(body), "<policy %s>\n<allow %s/></policy>", policy, rule);
        return scratch_load_body(&scratch, body);
}

static const char *const accepted[] = {
        "own=\"a.b\"",
        "own=\"*\"",
        "own=\"\"",
        "own_prefix=\"\"",
        "own_prefix=\"a.b\"",
        "own=\"a\" log=\"true\"",
        "user=\"root\"",
        "user=\"0\"",
        "user=\"*\"",
        "user=\"\"",
        "user=\"nosuchuser\"",
        "user=\"root\" log=\"true\"",
        "group=\"root\"",
        "group=\"*\"",
        "group=\"nosuchgroup\"",
        "eavesdrop=\"true\"",
        "eavesdrop=\"true\" max_fds=\"0\"",
        "send_broadcast=\"true\"",
        "send_broadcast=\"true\" send_destination_prefix=\"a.b\"",
        "send_broadcast=\"true\" send_destination=\"*\"",
        "send_broadcast=\"false\" send_destination=\"a.b\"",
        "send_requested_reply=\"false\"",
        "receive_requested_reply=\"true\"",
        "send_type=\"*\"",
        "send_type=\"method_call\"",
        "send_type=\"method_return\"",
        "send_type=\"signal\"",
        "send_type=\"error\"",
        "receive_type=\"method_call\"",
        "receive_type=\"error\"",
        "send_path=\"foo\"",
        "send_path=\"\"",
        "send_interface=\"\"",
        "send_interface=\"foo\"",
        "send_destination=\"\"",
        "send_destination_prefix=\"\"",
        "send_destination_prefix=\"*\"",
        "send_error=\"a.b\"",
        "send_error=\"a.b\" send_path=\"/\"",
        "send_member=\"Foo\" send_interface=\"*\"",
        "send_member=\"Foo\" send_path=\"*\"",
        "receive_member=\"Foo\" receive_path=\"/\"",
        "receive_member=\"Foo\" receive_interface=\"a.b\"",
        "receive_error=\"a.b\"",
        "receive_sender=\"a.b\"",
        "receive_sender=\"\"",
        "send_type=\"signal\" max_fds=\"5x\"",
        "send_type=\"signal\" max_fds=\"0x10\"",
        "send_type=\"signal\" max_fds=\" 7\"",
        "send_type=\"signal\" max_fds=\"33554432\"",
        "send_type=\"signal\" min_fds=\"3\" max_fds=\"1\"",
        "send_type=\"signal\" log=\"maybe\"",
        "send_type=\"signal\" log=\"false\"",
        "send_type=\"signal\" eavesdrop=\"true\"",
        "send_destination=\"a.b\" send_interface=\"a.b\" send_member=\"M\" send_path=\"/\" "
        "send_type=\"method_call\" send_broadcast=\"false\" send_requested_reply=\"true\" "
        "eavesdrop=\"false\" min_fds=\"0\" max_fds=\"1\" log=\"true\"",
};

START_TEST(rule_is_accepted) {
        struct bus_config *config;

        config = load_rule("context=\"default\"", accepted[_i]);
        ck_assert_msg(!!config, "%s: %s", accepted[_i], scratch.error);
        bus_config_free(config);
}
END_TEST

static const struct {
        const char *rule;
        const char *error;
} refused[] = {
        {"", "without an attribute that says what it is about"},
        {"log=\"true\"", "without an attribute"},
        {"max_fds=\"0\"", "without an attribute"},
        {"max_fds=\"0\" log=\"true\"", "without an attribute"},
        {"own=\"a\" own_prefix=\"b\"", "cannot be combined"},
        {"own=\"a\" eavesdrop=\"true\"", "cannot be combined"},
        {"own=\"a\" eavesdrop=\"false\"", "cannot be combined"},
        {"own=\"a\" max_fds=\"1\"", "cannot be combined"},
        {"own=\"a\" user=\"*\"", "cannot be combined"},
        {"own=\"a\" send_type=\"signal\"", "cannot be combined"},
        {"user=\"root\" group=\"root\"", "cannot be combined"},
        {"user=\"root\" max_fds=\"0\"", "cannot be combined"},
        {"user=\"root\" eavesdrop=\"true\"", "cannot be combined"},
        {"user=\"root\" receive_sender=\"a.b\"", "cannot be combined"},
        {"send_requested_reply=\"true\" receive_requested_reply=\"true\"", "send and receive"},
        {"receive_type=\"method_call\" send_type=\"signal\"", "send and receive"},
        {"receive_type=\"signal\" send_destination=\"a.b\"", "send and receive"},
        {"send_destination=\"a.b\" send_destination_prefix=\"a.b\"", "send_destination_prefix"},
        {"send_broadcast=\"true\" send_destination=\"a.b\"", "broadcasts have none"},
        {"send_error=\"a.b\" send_interface=\"a.b\"", "send_error cannot be combined"},
        {"send_error=\"a.b\" send_member=\"Foo\" send_path=\"/\"", "send_error cannot be"},
        {"send_error=\"*\" send_interface=\"*\"", "send_error cannot be combined"},
        {"receive_error=\"a\" receive_interface=\"b\"", "receive_error cannot be combined"},
        {"send_member=\"*\"", "send_member needs send_interface or send_path"},
        {"receive_member=\"Foo\"", "receive_member needs receive_interface or receive_path"},
        {"eavesdrop=\"yes\"", "bad value \"yes\" for attribute eavesdrop"},
        {"send_broadcast=\"maybe\"", "bad value \"maybe\" for attribute send_broadcast"},
        {"send_requested_reply=\"x\"", "bad value \"x\" for attribute send_requested_reply"},
        {"receive_requested_reply=\"\"", "bad value \"\" for attribute receive_requested_reply"},
        {"send_type=\"foo\"", "bad value \"foo\" for attribute send_type"},
        {"receive_type=\"\"", "bad value \"\" for attribute receive_type"},
        {"send_type=\"signal\" max_fds=\"-1\"", "integer from 0 to 33554432"},
        {"send_type=\"signal\" min_fds=\"x\"", "bad value \"x\" for attribute min_fds"},
        {"send_type=\"signal\" max_fds=\"\"", "bad value \"\" for attribute max_fds"},
        {"send_type=\"signal\" max_fds=\"33554433\"", "integer from 0 to 33554432"},
        {"send_type=\"signal\" min_unix_fds=\"1\"", "\"min_unix_fds\" is invalid on <allow>"},
        {"receive_sender_prefix=\"a\"", "\"receive_sender_prefix\" is invalid"},
        {"receive_broadcast=\"true\"", "\"receive_broadcast\" is invalid"},
        {"send_sender=\"a\"", "\"send_sender\" is invalid"},
        {"species=\"stoat\"", "3:1: attribute \"species\" is invalid on <allow>"},
};

START_TEST(rule_is_refused) {
        struct bus_config *config;

        config = load_rule("context=\"default\"", refused[_i].rule);
        ck_assert_msg(!config, "%s: accepted", refused[_i].rule);
        ck_assert_msg(!!strstr(scratch.error, refused[_i].error), "%s: %s", refused[_i].rule,
                      scratch.error);
        /* the rule is also refused in the policy of an unknown user, where no rule has an effect */
        ck_assert_ptr_null(load_rule("user=\"nosuchuser\"", refused[_i].rule));
}
END_TEST

START_TEST(connect_rules_belong_in_default_or_mandatory) {
        static const char *const bad[] = {"user=\"root\"", "group=\"root\""};
        struct bus_config *config;

        for (size_t i = 0; i < 2; i++) {
                ck_assert_ptr_null(load_rule(bad[i], "user=\"*\""));
                ck_assert(
                        strstr(scratch.error,
                               "3:1: a rule with the attribute user or group must be in a policy"));
                ck_assert_ptr_null(load_rule(bad[i], "group=\"root\""));
                ck_assert_ptr_null(load_rule(bad[i], "user=\"nosuchuser\""));
        }
        bus_config_free(load_rule("context=\"mandatory\"", "user=\"*\""));
        ck_assert_ptr_null(scratch.error);
        config = load_rule("at_console=\"false\"", "user=\"*\"");
        ck_assert(config_warns(config, "has no effect in a policy with at_console"));
        bus_config_free(config);
}
END_TEST

START_TEST(unknown_users_are_warned_about) {
        struct bus_config *config;

        config = load_rule("context=\"default\"", "user=\"nosuchuser\"");
        ck_assert(config_warns(config, "main.conf:3:1: unknown user \"nosuchuser\", rule ignored"));
        bus_config_free(config);
        config = load_rule("context=\"default\"", "group=\"nosuchgroup\"");
        ck_assert(config_warns(config, ":3:1: unknown group \"nosuchgroup\", rule ignored"));
        bus_config_free(config);
        config = load_rule("user=\"nosuchuser\"", "own=\"a.b\"");
        ck_assert(config_warns(config, ":2:1: unknown user \"nosuchuser\", policy ignored"));
        bus_config_free(config);
        config = load_rule("group=\"4294967295\"", "own=\"a.b\"");
        ck_assert(config_warns(config, ":2:1: unknown group \"4294967295\", policy ignored"));
        bus_config_free(config);
}
END_TEST

START_TEST(oddities_are_warned_about) {
        struct bus_config *config;

        config = load_rule("at_console=\"true\"", "own=\"a.b\"");
        ck_assert(config_warns(config, "at_console is deprecated"));
        bus_config_free(config);
        config = load_rule("context=\"default\"", "own=\"a.b\" log=\"maybe\"");
        ck_assert(config_warns(config, "bad value \"maybe\" for attribute \"log\""));
        bus_config_free(config);
}
END_TEST

START_TEST(rules_that_used_to_override_all_are_warned_about) {
        static const struct {
                const char *rules;
                bool warns;
        } cases[] = {
                {"<allow send_type=\"method_call\"/><allow send_broadcast=\"true\"/>", true},
                {"<allow send_type=\"method_call\"/><allow send_error=\"a.b\"/>", false},
                {"<allow eavesdrop=\"true\"/><deny eavesdrop=\"true\"/>", true},
                {"<allow send_type=\"signal\"/><allow send_interface=\"*\"/>", true},
                {"<allow send_type=\"signal\"/><deny send_destination=\"*\"/>", true},
                /* one is about sending, one about receiving: neither overrides the other */
                {"<allow send_destination=\"*\"/><allow receive_sender=\"*\"/>", false},
                /* the second rule really matches every message, so it overrides the first one */
                {"<allow send_type=\"signal\"/>"
                 "<allow send_destination=\"*\" eavesdrop=\"true\"/>",
                 false},
                {"<allow send_type=\"signal\"/>"
                 "<deny send_destination=\"*\" send_requested_reply=\"true\"/>",
                 false},
        };

        struct bus_config *config;

        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                char body[512];

                snprintf(body, sizeof(body), "<policy context=\"default\">%s</policy>",
                         cases[i].rules);
                config = scratch_load_body(&scratch, body);
                ck_assert_msg(config_warns(config, "overrides the rules before it only") ==
                                      cases[i].warns,
                              "%s", cases[i].rules);
                bus_config_free(config);
        }

        /* rules of an earlier context are before it, too, wherever that is in the file */
        config = scratch_load_body(
                &scratch, "<policy context=\"mandatory\"><allow send_broadcast=\"true\"/></policy>"
                          "<policy context=\"default\"><allow send_type=\"error\"/></policy>");
        ck_assert(config_warns(config, "overrides the rules before it only"));
        bus_config_free(config);
        config = scratch_load_body(
                &scratch, "<policy context=\"default\"><allow send_broadcast=\"true\"/></policy>"
                          "<policy context=\"mandatory\"><allow send_type=\"error\"/></policy>");
        ck_assert(!config_warns(config, "overrides the rules before it only"));
        bus_config_free(config);
}
END_TEST

START_TEST(rule_describes_itself) {
        const struct policy_rule *rule;
        struct policy_client *client;
        struct bus_config *config;
        char expected[256], *text;

        config = load_rule("context=\"default\"", "own=\"a.b\"  log='true'");
        ck_assert_int_eq(policy_client_new(config->policy, 0, NULL, 0, &client), 0);
        /* rules live as long as the policy, also after the configuration is freed */
        bus_config_free(config);
        ck_assert(policy_check_own(client, "a.b", &rule));
        ck_assert_ptr_nonnull(rule);
        ck_assert(policy_rule_allows(rule) && policy_rule_logs(rule));
        ck_assert_uint_eq(policy_rule_line(rule), 3);
        ck_assert(strstr(policy_rule_file(rule), "/main.conf"));
        snprintf(expected, sizeof(expected), "%s/main.conf:3: <allow own=\"a.b\" log=\"true\"/>",
                 scratch.directory);
        text = policy_rule_describe(rule);
        ck_assert_str_eq(text, expected);
        free(text);
        policy_client_free(client);
        text = policy_rule_describe(NULL);
        ck_assert_str_eq(text, "default");
        free(text);
}
END_TEST

#define N(array) ((int)(sizeof(array) / sizeof(*(array))))

int main(void) {
        Suite *suite = suite_create("policy-rule");
        TCase *t = tcase_create("attributes");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_loop_test(t, rule_is_accepted, 0, N(accepted));
        tcase_add_loop_test(t, rule_is_refused, 0, N(refused));
        tcase_add_test(t, connect_rules_belong_in_default_or_mandatory);
        tcase_add_test(t, unknown_users_are_warned_about);
        tcase_add_test(t, oddities_are_warned_about);
        tcase_add_test(t, rules_that_used_to_override_all_are_warned_about);
        tcase_add_test(t, rule_describes_itself);
        suite_add_tcase(suite, t);
        return run_suite(suite);
}
