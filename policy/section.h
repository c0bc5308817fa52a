/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sections - the rules of a policy, prepared for fast verdicts
 *
 * A section holds the rules of all blocks of one context, one group or one user, except rules that
 * never decide. policy_make_sections() makes the sections once. After that they are only read, and
 * all policy clients of the policy share them.
 *
 * In a section the rules of each family are numbered in the order of evaluation. A rule with a name
 * can only match if the peer has that name (or, for owning, if that name is asked for). So such
 * rules are kept in one list per name, in a hash table. Prefixes have lists of their own. A rule
 * without a name is in the list "unnamed":
 *
 *      rules      0 deny *   1 allow a.b   2 deny a.b   3 allow c.d   4 allow * type=signal
 *
 *      unnamed    0 4
 *      named      a.b: 1 2       c.d: 3
 *
 * A verdict looks up each name of the peer and each prefix of these names. It searches only the
 * lists that it finds and "unnamed", each from its end for a rule that matches. Among these rules,
 * the one with the greatest number decides. If the names of the peer cannot be listed, all rules
 * are searched from the last to the first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/model.h"

/* The numbers of the rules for one name, ascending. */
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
        bool is_final;   /* the first rule is final, so earlier sections never decide */
        bool allows_all; /* no rule is a deny or has log="true" */
        bool asks_for_path;
        /*
         * Sets of types (1 << POLICY_TYPE_*). A type is in "allows" if every message of the type is
         * allowed by this section without a log line, and in "objects" if a message of the type may
         * be denied or logged. Index 1 is for peers without a well-known name, 0 for any peer.
         * Neither set says anything about unrequested replies and eavesdropping.
         */
        uint8_t allows[2];
        uint8_t objects[2];
        bool has_prefixes;
        struct policy_rule_list unnamed;
        struct policy_rule_list *named; /* a hash table; at most half of its slots are used */
        size_t n_slots;                 /* a power of two, or 0 when no rule has a name */
};

struct policy_section {
        enum policy_context context;
        id_t id;                                       /* GROUP, USER */
        struct policy_rules families[POLICY_FAMILY_N]; /* CONNECT has no lists */
        /*
         * the memory of all families: of their rules, of the numbers in their lists, and of named
         */
        const struct policy_rule **storage;
        uint32_t *numbers;
        struct policy_rule_list *slots;
};

/*
 * Sort the blocks of a complete policy into the order of evaluation and make its sections. Groups
 * and users are sorted by their IDs. Returns 0 or -ENOMEM.
 */
int policy_make_sections(struct policy *policy);
void policy_section_clear(struct policy_section *section);

/*
 * Iterate over the sections that apply to a user with these groups, in the order of evaluation.
 * *position is 0 for the first call. Returns NULL after the last section.
 */
const struct policy_section *policy_section_next(const struct policy *policy, size_t *position,
                                                 uid_t uid, const gid_t *gids, size_t n_gids);

/*
 * FNV-1a, one character in each step. So a look-up of a.b.c gets the hashes of a, a.b and a.b.c in
 * one pass. The hash has no secret key, because only the authors of the configuration choose the
 * names in the table.
 */
#define POLICY_HASH_INIT UINT32_C(2166136261)

static inline uint32_t policy_hash_step(uint32_t hash, char c) {
        return (hash ^ (uint8_t)c) * UINT32_C(16777619);
}

static inline uint32_t policy_hash_name(const char *name) {
        uint32_t hash = POLICY_HASH_INIT;

        for (; *name; name++)
                hash = policy_hash_step(hash, *name);
        return hash;
}

/*
 * Find the list for the first n bytes of name, whose hash is given. Returns NULL if there is none.
 */
const struct policy_rule_list *policy_list_find(const struct policy_rules *rules, const char *name,
                                                size_t n, uint32_t hash, bool is_prefix);
