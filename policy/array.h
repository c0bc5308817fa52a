/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Growing arrays - a pointer and a count
 *
 * utarray is not used because it cannot report that memory ran out. The capacity is not stored: it
 * is the count, rounded up to a power of two.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * Make room for one more element after n elements of this size. On failure *array is unchanged.
 * Returns 0 or -ENOMEM.
 */
static inline int policy_array_grow(void **array, size_t n, size_t size) {
        void *p;

        if (n & (n - 1))
                return 0;
        if (n > (size_t)-1 / 2 / size)
                return -ENOMEM;
        p = realloc(*array, (n ? 2 * n : 1) * size);
        if (!p)
                return -ENOMEM;
        *array = p;
        return 0;
}

/* Append item to an array of n elements, and increment n. Returns 0 or -ENOMEM. */
#define POLICY_ARRAY_APPEND(array, n, item)                                      \
        ({                                                                       \
                void *grown_ = (array);                                          \
                int grow_r_ = policy_array_grow(&grown_, (n), sizeof(*(array))); \
                (array) = grown_;                                                \
                if (!grow_r_)                                                    \
                        (array)[(n)++] = (item);                                 \
                grow_r_;                                                         \
        })

/*
 * Append an allocated text, which the array takes over. On failure the text is freed. Returns 0, or
 * -ENOMEM, also if text is NULL.
 */
static inline int policy_append_text(char ***array, size_t *n, char *text) {
        int r = text ? POLICY_ARRAY_APPEND(*array, *n, text) : -ENOMEM;

        if (r < 0)
                free(text);
        return r;
}

static inline int policy_append_copy(char ***array, size_t *n, const char *text) {
        return policy_append_text(array, n, strdup(text));
}
