/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lint: rules and blocks of a configuration that it must report, and others that it must not */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/cover.h"
#include "policy/lint.h"
#include "policy/reach.h"
#include "support.h"

#define DEFAULT "<policy context=\"default\">"
#define MANDATORY "<policy context=\"mandatory\">"
#define END "</policy>"

/* findings is "KIND:LINE KIND:LINE ..."; the body begins at line 2 of the file */
static const struct {
        const char *body, *findings;
} cases[] = {
        {DEFAULT "<allow own=\"a.b\"/><allow send_destination=\"a.b\"/>" END, ""},
        /* warnings of the reader, with their place */
        {"\n<policy user=\"nosuchuser\"><allow own=\"a.b\"/>" END, "reader:3"},
        {"<policy at_console=\"true\"><allow own=\"a.b\"/>" END, "reader:2"},
        /* unreachable */
        {DEFAULT "\n<allow own=\"a.b.c\"/>\n<deny own_prefix=\"a.b\"/>" END, "unreachable:3"},
        {DEFAULT "\n<deny own_prefix=\"a.b\"/>\n<allow own=\"a.b.c\"/>" END, ""},
        {DEFAULT "\n<allow own=\"a.b\"/>\n<allow own=\"a.b\"/>" END, "unreachable:3"},
        {DEFAULT "<allow own=\"a.b\"/>" END "\n" MANDATORY "<deny own=\"a.b\"/>" END,
         "unreachable:2"},
        {MANDATORY "<allow own=\"a.b\"/>" END "\n" DEFAULT "<deny own=\"a.b\"/>" END,
         "unreachable:3"},
        {"<policy user=\"1\"><allow own=\"a.b\"/>" END "\n" DEFAULT "<deny own=\"a.b\"/>" END, ""},
        {"<policy user=\"1\"><allow own=\"a.b\"/>" END
         "\n<policy user=\"2\"><deny own=\"a.b\"/>" END,
         ""},
        {DEFAULT "<allow send_destination=\"a.b\" send_interface=\"i.j\"/>"
                 "\n<deny send_destination=\"a.b\"/>" END,
         "unreachable:2"},
        /* an allow for one interface does not match messages without an interface */
        {DEFAULT "<deny send_destination=\"a.b\" send_interface=\"i.j\"/>"
                 "\n<allow send_destination=\"a.b\" send_interface=\"i.j\"/>" END,
         ""},
        {DEFAULT "<allow user=\"*\"/>\n<deny user=\"5\"/>\n<allow user=\"*\"/>" END,
         "unreachable:2 unreachable:3"},
        {DEFAULT "<allow user=\"6\"/>\n<deny group=\"6\"/>" END, ""},
        /* contradictions */
        {DEFAULT "\n<allow own=\"a.b\"/>\n<deny own=\"a.b\"/>" END, "contradiction:3"},
        {"<policy group=\"5\"><allow own=\"a.b\"/>" END
         "\n<policy group=\"6\"><deny own=\"a.b\"/>" END,
         "contradiction:2"},
        {"<policy group=\"5\"><allow own=\"a.b\"/>" END
         "\n<policy group=\"6\"><allow own=\"a.b\"/>" END,
         ""},
        /* rules that dbus-daemon understands differently; the last two are not among them */
        {DEFAULT "<allow send_type=\"signal\"/>\n<deny send_broadcast=\"true\"/>" END,
         "different:3"},
        {DEFAULT "<allow send_destination=\"a.b\" send_error=\"e.r\"/>" END, "different:2"},
        {DEFAULT "<allow send_error=\"e.r\" send_type=\"error\"/>" END, ""},
        {DEFAULT "<allow receive_error=\"e.r\"/>" END, ""},
        /* how broad rules are */
        {DEFAULT "<allow own=\"*\"/>" END, "broad-allow:2"},
        {"<type>session</type>" DEFAULT "<allow own=\"*\"/>" END, ""},
        {"<policy user=\"1\"><allow own=\"*\"/>" END, "broad-allow:2"},
        {"<policy user=\"0\"><allow own=\"*\"/>" END, ""},
        {"<policy at_console=\"true\"><allow own=\"*\"/>" END, "reader:2"},
        {"<policy at_console=\"false\"><allow own=\"*\"/>" END, "reader:2 broad-allow:2"},
        {DEFAULT "<allow send_destination=\"*\"/>" END, "broad-allow:2"},
        {DEFAULT "<allow send_interface=\"i.j\"/>" END, "broad-allow:2"},
        {DEFAULT "<allow send_type=\"signal\"/>" END, ""},
        {DEFAULT "<allow send_type=\"method_return\" send_requested_reply=\"true\"/>" END, ""},
        {DEFAULT "<allow receive_sender=\"a.b\" eavesdrop=\"true\"/>" END, "broad-allow:2"},
        {DEFAULT "<deny send_interface=\"i.j\"/>" END, "broad-deny:2"},
        {DEFAULT "<deny send_type=\"method_call\"/>" END, ""},
};

START_TEST(findings_are) {
        const char *expected = cases[_i].findings;
        char found[512] = "";
        struct policy_finding *findings;
        struct bus_config *config;
        struct scratch scratch;
        size_t n, at = 0;

        scratch_open(&scratch);
        config = scratch_load_body(&scratch, cases[_i].body);
        ck_assert_msg(config, "%s: %s", cases[_i].body, scratch.error);
        ck_assert_int_eq(policy_lint(config, &findings, &n), 0);
        for (size_t i = 0; i < n; i++) {
                ck_assert_ptr_nonnull(findings[i].file);
                ck_assert(!strncmp(findings[i].file, scratch.directory, strlen(scratch.directory)));
                at += snprintf(found + at, sizeof(found) - at, "%s%s:%u", i ? " " : "",
                               policy_finding_kind_name(findings[i].kind), findings[i].line);
        }
        ck_assert_msg(!strcmp(found, expected), "%s: %s, not %s", cases[_i].body, found, expected);
        policy_findings_free(findings, n);
        bus_config_free(config);
        scratch_close(&scratch);
}
END_TEST

START_TEST(a_part_needs_no_listen) {
        char path[128], *error = NULL;
        struct bus_config *config;
        struct scratch scratch;

        scratch_open(&scratch);
        scratch_write(&scratch, "part.conf", "<busconfig></busconfig>");
        snprintf(path, sizeof(path), "%s/part.conf", scratch.directory);
        ck_assert_int_eq(bus_config_load_part(path, NULL, &config, &error), 0);
        ck_assert_uint_eq(config->n_listen, 0);
        bus_config_free(config);
        ck_assert_int_lt(bus_config_load(path, NULL, &config, &error), 0);
        free(error);
        scratch_close(&scratch);
}
END_TEST

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

/* a random block with few possible values, so that two rules often match the same messages */
static void write_block(FILE *f, unsigned n_rules) {
        const char *who = ONE_OF("context='default'", "context='mandatory'", "user='0'", "user='1'",
                                 "group='0'", "group='1'", "group='2'", "at_console='false'");

        fprintf(f, "<policy %s>", who);
        while (n_rules-- > 0) {
                const char *word = ONE_OF("allow", "deny");

                switch (pick(4) + !!strncmp(who, "context", strlen("context"))) {
                case 1:
                        fprintf(f, "<%s %s='%s'/>", word, ONE_OF("own", "own_prefix"),
                                ONE_OF("a", "a.b", "a.b.c", "a.bc", "*"));
                        break;
                case 0: /* rules about connecting: of use in these two contexts only */
                        fprintf(f, "<%s %s='%s'/>", word, ONE_OF("user", "group"),
                                ONE_OF("0", "1", "*"));
                        break;
                default:
                        fprintf(f, "<%s %s %s %s %s %s %s/>", word,
                                ONE_OF("send_destination='a.b'", "send_destination='a.b.c'",
                                       "send_destination_prefix='a.b'", "send_destination='*'"),
                                ONE_OF("", "", "send_interface='i.j'", "send_interface='i.k'",
                                       "send_interface='i.j' send_member='M'"),
                                ONE_OF("", "", "send_path='/'"), ONE_OF("", "eavesdrop='true'"),
                                ONE_OF("", "", "send_type='method_call'"),
                                ONE_OF("", "", "max_fds='1'", "send_requested_reply='true'"));
                }
        }
        fprintf(f, "</policy>");
}

static struct bus_config *load_random(struct scratch *scratch, unsigned n_blocks,
                                      unsigned n_rules) {
        struct bus_config *config;
        char *body = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&body, &size);
        ck_assert_ptr_nonnull(f);
        while (n_blocks-- > 0)
                write_block(f, n_rules);
        ck_assert_int_eq(fclose(f), 0);
        config = scratch_load_body(scratch, body);
        ck_assert_msg(config, "%s: %s", body, scratch->error);
        free(body);
        return config;
}

/* Check what the search found about entry i, by comparing its rule with each later rule. */
static void check_entry(const struct reach *reach, size_t i) {
        const struct reach_entry *entry = &reach->entries[i];
        size_t found = REACH_NONE;

        for (size_t j = i + 1; j < reach->n_entries; j++) {
                const struct reach_entry *later = &reach->entries[j];

                if (policy_rule_covers(later->rule, entry->rule) &&
                    policy_block_covers(later->block, entry->block)) {
                        ck_assert_uint_eq(entry->overruled_by, j);
                        ck_assert_uint_eq(reach_next_opposite(reach, i, found), REACH_NONE);
                        return;
                }
                if (entry->block->context == POLICY_CONTEXT_GROUP &&
                    later->block->context == POLICY_CONTEXT_GROUP &&
                    reach_is_opposite(entry->rule, later->rule)) {
                        found = reach_next_opposite(reach, i, found);
                        ck_assert_uint_eq(found, j);
                }
        }
        ck_assert_uint_eq(entry->overruled_by, REACH_NONE);
        ck_assert_uint_eq(reach_next_opposite(reach, i, found), REACH_NONE);
}

START_TEST(nothing_that_overrules_is_overlooked) {
        size_t n_overruled = 0, n_opposite = 0;
        struct scratch scratch;

        state = 1;
        scratch_open(&scratch);
        for (unsigned round = 0; round < 300; round++) {
                struct bus_config *config = load_random(&scratch, 6, 8);

                for (unsigned family = 0; family < POLICY_FAMILY_N; family++) {
                        struct reach reach;

                        ck_assert_int_eq(reach_compute(config->policy, family, &reach), 0);
                        for (size_t i = 0; i < reach.n_entries; i++) {
                                check_entry(&reach, i);
                                n_overruled += reach.entries[i].overruled_by != REACH_NONE;
                                n_opposite +=
                                        reach_next_opposite(&reach, i, REACH_NONE) != REACH_NONE;
                        }
                        reach_clear(&reach);
                }
                bus_config_free(config);
        }
        ck_assert_uint_gt(n_overruled, 1000);
        ck_assert_uint_gt(n_opposite, 50);
        scratch_close(&scratch);
}
END_TEST

/* Counts calls of policy_rule_covers(), which the linker replaces by the wrapper below. */
static size_t n_compared;

bool __real_policy_rule_covers(const struct policy_rule *outer, const struct policy_rule *inner);
bool __wrap_policy_rule_covers(const struct policy_rule *outer, const struct policy_rule *inner);

bool __wrap_policy_rule_covers(const struct policy_rule *outer, const struct policy_rule *inner) {
        n_compared++;
        return __real_policy_rule_covers(outer, inner);
}

/*
 * Load n rules about many different names: for users and groups, with prefixes of names, and some
 * with an interface but no name.
 */
static struct bus_config *load_many(struct scratch *scratch, unsigned n) {
        struct bus_config *config;
        char *body = NULL;
        size_t size;
        FILE *f;

        f = open_memstream(&body, &size);
        ck_assert_ptr_nonnull(f);
        for (unsigned i = 0; i < n; i += 8) {
                fprintf(f, "<policy user='%u'><allow own='org.a%u'/></policy>", i, i % 100);
                fprintf(f, "<policy group='%u'><allow own='org.a%u'/></policy>", i, i % 100);
                fprintf(f, DEFAULT);
                fprintf(f, "<allow own='org.b%u.c'/><deny own_prefix='org.b%u'/>", i, i);
                fprintf(f, "<allow send_destination='org.b%u' send_interface='i.j'/>", i);
                fprintf(f, "<allow send_destination='org.b%u' send_interface='i%u.j'/>", i, i);
                fprintf(f, "<deny send_interface='i%u.j'/><deny send_interface='i%u.j'/>", i, i);
                fprintf(f, END);
        }
        ck_assert_int_eq(fclose(f), 0);
        config = scratch_load_body(scratch, body);
        ck_assert_msg(config, "%s", scratch->error);
        free(body);
        return config;
}

START_TEST(rules_are_hardly_compared_with_those_of_other_names) {
        struct policy_finding *findings;
        struct bus_config *config;
        struct scratch scratch;
        size_t n;

        scratch_open(&scratch);
        config = load_many(&scratch, 20000);
        n_compared = 0;
        ck_assert_int_eq(policy_lint(config, &findings, &n), 0);
        /* To compare each rule with each other one would take 200 million comparisons. */
        ck_assert_uint_gt(n_compared, 5000);
        ck_assert_uint_lt(n_compared, 20000);
        /*
         * Five findings for every eight rules. Three rules never decide: the allow below the denied
         * prefix, the allow of the denied interface, and the first of the two equal denies. And
         * both of these denies are too broad.
         */
        ck_assert_uint_eq(n, 5 * 2500);
        policy_findings_free(findings, n);
        bus_config_free(config);
        scratch_close(&scratch);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("policy-lint");
        TCase *tcase = tcase_create("lint");

        tcase_add_loop_test(tcase, findings_are, 0, sizeof(cases) / sizeof(*cases));
        tcase_add_test(tcase, a_part_needs_no_listen);
        tcase_add_test(tcase, nothing_that_overrules_is_overlooked);
        tcase_add_test(tcase, rules_are_hardly_compared_with_those_of_other_names);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
