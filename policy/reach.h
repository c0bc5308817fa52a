/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reach - which rules of a policy decide nothing, because of which others
 *
 * The rules of a family are put into the order of evaluation. A rule is overruled by the first one
 * behind it that covers it (policy/cover.h) and is for everybody whom it is for. Before that one
 * there may be rules of other groups that are its opposite: the order of groups is undefined.
 */

#include "policy/model.h"

struct reach_entry {
        const struct policy_rule *rule;
        const struct policy_block *block;
        size_t overruled_by; /* an entry behind it; REACH_NONE */
        size_t opposite;     /* the next group's rule behind it that may be its opposite */
        size_t next[2];      /* in the two buckets that it is in */
};

#define REACH_NONE ((size_t)-1)

struct reach {
        struct reach_entry *entries;
        size_t n_entries;
};

/*
 * All rules of the family. The time it takes grows with their number: what can cover a rule is
 * looked up by the names that it has. Only rules alike in all their texts are compared one by one.
 * -ENOMEM. To be cleared.
 */
int reach_compute(const struct policy *policy, enum policy_family family, struct reach *ret_reach);
void reach_clear(struct reach *reach);

/*
 * The first entry of another group, behind entry and before what overrules it, that says the
 * opposite; after, when not REACH_NONE, is the one that was found before. REACH_NONE: no more.
 */
size_t reach_next_opposite(const struct reach *reach, size_t entry, size_t after);
/* Whether one is allowed, the other denied, and both match the same. */
bool reach_is_opposite(const struct policy_rule *a, const struct policy_rule *b);
