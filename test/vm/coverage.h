/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What of the module a program has reached
 *
 * A debug kernel writes down the places where a thread comes through the module (KCOV). On other
 * kernels all of this does nothing.
 */

#include <stddef.h>
#include <stdint.h>

struct coverage {
        int fd;
        uint64_t *places;
};

/* For the calling thread, from now on until it ends. */
void coverage_start(struct coverage *coverage);
/* Take what has been written down so far. Of very many places the last ones are missing. */
void coverage_collect(struct coverage *coverage);
/* How many different places all threads together have collected. */
size_t coverage_count(void);
