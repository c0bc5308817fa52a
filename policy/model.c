/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks and policies: making them, and adding what they own. */

#include <stdlib.h>
#include <string.h>

#include "policy/array.h"
#include "policy/model.h"

struct policy_block *policy_block_new(enum policy_context context, id_t id) {
        struct policy_block *block = calloc(1, sizeof(*block));

        if (block)
                *block = (struct policy_block){.context = context, .id = id};
        return block;
}

struct policy_block *policy_block_free(struct policy_block *block) {
        if (!block)
                return NULL;
        for (size_t i = 0; i < block->n_rules; i++)
                policy_rule_free(block->rules[i]);
        free(block->rules);
        free(block);
        return NULL;
}

int policy_block_add(struct policy_block *block, struct policy_rule *rule) {
        return POLICY_ARRAY_APPEND(block->rules, block->n_rules, rule);
}

struct policy *policy_new(void) {
        struct policy *policy = calloc(1, sizeof(*policy));

        if (policy)
                policy->n_refs = 1;
        return policy;
}

struct policy *policy_ref(struct policy *policy) {
        if (policy)
                policy->n_refs++;
        return policy;
}

const char *policy_intern(struct policy *policy, const char *name) {
        for (size_t i = 0; i < policy->n_names; i++)
                if (strcmp(policy->names[i], name) == 0)
                        return policy->names[i];
        return policy_append_copy(&policy->names, &policy->n_names, name) < 0
                       ? NULL
                       : policy->names[policy->n_names - 1];
}
