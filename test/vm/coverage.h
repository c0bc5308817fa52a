/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The places in the module that a program has reached
 *
 * A kernel with KCOV records each place in the module that a thread executes. On other kernels
 * these functions do nothing.
 */

#include <stddef.h>
#include <stdint.h>

struct coverage {
        int fd;
        uint64_t *places;
};

/* Begin to record for the calling thread. */
void coverage_start(struct coverage *coverage);
/*
 * Collect the places that the calling thread has recorded since the last collection. If there are
 * more than the buffer holds, the last ones are lost.
 */
void coverage_collect(struct coverage *coverage);
/* Number of different places that all threads together have collected. */
size_t coverage_count(void);
