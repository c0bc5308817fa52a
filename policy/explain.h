/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Explanations - a verdict with all that was looked at on the way
 *
 * The verdict is the one that a bus gives. The steps are the rules of the family in question that
 * are for the connection, in the order of evaluation, of which the last that matches decides.
 */

#include "policy/model.h"

struct policy_question {
        enum policy_family family;
        uid_t uid;
        const gid_t *gids;
        size_t n_gids;
        uid_t bus_uid;                 /* CONNECT */
        const char *name;              /* OWN */
        struct policy_message message; /* SEND, RECEIVE */
};

struct policy_step {
        const struct policy_rule *rule;
        const struct policy_block *block;
        /* the attribute because of which the rule does not match; NULL when it does */
        const char *mismatch;
};

struct policy_explanation {
        bool allowed;
        const struct policy_rule *rule; /* that decided; NULL: none matched */
        struct policy_step *steps;
        size_t n_steps;
};

/* 0 or -ENOMEM. What the explanation points to is the policy's; it is freed with _clear(). */
int policy_explain(struct policy *policy, const struct policy_question *question,
                   struct policy_explanation *ret_explanation);
void policy_explanation_clear(struct policy_explanation *explanation);

/* "default", "group", "user", "at_console" or "mandatory" */
const char *policy_context_name(enum policy_context context);
