/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The places in the module that a program has reached
 *
 * A debug kernel records each place in the module that a thread executes (KCOV). On other kernels
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
/* Collect the recorded places. If there were more than the buffer holds, the last ones are lost. */
void coverage_collect(struct coverage *coverage);
/* Number of different places that all threads together have collected. */
size_t coverage_count(void);
