/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Covering (one rule matches all that another one matches) and explaining: what the functions say
 * about random rules is true for each of many random messages.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/cover.h"
#include "policy/explain.h"
#include "policy/match.h"
#include "support.h"

#define N_ROUNDS 400
#define N_RULES 12
#define N_MESSAGES 60

static uint32_t state;

static unsigned pick(unsigned n) {
        state = state * 1103515245 + 12345;
        return (state >> 16) % n;
}

static const char *one_of(const char *const *texts, unsigned n) {
        return texts[pick(n)];
}
#define ONE_OF(...)                                \
        one_of((const char *const[]){__VA_ARGS__}, \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* a random rule with few possible values, so that two rules often match the same messages */
static void write_rule(FILE *f) {
        static const struct {
                const char *key;
                const char *values[4];
        } attributes[] = {
                {"send_destination", {"a.b", "a.b.c", "x.y", "*"}},
                {"send_type", {"method_call", "method_return", "error", "signal"}},
                {"send_path", {"/a", "/b", "*", "/a"}},
                {"send_broadcast", {"true", "false", "false", "false"}},
                {"send_requested_reply", {"true", "false", "true", "false"}},
                {"eavesdrop", {"true", "false", "true", "true"}},
                {"min_fds", {"1", "2", "0", "1"}},
                {"max_fds", {"1", "2", "0", "3"}},
        };
        bool broadcast = false, named = false;

        if (!pick(4)) {
                fprintf(f, "<%s %s=\"%s\"/>\n", ONE_OF("allow", "deny"),
                        ONE_OF("own", "own_prefix"), ONE_OF("a.b", "a.b.c", "a", "a.bc", "*"));
                return;
        }
        fprintf(f, "<%s", ONE_OF("allow", "deny"));
        for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++) {
                const char *value = attributes[i].values[pick(4)];

                if (pick(3) || (i == 3 && named && !strcmp(value, "true")))
                        continue;
                broadcast |= i == 3;
                named |= i == 0;
                fprintf(f, " %s=\"%s\"", attributes[i].key, value);
        }
        if (!named && !broadcast && !pick(3))
                fprintf(f, " send_destination_prefix=\"%s\"", ONE_OF("a", "a.b", "x"));
        if (!pick(3)) {
                fprintf(f, " send_interface=\"%s\"", ONE_OF("i.j", "k.l"));
                if (pick(2))
                        fprintf(f, " send_member=\"%s\"", ONE_OF("M", "N"));
        } else
                fprintf(f, " send_error=\"%s\"", ONE_OF("*", "e.f", "g.h"));
        fprintf(f, "/>\n");
}

static struct bus_config *make_policy(struct scratch *scratch) {
        static const char *const contexts[] = {"context=\"default\"",  "group=\"5\"",
                                               "group=\"6\"",          "user=\"7\"",
                                               "at_console=\"false\"", "context=\"mandatory\""};
        struct bus_config *config;
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(f);
        for (unsigned i = 0; i < 6; i++) {
                fprintf(f, "<policy %s>\n", contexts[pick(6)]);
                for (unsigned j = 0; j < N_RULES / 6 + pick(3); j++)
                        write_rule(f);
                fputs("</policy>\n", f);
        }
        ck_assert_int_eq(fclose(f), 0);
        config = scratch_load_body(scratch, text);
        ck_assert_msg(config, "%s", scratch->error);
        free(text);
        return config;
}

static bool owns(void *userdata, const char *name, bool prefix) {
        return prefix ? policy_name_is_below(userdata, name) : !strcmp(userdata, name);
}

static struct policy_message make_message(struct policy_peer *peer) {
        struct policy_message m = {.type = 1 + pick(4), .peer = peer, .n_fds = pick(4)};

        *peer = (struct policy_peer){.owns = owns,
                                     .userdata = (void *)ONE_OF("a.b", "a.b.c", "x.y", "x", "o.p")};
        m.destination = peer->userdata;
        m.eavesdropping = !pick(4);
        switch (m.type) {
        case POLICY_TYPE_ERROR:
                m.error_name = ONE_OF("e.f", "g.h");
                __attribute__((fallthrough));
        case POLICY_TYPE_METHOD_RETURN:
                m.requested_reply = pick(2);
                return m;
        case POLICY_TYPE_SIGNAL:
                m.broadcast = pick(2);
                if (m.broadcast) {
                        m.destination = NULL;
                        m.eavesdropping = false;
                }
                break;
        }
        m.path = ONE_OF("/a", "/b");
        m.member = ONE_OF("M", "N");
        m.interface = ONE_OF("i.j", "k.l", NULL);
        return m;
}

static void check_cover(const struct policy *policy, const struct policy_message *m,
                        const char *name) {
        for (size_t a = 0; a < policy->n_blocks; a++)
                for (size_t i = 0; i < policy->blocks[a]->n_rules; i++) {
                        const struct policy_rule *inner = policy->blocks[a]->rules[i];

                        for (size_t j = 0; j < policy->blocks[0]->n_rules; j++) {
                                const struct policy_rule *outer = policy->blocks[0]->rules[j];

                                if (inner->family != outer->family ||
                                    !policy_rule_covers(outer, inner))
                                        continue;
                                if (inner->family == POLICY_FAMILY_OWN)
                                        ck_assert_msg(policy_rule_match_own(inner, name) ||
                                                              !policy_rule_match_own(outer, name),
                                                      "%s: %s, %s", name, policy_rule_text(outer),
                                                      policy_rule_text(inner));
                                else
                                        ck_assert_msg(policy_rule_match_message(inner, m) ||
                                                              !policy_rule_match_message(outer, m),
                                                      "%s, %s", policy_rule_text(outer),
                                                      policy_rule_text(inner));
                        }
                }
}

/* The last step without a mismatch must be the rule that decides. */
static void check_explanation(struct policy *policy, const struct policy_question *question) {
        const struct policy_rule *last = NULL;
        struct policy_explanation e;

        ck_assert_int_eq(policy_explain(policy, question, &e), 0);
        for (size_t i = 0; i < e.n_steps; i++) {
                ck_assert_int_eq(e.steps[i].rule->family, question->family);
                if (!e.steps[i].mismatch)
                        last = e.steps[i].rule;
                else
                        ck_assert_ptr_nonnull(strstr("send_destination_prefix send_destination "
                                                     "send_type send_path send_interface "
                                                     "send_member send_error send_broadcast "
                                                     "send_requested_reply eavesdrop "
                                                     "min_fds/max_fds own own_prefix",
                                                     e.steps[i].mismatch));
        }
        ck_assert_ptr_eq(e.rule, last);
        ck_assert_int_eq(e.allowed, last ? last->allow : 0);
        policy_explanation_clear(&e);
}

START_TEST(what_is_said_of_rules_holds_for_messages) {
        static const gid_t gids[] = {5, 6};
        struct scratch scratch;

        scratch_open(&scratch);
        for (uint32_t round = 1; round <= N_ROUNDS; round++) {
                struct policy_question question = {.gids = gids};
                struct bus_config *config;

                state = round;
                config = make_policy(&scratch);
                for (unsigned i = 0; i < N_MESSAGES && config->policy->n_blocks > 0; i++) {
                        struct policy_peer peer;

                        question.message = make_message(&peer);
                        question.name = ONE_OF("a.b", "a.b.c", "a.bc", "a", "x.y");
                        question.uid = 7 + pick(2);
                        question.n_gids = pick(3);
                        check_cover(config->policy, &question.message, question.name);
                        question.family = POLICY_FAMILY_SEND;
                        check_explanation(config->policy, &question);
                        question.family = POLICY_FAMILY_OWN;
                        check_explanation(config->policy, &question);
                }
                bus_config_free(config);
        }
        scratch_close(&scratch);
}
END_TEST

START_TEST(an_explanation_of_connecting_names_the_rule) {
        const struct policy_question question = {
                .family = POLICY_FAMILY_CONNECT, .uid = 7, .bus_uid = 1};
        struct policy_explanation e;
        struct bus_config *config;
        struct scratch scratch;

        scratch_open(&scratch);
        config = scratch_load_body(&scratch, "<policy context=\"default\"><allow user=\"7\"/>\n"
                                             "<deny group=\"8\"/></policy>");
        ck_assert_int_eq(policy_explain(config->policy, &question, &e), 0);
        ck_assert(e.allowed);
        ck_assert_int_eq(e.rule->line, 2);
        ck_assert_int_eq(e.n_steps, 2);
        ck_assert_str_eq(e.steps[1].mismatch, "group");
        policy_explanation_clear(&e);
        bus_config_free(config);
        scratch_close(&scratch);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("policy-cover");
        TCase *tcase = tcase_create("cover");

        tcase_add_test(tcase, what_is_said_of_rules_holds_for_messages);
        tcase_add_test(tcase, an_explanation_of_connecting_names_the_rule);
        tcase_set_timeout(tcase, 60);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
