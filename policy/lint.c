/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lint: the reader's warnings, then rules that never decide or contradict each other
 * (policy/reach.h), then broad rules
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/array.h"
#include "policy/lint.h"
#include "policy/model.h"
#include "policy/reach.h"

struct lint {
        struct policy_finding *findings;
        size_t n_findings;
        int result; /* the first error; nothing is added after it */
};

__attribute__((format(printf, 5, 6))) static void add(struct lint *lint,
                                                      enum policy_finding_kind kind,
                                                      const char *file, unsigned line,
                                                      const char *format, ...) {
        struct policy_finding finding = {.kind = kind, .file = file, .line = line};
        va_list args;
        int r;

        if (lint->result < 0)
                return;
        va_start(args, format);
        r = vasprintf(&finding.text, format, args);
        va_end(args);
        if (r < 0)
                finding.text = NULL;
        lint->result =
                r < 0 ? -ENOMEM : POLICY_ARRAY_APPEND(lint->findings, lint->n_findings, finding);
        if (lint->result < 0)
                free(finding.text);
}

/* The text of the finding is the rule, the joint, the other rule if there is one, and the tail. */
static void add_rule(struct lint *lint, enum policy_finding_kind kind,
                     const struct policy_rule *rule, const char *joint,
                     const struct policy_rule *other, const char *tail) {
        CLEANUP_FREE char *text = policy_rule_text(rule);
        CLEANUP_FREE char *description = other ? policy_rule_describe(other) : strdup("");

        if (text && description)
                add(lint, kind, rule->file, rule->line, "%s%s%s%s", text, joint, description, tail);
        else if (lint->result >= 0)
                lint->result = -ENOMEM;
}

/* the reader's warnings */

/* Split a warning into its place (FILE:LINE: or FILE:LINE:COLUMN:) and its text. */
static const char *split_warning(const struct bus_config *config, const char *warning,
                                 const char **ret_file, unsigned *ret_line) {
        for (size_t i = 0; i < config->inputs.n_files; i++) {
                size_t n = strlen(config->inputs.files[i]);
                unsigned line, column;
                int end = 0;

                if (strncmp(warning, config->inputs.files[i], n) != 0)
                        continue;
                if (sscanf(warning + n, ":%u:%u: %n", &line, &column, &end) < 2 || !end)
                        if (sscanf(warning + n, ":%u: %n", &line, &end) < 1 || !end)
                                continue;
                *ret_file = config->inputs.files[i];
                *ret_line = line;
                return warning + n + end;
        }
        *ret_file = NULL;
        *ret_line = 0;
        return warning;
}

static void add_warnings(struct lint *lint, const struct bus_config *config) {
        for (size_t i = 0; i < config->n_warnings; i++) {
                const char *file, *text;
                unsigned line;

                text = split_warning(config, config->warnings[i], &file, &line);
                add(lint,
                    i < config->n_warnings - config->n_differences ? POLICY_FINDING_READER
                                                                   : POLICY_FINDING_DIFFERENT,
                    file, line, "%s", text);
        }
}

/* rules that never decide */

/* Report an entry that a later one overrules: it is unreachable or a contradiction. */
static void add_overruled(struct lint *lint, const struct reach_entry *entry,
                          const struct reach_entry *later) {
        const struct policy_rule *rule = entry->rule, *other = later->rule;

        if (later->block->context == entry->block->context && reach_is_opposite(rule, other))
                add_rule(lint, POLICY_FINDING_CONTRADICTION, rule, " is contradicted by ", other,
                         ", which decides");
        else
                add_rule(lint, POLICY_FINDING_UNREACHABLE, rule, " never decides, because ", other,
                         " comes after it");
}

static void check_entry(struct lint *lint, const struct reach *reach, size_t i) {
        const struct reach_entry *entry = &reach->entries[i];
        const struct policy_rule *rule = entry->rule;

        for (size_t k = reach_next_opposite(reach, i, REACH_NONE); k != REACH_NONE;
             k = reach_next_opposite(reach, i, k))
                add_rule(lint, POLICY_FINDING_CONTRADICTION, rule, " and ", reach->entries[k].rule,
                         " contradict each other for members of both groups, and the order of "
                         "groups is undefined");
        if (entry->overruled_by != REACH_NONE)
                add_overruled(lint, entry, &reach->entries[entry->overruled_by]);
}

static void check_reachable(struct lint *lint, const struct policy *policy) {
        for (unsigned family = 0; family < POLICY_FAMILY_N && lint->result >= 0; family++) {
                struct reach reach;

                lint->result = reach_compute(policy, family, &reach);
                if (lint->result < 0)
                        return;
                for (size_t i = 0; i < reach.n_entries; i++)
                        check_entry(lint, &reach, i);
                reach_clear(&reach);
        }
}

/* how broad rules are */

static bool names_part_of_messages(const struct policy_rule *rule) {
        return rule->interface || rule->path || rule->member || rule->error_name;
}

/* The reason why a rule is too broad; NULL if it is not. */
static const char *too_broad(const struct policy_rule *rule, bool everybody) {
        bool calls = (rule->type == POLICY_TYPE_ANY || rule->type == POLICY_TYPE_METHOD_CALL) &&
                     rule->broadcast != POLICY_TRUE;

        if (rule->family == POLICY_FAMILY_OWN)
                return rule->allow && !rule->name ? "may own any name" : NULL;
        if (rule->family == POLICY_FAMILY_RECEIVE)
                return rule->allow && rule->eavesdrop && everybody ? "may eavesdrop on others"
                                                                   : NULL;
        if (rule->family != POLICY_FAMILY_SEND || rule->name || !calls)
                return NULL;
        if (!rule->allow)
                return everybody && names_part_of_messages(rule)
                               ? "denies this at every service: add a send_destination"
                               : NULL;
        return names_part_of_messages(rule) ? "may do this at every service: add a send_destination"
                                            : "may call every method of every service";
}

static void check_block(struct lint *lint, const struct policy_block *block) {
        bool is_user = block->context == POLICY_CONTEXT_USER;
        bool is_group = block->context == POLICY_CONTEXT_GROUP;
        const char *who = is_user ? ": the user " : is_group ? ": the group " : ": everybody ";

        if (is_user && block->id == 0)
                return; /* root is trusted */
        if (block->context == POLICY_CONTEXT_CONSOLE_TRUE)
                return; /* applies to nobody */
        for (size_t i = 0; i < block->n_rules; i++) {
                const struct policy_rule *rule = block->rules[i];
                const char *what = too_broad(rule, !is_user && !is_group);

                if (what && rule->allow)
                        add_rule(lint, POLICY_FINDING_BROAD_ALLOW, rule, who, NULL, what);
                else if (what)
                        add_rule(lint, POLICY_FINDING_BROAD_DENY, rule, ": ", NULL, what);
        }
}

int policy_lint(const struct bus_config *config, struct policy_finding **ret_findings,
                size_t *ret_n) {
        struct lint lint = {};

        add_warnings(&lint, config);
        check_reachable(&lint, config->policy);
        if (!config->type || strcmp(config->type, "session") != 0)
                for (size_t b = 0; b < config->policy->n_blocks; b++)
                        check_block(&lint, config->policy->blocks[b]);
        if (lint.result < 0) {
                policy_findings_free(lint.findings, lint.n_findings);
                return lint.result;
        }
        *ret_findings = lint.findings;
        *ret_n = lint.n_findings;
        return 0;
}

struct policy_finding *policy_findings_free(struct policy_finding *findings, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(findings[i].text);
        free(findings);
        return NULL;
}

const char *policy_finding_kind_name(enum policy_finding_kind kind) {
        static const char *const names[POLICY_FINDING_N] = {
                [POLICY_FINDING_READER] = "reader",
                [POLICY_FINDING_DIFFERENT] = "different",
                [POLICY_FINDING_UNREACHABLE] = "unreachable",
                [POLICY_FINDING_CONTRADICTION] = "contradiction",
                [POLICY_FINDING_BROAD_ALLOW] = "broad-allow",
                [POLICY_FINDING_BROAD_DENY] = "broad-deny",
        };

        return names[kind];
}
