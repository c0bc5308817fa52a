/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lint - finds parts of a configuration that are valid but probably mistakes
 *
 * policy_lint() looks at a configuration that was read successfully and returns a list of findings:
 * first the warnings of the reader, then rules that never decide or contradict each other, then
 * rules that are too broad. doc/operating/bus1ctl.md describes each kind.
 */

#include "policy/config.h"

enum policy_finding_kind {
        /* a warning of the reader, for example about an unknown user or about at_console */
        POLICY_FINDING_READER,
        /* a warning of the reader about a rule that dbus-daemon understands differently */
        POLICY_FINDING_DIFFERENT,
        /* the rule never decides, because a later one matches whenever it matches */
        POLICY_FINDING_UNREACHABLE,
        /*
         * One rule allows what another one denies. Both are in one section, or in the sections of
         * two groups, whose order is undefined.
         */
        POLICY_FINDING_CONTRADICTION,
        /* an allow for every service, for any name, or for eavesdropping */
        POLICY_FINDING_BROAD_ALLOW,
        /* a deny without a destination, which affects services that its author does not know */
        POLICY_FINDING_BROAD_DENY,
        POLICY_FINDING_N,
};

struct policy_finding {
        enum policy_finding_kind kind;
        const char *file; /* owned by the configuration; NULL: not known */
        unsigned line;
        char *text;
};

/*
 * Make the list of findings. Broad rules are not reported on a session bus, where all clients
 * belong to one user. Returns 0 or -ENOMEM. The caller frees the list with policy_findings_free().
 */
int policy_lint(const struct bus_config *config, struct policy_finding **ret_findings,
                size_t *ret_n);
struct policy_finding *policy_findings_free(struct policy_finding *findings, size_t n);

/* The name of a kind, such as "unreachable". */
const char *policy_finding_kind_name(enum policy_finding_kind kind);
