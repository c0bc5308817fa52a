/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pace - how often a user may let the bus start services
 *
 * A start costs more than any message: the bus makes a process, and the program runs on the time of
 * others. So a user may begin PACE_BURST starts at once. After that, each further start begins
 * PACE_INTERVAL after the one before; it is not refused. The user gets a start back in each
 * PACE_INTERVAL. A machine that boots has far fewer services than PACE_BURST.
 */

#include <stdint.h>

#define PACE_BURST 64
#define PACE_INTERVAL (10 * INT64_C(1000000)) /* ns */

/*
 * Count one more start. *due belongs to the user, and is 0 in the beginning: the time at which the
 * user would have all starts of the burst again. Returns when the start may begin, which is now or
 * later (loop_now()).
 */
static inline int64_t pace_start(int64_t *due, int64_t now) {
        int64_t at;

        if (*due < now)
                *due = now;
        at = *due - (PACE_BURST - 1) * PACE_INTERVAL;
        *due += PACE_INTERVAL;
        return at > now ? at : now;
}

/* A start that pace_start() has counted does not begin, or is counted for another user. */
static inline void pace_give_back(int64_t *due) {
        *due -= PACE_INTERVAL;
}
