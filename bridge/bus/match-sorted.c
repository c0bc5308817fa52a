/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Match rules sorted by value. Rules change seldom, so a change may move the rest of the array. */

#include "bridge/bus/match-sorted.h"

#include <errno.h>
#include <stdlib.h>

#define ENTRIES_MIN 8

/*
 * A value comes before longer values that begin with it. Rules with equal values are ordered by
 * their addresses.
 */
static int compare(const struct match_sorted_entry *a, const struct match_sorted_entry *b) {
        int r = memcmp(a->value, b->value, a->n_value < b->n_value ? a->n_value : b->n_value);

        if (r != 0)
                return r;
        if (a->n_value != b->n_value)
                return a->n_value < b->n_value ? -1 : 1;
        return (uintptr_t)a->rule < (uintptr_t)b->rule ? -1 : a->rule != b->rule;
}

/*
 * Find the first entry that is not less than wanted, by binary search; sorted->n if there is none.
 */
static uint32_t find(const struct match_sorted *sorted, const struct match_sorted_entry *wanted) {
        uint32_t first = 0, n = sorted->n;

        while (n > 0) {
                uint32_t half = n / 2;

                if (compare(&sorted->entries[first + half], wanted) < 0) {
                        first += half + 1;
                        n -= half + 1;
                } else
                        n = half;
        }
        return first;
}

int match_sorted_reserve(struct match_sorted *sorted) {
        uint32_t n = sorted->n_allocated ? sorted->n_allocated * 2 : ENTRIES_MIN;
        struct match_sorted_entry *entries;

        if (sorted->n < sorted->n_allocated)
                return 0;
        entries = reallocarray(sorted->entries, n, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        sorted->entries = entries;
        sorted->n_allocated = n;
        return 0;
}

void match_sorted_add(struct match_sorted *sorted, const char *value, size_t n_value,
                      struct match_rule *rule) {
        const struct match_sorted_entry entry = {value, n_value, rule};
        uint32_t at = find(sorted, &entry);

        memmove(&sorted->entries[at + 1], &sorted->entries[at], (sorted->n - at) * sizeof(entry));
        sorted->entries[at] = entry;
        sorted->n++;
}

void match_sorted_remove(struct match_sorted *sorted, const char *value, size_t n_value,
                         struct match_rule *rule) {
        const struct match_sorted_entry entry = {value, n_value, rule};
        uint32_t at = find(sorted, &entry);

        sorted->n--;
        memmove(&sorted->entries[at], &sorted->entries[at + 1], (sorted->n - at) * sizeof(entry));
}

void match_sorted_deinit(struct match_sorted *sorted) {
        free(sorted->entries);
        *sorted = (struct match_sorted){};
}

const struct match_sorted_entry *match_sorted_begin(const struct match_sorted *sorted,
                                                    const char *value, size_t n_value,
                                                    const struct match_sorted_entry **ret_end) {
        const struct match_sorted_entry wanted = {value, n_value, NULL};

        *ret_end = sorted->entries + sorted->n;
        return sorted->n > 0 ? sorted->entries + find(sorted, &wanted) : *ret_end;
}
