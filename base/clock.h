/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The clock of timers and deadlines: CLOCK_MONOTONIC, in nanoseconds. */

#include <stdint.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

static inline uint64_t now_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}
