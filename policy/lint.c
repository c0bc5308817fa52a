/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lint: the reader's warnings, then rules that never decide (policy/reach.h), then broad rules
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/array.h"
#include "policy/lint.h"
#include "policy/model.h"
#include "policy/reach.h"

struct lint {
        struct policy_finding *findings;
        size_t n_findings;
};

__attribute__((format(printf, 5, 6))) static int add(struct lint *lint,
                                                     enum policy_finding_kind kind,
                                                     const char *file, unsigned line,
                                                     const char *format, ...) {
        struct policy_finding finding = {.kind = kind, .file = file, .line = line};
        va_list args;
        int r;

        va_start(args, format);
        r = vasprintf(&finding.text, format, args);
        va_end(args);
        if (r < 0)
                return -ENOMEM;
        r = POLICY_ARRAY_APPEND(lint->findings, lint->n_findings, finding);
        if (r < 0)
                free(finding.text);
        return r;
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

static int add_warnings(struct lint *lint, const struct bus_config *config) {
        for (size_t i = 0; i < config->n_warnings; i++) {
                const char *file, *text;
                unsigned line;
                int r;

                text = split_warning(config, config->warnings[i], &file, &line);
                r = add(lint, POLICY_FINDING_READER, file, line, "%s", text);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* reachability */

/* Report an entry that a later one overrules: it is unreachable or a contradiction. */
static int add_overruled(struct lint *lint, const struct reach_entry *entry,
                         const struct reach_entry *later) {
        const struct policy_rule *rule = entry->rule, *other = later->rule;

        if (later->block->context == entry->block->context && reach_is_opposite(rule, other))
                return add(lint, POLICY_FINDING_CONTRADICTION, rule->file, rule->line,
                           "%s is contradicted by %s:%u: %s, which decides", rule->text,
                           other->file, other->line, other->text);
        return add(lint, POLICY_FINDING_UNREACHABLE, rule->file, rule->line,
                   "%s never decides, as %s:%u: %s comes after it", rule->text, other->file,
                   other->line, other->text);
}

static int check_entry(struct lint *lint, const struct reach *reach, size_t i) {
        const struct reach_entry *entry = &reach->entries[i];
        const struct policy_rule *rule = entry->rule;
        int r = 0;

        for (size_t k = reach_next_opposite(reach, i, REACH_NONE); k != REACH_NONE && r >= 0;
             k = reach_next_opposite(reach, i, k)) {
                const struct policy_rule *other = reach->entries[k].rule;

                r = add(lint, POLICY_FINDING_CONTRADICTION, rule->file, rule->line,
                        "%s and %s:%u: %s contradict each other for members of both groups, and "
                        "the order of groups is undefined",
                        rule->text, other->file, other->line, other->text);
        }
        if (r >= 0 && entry->overruled_by != REACH_NONE)
                r = add_overruled(lint, entry, &reach->entries[entry->overruled_by]);
        return r;
}

static int check_reachable(struct lint *lint, const struct policy *policy) {
        int r = 0;

        for (unsigned family = 0; family < POLICY_FAMILY_N && r >= 0; family++) {
                struct reach reach;

                r = reach_compute(policy, family, &reach);
                if (r < 0)
                        break;
                for (size_t i = 0; i < reach.n_entries && r >= 0; i++)
                        r = check_entry(lint, &reach, i);
                reach_clear(&reach);
        }
        return r;
}

/* how broad rules are */

/* The connections of a block, for a text. NULL if the block is only for root, who is trusted. */
static const char *whose(const struct policy_block *block) {
        switch (block->context) {
        case POLICY_CONTEXT_USER:
                return block->id == 0 ? NULL : "the user";
        case POLICY_CONTEXT_GROUP:
                return "the group";
        default:
                return "everybody";
        }
}

static bool names_part_of_messages(const struct policy_rule *rule) {
        return rule->interface || rule->path || rule->member || rule->error_name;
}

/* Why a rule is too broad; NULL if it is not. */
static const char *too_broad(const struct policy_block *block, const struct policy_rule *rule) {
        bool everybody =
                block->context != POLICY_CONTEXT_USER && block->context != POLICY_CONTEXT_GROUP;
        bool calls = (rule->type == POLICY_TYPE_ANY || rule->type == POLICY_TYPE_METHOD_CALL) &&
                     rule->broadcast != POLICY_TRUE;

        if (!rule->allow) {
                if (everybody && rule->family == POLICY_FAMILY_SEND && !rule->name && calls &&
                    names_part_of_messages(rule))
                        return "denies it at every service: add a send_destination";
                return NULL;
        }
        switch (rule->family) {
        case POLICY_FAMILY_OWN:
                return rule->name ? NULL : "may own any name";
        case POLICY_FAMILY_SEND:
                if (rule->name || !calls)
                        return NULL;
                return names_part_of_messages(rule)
                               ? "may do this at every service: add a send_destination"
                               : "may call every method of every service";
        case POLICY_FAMILY_RECEIVE:
                return rule->eavesdrop && everybody ? "may eavesdrop on others" : NULL;
        default:
                return NULL;
        }
}

static int check_broad(struct lint *lint, const struct policy *policy) {
        for (size_t b = 0; b < policy->n_blocks; b++) {
                const struct policy_block *block = policy->blocks[b];
                const char *who = whose(block);

                for (size_t i = 0; who && i < block->n_rules; i++) {
                        const struct policy_rule *rule = block->rules[i];
                        const char *what = too_broad(block, rule);
                        int r;

                        if (!what)
                                continue;
                        r = add(lint,
                                rule->allow ? POLICY_FINDING_BROAD_ALLOW
                                            : POLICY_FINDING_BROAD_DENY,
                                rule->file, rule->line, "%s: %s%s%s", rule->text,
                                rule->allow ? who : "", rule->allow ? " " : "", what);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int policy_lint(const struct bus_config *config, struct policy_finding **ret_findings,
                size_t *ret_n) {
        struct lint lint = {};
        int r;

        r = add_warnings(&lint, config);
        if (r >= 0)
                r = check_reachable(&lint, config->policy);
        if (r >= 0 && (!config->type || strcmp(config->type, "session") != 0))
                r = check_broad(&lint, config->policy);
        if (r < 0) {
                policy_findings_free(lint.findings, lint.n_findings);
                return r;
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
                [POLICY_FINDING_UNREACHABLE] = "unreachable",
                [POLICY_FINDING_CONTRADICTION] = "contradiction",
                [POLICY_FINDING_BROAD_ALLOW] = "broad-allow",
                [POLICY_FINDING_BROAD_DENY] = "broad-deny",
        };

        return names[kind];
}
