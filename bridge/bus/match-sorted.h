/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Match rules in a row
 *
 * An argument that ends with "/" matches rules for any path below it. What the message has tells
 * only how their values begin: so rules for path arguments are also kept sorted by value, where
 * those that begin in the same way are next to each other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct match_rule;

struct match_sorted_entry {
        const char *value; /* the rule's */
        size_t n_value;
        struct match_rule *rule;
};

struct match_sorted {
        struct match_sorted_entry *entries;
        uint32_t n, n_allocated;
};

/* Room for another. -ENOMEM. */
int match_sorted_reserve(struct match_sorted *sorted);
void match_sorted_add(struct match_sorted *sorted, const char *value, size_t n_value,
                      struct match_rule *rule);
void match_sorted_remove(struct match_sorted *sorted, const char *value, size_t n_value,
                         struct match_rule *rule);
void match_sorted_deinit(struct match_sorted *sorted);

/* The first entry that is not before value, where those that begin with it begin; and all's end. */
const struct match_sorted_entry *match_sorted_begin(const struct match_sorted *sorted,
                                                    const char *value, size_t n_value,
                                                    const struct match_sorted_entry **ret_end);

static inline bool match_sorted_begins_with(const struct match_sorted_entry *entry,
                                            const char *value, size_t n_value) {
        return entry->n_value >= n_value && !memcmp(entry->value, value, n_value);
}
