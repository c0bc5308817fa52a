/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Answers - a verdict with the rules that were evaluated, from files or from a running bus */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/question.h"

#define ANSWER_NO_ID UINT32_MAX

struct answer_rule {
        char *file;
        uint32_t line;
        char *text;
        bool allow;
        char *context;
        uint32_t id;    /* of user or group; ANSWER_NO_ID: the context has none */
        char *mismatch; /* the attribute that differs; NULL: the rule matches */
        bool decides;
};

struct answer {
        bool allowed;
        char *reason; /* when no rule decides, else NULL */
        struct answer_rule *rules;
        size_t n_rules;
};

/*
 * Ask a policy. With matching, the answer has only the rules that match. Returns 0 or an exit
 * status. After a success, the caller frees the answer with answer_clear().
 */
int answer_make(struct answer *ret_answer, struct policy *policy,
                const struct policy_question *question, bool matching);
/* Add a copy of the rule. A mismatch of "" means the same as NULL. */
void answer_add(struct answer *answer, const struct answer_rule *rule);
void answer_clear(struct answer *answer);

/* The rule that decides, or NULL. */
const struct answer_rule *answer_rule(const struct answer *answer);
/* Do a and b have the same verdict and the same deciding rule? */
bool answer_equal(const struct answer *a, const struct answer *b);

/* Print "allowed" or "denied", and the rule that decides, or else the reason. */
void answer_print_verdict(const struct answer *answer);
void answer_print_rules(const struct answer *answer);
/* Add the keys verdict, rule, reason and rules to the object. */
void answer_to_json(const struct answer *answer, struct json_object *object);
