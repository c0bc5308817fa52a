/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Match rules sorted by value
 *
 * A message argument that ends with "/" matches argNpath rules for any path below it. A hash table
 * cannot find these rules, because the argument is only a prefix of their values. So the rules of
 * an argNpath branch (match.h) are also kept in an array sorted by value, where all rules with one
 * prefix are neighbours:
 *
 *     /a/    /a/b    /a/b/c    /a/d    /b
 *     `--- below the argument /a/ ---'
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct match_rule;

struct match_sorted_entry {
        const char *value; /* owned by the rule */
        size_t n_value;
        struct match_rule *rule;
};

struct match_sorted {
        struct match_sorted_entry *entries;
        uint32_t n, n_allocated;
};

/* Make room for one more entry, so that match_sorted_add() cannot fail. -ENOMEM. */
int match_sorted_reserve(struct match_sorted *sorted);
void match_sorted_add(struct match_sorted *sorted, const char *value, size_t n_value,
                      struct match_rule *rule);
void match_sorted_remove(struct match_sorted *sorted, const char *value, size_t n_value,
                         struct match_rule *rule);
void match_sorted_deinit(struct match_sorted *sorted);

/*
 * Find the first entry that is not less than value. The entries that begin with value, if there are
 * any, start there. *ret_end is the end of the array.
 */
const struct match_sorted_entry *match_sorted_begin(const struct match_sorted *sorted,
                                                    const char *value, size_t n_value,
                                                    const struct match_sorted_entry **ret_end);

static inline bool match_sorted_begins_with(const struct match_sorted_entry *entry,
                                            const char *value, size_t n_value) {
        return entry->n_value >= n_value && !memcmp(entry->value, value, n_value);
}
