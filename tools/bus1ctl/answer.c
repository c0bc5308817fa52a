/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tools/bus1ctl/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/bus1ctl/output.h"

void answer_add(struct answer *answer, const struct answer_rule *rule) {
        struct answer_rule own = *rule;

        own.file = copy_text(rule->file);
        own.text = copy_text(rule->text);
        own.context = copy_text(rule->context);
        own.mismatch = rule->mismatch && rule->mismatch[0] ? copy_text(rule->mismatch) : NULL;
        APPEND(answer->rules, answer->n_rules, own);
}

int answer_make(struct answer *ret_answer, struct policy *policy,
                const struct policy_question *question, bool matching) {
        struct policy_explanation explanation;
        struct answer answer = {};
        int r;

        r = policy_explain(policy, question, &explanation);
        if (r < 0)
                return report_failure("%s", strerror(-r));
        answer.allowed = explanation.allowed;
        if (!explanation.rule)
                answer.reason = copy_text(policy_default_reason(question, explanation.allowed));
        for (size_t i = 0; i < explanation.n_steps; i++) {
                const struct policy_step *step = &explanation.steps[i];
                bool has_id = step->block->context == POLICY_CONTEXT_USER ||
                              step->block->context == POLICY_CONTEXT_GROUP;
                CLEANUP_FREE char *text = policy_rule_text(step->rule);
                const struct answer_rule rule = {
                        .file = (char *)step->rule->file,
                        .line = step->rule->line,
                        .text = text,
                        .allow = step->rule->allow,
                        .context = (char *)policy_context_name(step->block->context),
                        .id = has_id ? step->block->id : ANSWER_NO_ID,
                        .mismatch = (char *)step->mismatch,
                        .decides = step->rule == explanation.rule,
                };

                check_memory(text);
                if (!step->mismatch || !matching)
                        answer_add(&answer, &rule);
        }
        policy_explanation_clear(&explanation);
        *ret_answer = answer;
        return 0;
}

void answer_clear(struct answer *answer) {
        for (size_t i = 0; i < answer->n_rules; i++) {
                free(answer->rules[i].file);
                free(answer->rules[i].text);
                free(answer->rules[i].context);
                free(answer->rules[i].mismatch);
        }
        free(answer->rules);
        free(answer->reason);
        *answer = (struct answer){};
}

const struct answer_rule *answer_rule(const struct answer *answer) {
        for (size_t i = 0; i < answer->n_rules; i++)
                if (answer->rules[i].decides)
                        return &answer->rules[i];
        return NULL;
}

bool answer_equal(const struct answer *a, const struct answer *b) {
        const struct answer_rule *x = answer_rule(a), *y = answer_rule(b);

        if (a->allowed != b->allowed || !x != !y)
                return false;
        return !x || (x->line == y->line && strcmp(x->file, y->file) == 0 &&
                      strcmp(x->text, y->text) == 0);
}

void answer_print_verdict(const struct answer *answer) {
        const struct answer_rule *rule = answer_rule(answer);

        output_print("%s", answer->allowed ? "allowed" : "denied");
        if (rule)
                output_print(" by %s:%u: %s\n", rule->file, rule->line, rule->text);
        else
                output_print(": %s\n", answer->reason);
}

void answer_print_rules(const struct answer *answer) {
        printf("\nrules in the order of evaluation (=> decides, + matches):\n");
        for (size_t i = 0; i < answer->n_rules; i++) {
                const struct answer_rule *rule = &answer->rules[i];

                output_print("%s %s",
                             rule->decides    ? "=>"
                             : rule->mismatch ? "  "
                                              : " +",
                             rule->context);
                if (rule->id != ANSWER_NO_ID)
                        output_print("=%u", rule->id);
                output_print(" %s:%u: %s", rule->file, rule->line, rule->text);
                if (rule->mismatch)
                        output_print(" (differs: %s)", rule->mismatch);
                putchar('\n');
        }
}

static struct json_object *rule_to_json(const struct answer_rule *rule) {
        struct json_object *object;

        if (!rule)
                return NULL;
        object = json_make_object();
        json_add_string(object, "file", rule->file);
        json_add_number(object, "line", rule->line);
        json_add_string(object, "text", rule->text);
        json_add_bool(object, "allow", rule->allow);
        return object;
}

void answer_to_json(const struct answer *answer, struct json_object *object) {
        struct json_object *rules = json_make_array();

        json_add_string(object, "verdict", answer->allowed ? "allow" : "deny");
        json_add(object, "rule", rule_to_json(answer_rule(answer)));
        json_add_string(object, "reason", answer->reason);
        for (size_t i = 0; i < answer->n_rules; i++) {
                const struct answer_rule *rule = &answer->rules[i];
                struct json_object *one = rule_to_json(rule);

                json_add_string(one, "context", rule->context);
                if (rule->id != ANSWER_NO_ID)
                        json_add_number(one, "id", rule->id);
                json_add_bool(one, "matches", !rule->mismatch);
                json_add_string(one, "mismatch", rule->mismatch);
                json_append(rules, one);
        }
        json_add(object, "rules", rules);
}
