/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Clocks, in nanoseconds. */

#include <stdint.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

static inline uint64_t clock_ns(clockid_t clock) {
        struct timespec t;

        clock_gettime(clock, &t);
        return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The clock of timers and deadlines. */
static inline uint64_t now_ns(void) {
        return clock_ns(CLOCK_MONOTONIC);
}

/* The CPU time of the calling thread. */
static inline uint64_t thread_cpu_ns(void) {
        return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
