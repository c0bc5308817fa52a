/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A choice that nobody can foresee */

#include <stdint.h>
#include <sys/random.h>

#include "base/clock.h"

/* An index below n, which is small. It costs a system call. */
static inline size_t pick(size_t n) {
        uint32_t v;

        /* The clock is the last resort: it may tick in steps, which then never choose some. */
        if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v))
                v = (uint32_t)(now_ns() / 64);
        return v % n;
}
