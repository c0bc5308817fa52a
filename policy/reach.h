/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reach - which rules never decide, and because of which other rules
 *
 * The rules of one family are entries in the order of evaluation. An entry is overruled by the
 * first later entry that covers it (policy/cover.h) and applies to all of its connections. An entry
 * of a group may also have opposites: later rules of other groups that match the same but decide
 * the opposite, and are not after an entry that overrules this one. dbus-daemon defines no order of
 * groups, so for a member of both groups the configuration contradicts itself:
 *
 *      0  group 27   allow own="a.b"    opposite: 1      overruled by 2
 *      1  group 44   deny own="a.b"                      overruled by 2
 *      2  mandatory  deny own="*"
 */

#include "policy/model.h"

struct reach_entry {
        const struct policy_rule *rule;
        const struct policy_block *block;
        size_t overruled_by; /* a later entry, or REACH_NONE */
        size_t opposite;     /* the next later entry that may be an opposite, or REACH_NONE */
        size_t next[2];      /* the next entries in the buckets of this entry, see reach.c */
};

#define REACH_NONE ((size_t)-1)

struct reach {
        struct reach_entry *entries;
        size_t n_entries;
};

/*
 * Find the entry that overrules each rule of the family. The rules are in buckets, by their
 * connections, name and texts (interface, member, path, error name). The search for a rule that
 * overrules another looks only into the buckets in which it can be, and compares the rules in them
 * one by one. If no bucket has many rules, the time grows with the number of rules, not with its
 * square. Returns 0, with a result that the caller clears, or -ENOMEM.
 */
int reach_compute(const struct policy *policy, enum policy_family family, struct reach *ret_reach);
void reach_clear(struct reach *reach);

/*
 * Iterate over the opposites of an entry, up to the entry that overrules it. after is the previous
 * result, or REACH_NONE for the first call. Returns REACH_NONE when there are no more.
 */
size_t reach_next_opposite(const struct reach *reach, size_t entry, size_t after);
/* Do both rules match the same, one to allow and the other to deny it? */
bool reach_is_opposite(const struct policy_rule *a, const struct policy_rule *b);
