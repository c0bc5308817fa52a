/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sections - a policy's rules, made ready for verdicts
 *
 * A section is what all blocks for the same connections say: those of one context, one group or one
 * user. It is made once, with the policy, and then only looked at; a connection has the few
 * sections that apply to it.
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

struct policy_rules {
        const struct policy_rule **rules;
        size_t n;
        bool is_final;   /* the first rule decides where no other does: no section before counts */
        bool allows_all; /* no rule denies or logs */
        bool asks_for_path;
        /*
         * Types, 1 << POLICY_TYPE_*: those of which every message is allowed without a log, and
         * those of which one might be denied or logged. Of the others some may be allowed. [1] is
         * for peers without a name. Replies are requested ones, and nobody eavesdrops.
         */
        uint8_t allows[2];
        uint8_t objects[2];
        bool has_prefixes;
        struct policy_rule_list unnamed;
        struct policy_rule_list
                *named; /* n_slots, a power of two, of which at most half are used */
        size_t n_slots; /* 0 when no rule names anybody */
};

struct policy_section {
        enum policy_context context;
        id_t id;                                       /* GROUP, USER */
        struct policy_rules families[POLICY_FAMILY_N]; /* CONNECT has no lists */
        const struct policy_rule **storage;
        uint32_t *numbers;
        struct policy_rule_list *slots;
};

/*
 * Put the blocks of a policy that is complete into the order of evaluation, and make its sections.
 * Groups are in the order of their IDs. -ENOMEM.
 */
int policy_make_sections(struct policy *policy);
void policy_section_clear(struct policy_section *section);

/*
 * The next section that is for such a connection, in the order of evaluation; NULL after the last.
 * *position is 0 for the first.
 */
const struct policy_section *policy_section_next(const struct policy *policy, size_t *position,
                                                 uid_t uid, const gid_t *gids, size_t n_gids);

/* FNV-1a: names in configurations are nobody's to choose who could want them to collide. */
#define POLICY_HASH_INIT UINT32_C(2166136261)

static inline uint32_t policy_hash_step(uint32_t hash, char c) {
        return (hash ^ (uint8_t)c) * UINT32_C(16777619);
}

/* The list for the first n bytes of name, with their hash; NULL when there is none. */
const struct policy_rule_list *policy_list_find(const struct policy_rules *rules, const char *name,
                                                size_t n, uint32_t hash, bool is_prefix);
