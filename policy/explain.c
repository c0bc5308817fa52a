/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Explanations: verdicts and steps
 *
 * The verdict comes from the functions that the bus uses. The steps come from the blocks, because
 * sections do not contain the rules that cannot decide.
 */

#include <stdlib.h>

#include "policy/array.h"
#include "policy/explain.h"
#include "policy/match.h"

static enum policy_mismatch match(const struct policy_rule *rule,
                                  const struct policy_question *question) {
        switch (rule->family) {
        case POLICY_FAMILY_CONNECT:
                return policy_rule_match_connect(rule, question->uid, question->gids,
                                                 question->n_gids);
        case POLICY_FAMILY_OWN:
                return policy_rule_match_own(rule, question->name);
        default:
                return policy_rule_match_message(rule, &question->message);
        }
}

static int add_block(struct policy_explanation *explanation, const struct policy_block *block,
                     const struct policy_question *question) {
        int r = 0;

        for (size_t i = 0; i < block->n_rules && r >= 0; i++) {
                struct policy_step step = {.rule = block->rules[i], .block = block};

                if (step.rule->family != question->family)
                        continue;
                step.mismatch = policy_mismatch_attribute(step.rule, match(step.rule, question));
                r = POLICY_ARRAY_APPEND(explanation->steps, explanation->n_steps, step);
        }
        return r;
}

static int add_steps(struct policy_explanation *explanation, const struct policy *policy,
                     const struct policy_question *question) {
        int r = 0;

        for (size_t b = 0; b < policy->n_blocks && r >= 0; b++) {
                const struct policy_block *block = policy->blocks[b];

                if (policy_context_applies(block->context, block->id, question->uid, question->gids,
                                           question->n_gids))
                        r = add_block(explanation, block, question);
        }
        return r;
}

static int judge(struct policy_explanation *e, struct policy *policy,
                 const struct policy_question *question) {
        struct policy_client *client;
        int r;

        if (question->family == POLICY_FAMILY_CONNECT) {
                e->allowed = policy_check_connect(policy, question->uid, question->gids,
                                                  question->n_gids, question->bus_uid, &e->rule);
                return 0;
        }
        r = policy_client_new(policy, question->uid, question->gids, question->n_gids, &client);
        if (r < 0)
                return r;
        if (question->family == POLICY_FAMILY_OWN)
                e->allowed = policy_check_own(client, question->name, &e->rule);
        else if (question->family == POLICY_FAMILY_SEND)
                e->allowed = policy_check_send(client, &question->message, &e->rule);
        else
                e->allowed = policy_check_receive(client, &question->message, &e->rule);
        policy_client_free(client);
        return 0;
}

int policy_explain(struct policy *policy, const struct policy_question *question,
                   struct policy_explanation *ret_explanation) {
        struct policy_explanation explanation = {};
        int r;

        r = judge(&explanation, policy, question);
        if (r >= 0)
                r = add_steps(&explanation, policy, question);
        if (r < 0)
                policy_explanation_clear(&explanation);
        else
                *ret_explanation = explanation;
        return r;
}

void policy_explanation_clear(struct policy_explanation *explanation) {
        free(explanation->steps);
        *explanation = (struct policy_explanation){};
}

const char *policy_context_name(enum policy_context context) {
        static const char *const names[POLICY_CONTEXT_N] = {
                [POLICY_CONTEXT_DEFAULT] = "default",
                [POLICY_CONTEXT_GROUP] = "group",
                [POLICY_CONTEXT_USER] = "user",
                [POLICY_CONTEXT_CONSOLE_TRUE] = "at_console",
                [POLICY_CONTEXT_CONSOLE_FALSE] = "at_console",
                [POLICY_CONTEXT_MANDATORY] = "mandatory",
        };

        return names[context];
}
