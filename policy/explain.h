/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Explanations - a verdict, and the rules that it depends on
 *
 * The verdict is the one that the policy gives to the bus; security modules are not asked. The
 * steps are all rules of the family that apply to the connection, in the order of evaluation. The
 * step of a rule that does not match names the attribute that differs. The last rule that matches
 * decides, with one exception: a client may always receive the replies of the bus, so no rule
 * decides about them.
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
        /* the attribute that differs; NULL: the rule matches */
        const char *mismatch;
};

struct policy_explanation {
        bool allowed;
        const struct policy_rule *rule; /* the rule that decided; NULL: none did */
        struct policy_step *steps;
        size_t n_steps;
};

/*
 * Explain a verdict. Returns 0 or -ENOMEM. The explanation points into the policy. The caller
 * clears the explanation.
 */
int policy_explain(struct policy *policy, const struct policy_question *question,
                   struct policy_explanation *ret_explanation);
void policy_explanation_clear(struct policy_explanation *explanation);

/* "default", "group", "user", "at_console" or "mandatory" */
const char *policy_context_name(enum policy_context context);
