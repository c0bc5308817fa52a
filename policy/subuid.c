/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Subordinate users: see subuid.h. */

#include "policy/subuid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/array.h"

/* A range with its owner, a name or a number. */
struct owned {
        struct bus_subuid_range range;
        char *owner;
};

/* Parse a number up to UINT32_MAX that the character follows. */
static bool parse_number(char **text, char end, uint32_t *ret_number) {
        unsigned long long number;
        char *after;

        if (**text < '0' || **text > '9')
                return false;
        errno = 0;
        number = strtoull(*text, &after, 10);
        if (errno || number > UINT32_MAX || *after != end)
                return false;
        *ret_number = (uint32_t)number;
        *text = after + 1;
        return true;
}

/* Parse OWNER:FIRST:COUNT. The owner points into the line. */
static bool parse_line(char *line, struct owned *ret_owned) {
        char *at = strchr(line, ':');
        uint32_t count;

        line[strcspn(line, "\n")] = '\0';
        if (!at || at == line)
                return false;
        *at++ = '\0';
        /* UINT32_MAX is no uid: for the kernel it means "none" */
        if (!parse_number(&at, ':', &ret_owned->range.first) || !parse_number(&at, '\0', &count) ||
            count == 0 || count > UINT32_MAX - ret_owned->range.first)
                return false;
        ret_owned->range.last = ret_owned->range.first + (count - 1);
        ret_owned->owner = line;
        return true;
}

static int compare_owned(const void *left, const void *right) {
        const struct owned *a = left, *b = right;
        int r = strcmp(a->owner, b->owner);

        return r ?: (a->range.first > b->range.first) - (a->range.first < b->range.first);
}

static int compare_ranges(const void *left, const void *right) {
        const struct bus_subuid_range *a = left, *b = right;

        return (a->first > b->first) - (a->first < b->first);
}

static int read_lines(FILE *f, struct owned **owned, size_t *n) {
        CLEANUP_FREE char *line = NULL;
        size_t room = 0;

        while (getline(&line, &room, f) >= 0) {
                struct owned item;
                int r;

                if (!parse_line(line, &item))
                        continue;
                item.owner = strdup(item.owner);
                r = item.owner ? POLICY_ARRAY_APPEND(*owned, *n, item) : -ENOMEM;
                if (r < 0) {
                        free(item.owner);
                        return r;
                }
        }
        return 0;
}

/* All ranges of an owner have the number of the lowest one. */
static int number_users(struct owned *owned, size_t n, struct bus_subuids *subuids) {
        if (n == 0)
                return 0;
        subuids->ranges = calloc(n, sizeof(*subuids->ranges));
        if (!subuids->ranges)
                return -ENOMEM;
        subuids->n = n;
        qsort(owned, n, sizeof(*owned), compare_owned);
        for (size_t i = 0; i < n; i++) {
                bool same = i > 0 && strcmp(owned[i].owner, owned[i - 1].owner) == 0;

                subuids->ranges[i] = owned[i].range;
                subuids->ranges[i].user = same ? subuids->ranges[i - 1].user : owned[i].range.first;
        }
        qsort(subuids->ranges, n, sizeof(*subuids->ranges), compare_ranges);
        return 0;
}

int bus_subuids_read(const char *path, struct bus_subuids *ret_subuids) {
        CLEANUP_FCLOSE FILE *f = fopen(path, "re");
        CLEANUP_FREE struct owned *owned = NULL;
        size_t n = 0;
        int r;

        *ret_subuids = (struct bus_subuids){};
        if (!f)
                return 0;
        r = read_lines(f, &owned, &n);
        if (r >= 0)
                r = number_users(owned, n, ret_subuids);
        for (size_t i = 0; i < n; i++)
                free(owned[i].owner);
        return r;
}

void bus_subuids_clear(struct bus_subuids *subuids) {
        free(subuids->ranges);
        *subuids = (struct bus_subuids){};
}

uint32_t bus_subuids_user(const struct bus_subuids *subuids, uint32_t uid) {
        size_t low = 0, high = subuids->n;

        /* find the last range that does not begin behind uid */
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (subuids->ranges[middle].first <= uid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low > 0 && uid <= subuids->ranges[low - 1].last ? subuids->ranges[low - 1].user
                                                               : uid;
}
