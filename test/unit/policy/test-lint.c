/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lint: what is found in a configuration, and what is not
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/lint.h"
#include "support.h"

#define DEFAULT "<policy context=\"default\">"
#define MANDATORY "<policy context=\"mandatory\">"
#define END "</policy>"

/* "KIND:LINE KIND:LINE ...", the body being on line 2 of its file */
static const struct {
        const char *body, *findings;
} cases[] = {
        {DEFAULT "<allow own=\"a.b\"/><allow send_destination=\"a.b\"/>" END, ""},
        /* what the reader says comes with its place */
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
        /* an allow for one interface does not match where there is none */
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
        /* how broad rules are */
        {DEFAULT "<allow own=\"*\"/>" END, "broad-allow:2"},
        {"<type>session</type>" DEFAULT "<allow own=\"*\"/>" END, ""},
        {"<policy user=\"1\"><allow own=\"*\"/>" END, "broad-allow:2"},
        {"<policy user=\"0\"><allow own=\"*\"/>" END, ""},
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

int main(void) {
        Suite *suite = suite_create("policy-lint");
        TCase *tcase = tcase_create("lint");

        tcase_add_loop_test(tcase, findings_are, 0, sizeof(cases) / sizeof(*cases));
        tcase_add_test(tcase, a_part_needs_no_listen);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
