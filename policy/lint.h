/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lint - what is allowed to be in a configuration and still is hardly what its author wants
 */

#include "policy/config.h"

enum policy_finding_kind {
        /* what the reader had to say: unknown users, at_console, departures from the reference */
        POLICY_FINDING_READER,
        /* the rule never decides about anything, as a later one always does */
        POLICY_FINDING_UNREACHABLE,
        /* allowed and denied in the same place, or in that of two groups of undefined order */
        POLICY_FINDING_CONTRADICTION,
        /* an allow for more than one service, or for anybody's messages */
        POLICY_FINDING_BROAD_ALLOW,
        /* a deny that also hits services which it does not know */
        POLICY_FINDING_BROAD_DENY,
        POLICY_FINDING_N,
};

struct policy_finding {
        enum policy_finding_kind kind;
        const char *file; /* the configuration's; NULL when it is not known */
        unsigned line;
        char *text;
};

/*
 * All findings about a configuration, in the order of the rules. How broad rules are does not
 * matter on a session bus, which is one user's. 0 or -ENOMEM. Freed with policy_findings_free().
 */
int policy_lint(const struct bus_config *config, struct policy_finding **ret_findings,
                size_t *ret_n);
struct policy_finding *policy_findings_free(struct policy_finding *findings, size_t n);

/* "unreachable" */
const char *policy_finding_kind_name(enum policy_finding_kind kind);
