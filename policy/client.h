/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy clients as data - see policy/policy.h
 *
 * The rules of a family are numbered in the order of evaluation. Those that name somebody are only
 * tried for who has the name: they are in lists, one for each name, that are found by its hash;
 * those for everybody are in a list of their own. Of each list the last rule that matches is looked
 * for; the last of these decides.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/model.h"

/* Numbers of rules, ascending. */
struct policy_rule_list {
        const char *name;
        bool is_prefix;
        uint32_t hash;
        const uint32_t *numbers;
        size_t n;
};

struct policy_client_rules {
        const struct policy_rule **rules;
        size_t n;
        bool allows_all;
        bool has_prefixes;
        struct policy_rule_list unnamed;
        struct policy_rule_list
                *named; /* n_slots, a power of two, of which at most half are used */
        size_t n_slots; /* 0 when no rule names anybody */
};

struct policy_client {
        unsigned n_refs;
        struct policy *policy;
        struct policy_client *prev, *next;                    /* of the policy */
        bool *applies;                                        /* each block of the policy */
        struct policy_client_rules families[POLICY_FAMILY_N]; /* CONNECT is not used */
        uint32_t *numbers;
        struct policy_rule_list *slots;
        const struct policy_rule *storage[];
};

/* FNV-1a: names in configurations are nobody's to choose who could want them to collide. */
#define POLICY_HASH_INIT UINT32_C(2166136261)

static inline uint32_t policy_hash_step(uint32_t hash, char c) {
        return (hash ^ (uint8_t)c) * UINT32_C(16777619);
}

/* The list for the first n bytes of name, with their hash; NULL when there is none. */
const struct policy_rule_list *policy_list_find(const struct policy_client_rules *rules,
                                                const char *name, size_t n, uint32_t hash,
                                                bool is_prefix);
