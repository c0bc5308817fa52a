/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Unit state - what systemd says about a unit that the bus has asked it to start
 *
 * systemd describes a unit by properties (org.freedesktop.systemd1(5)). From those that are read
 * here follows whether the unit can still take its bus name, and, if not, the reason:
 *
 *      has a job                                      it can: it waits, starts or stops
 *      activating, deactivating, reloading, active    it can; a unit that systemd will restart
 *                                                     after a while is activating, too
 *      active, exited                                 it is over: it did what it had to do
 *      inactive, failed                               it is over
 *
 * A text of systemd is kept only as far as it fits. All texts that are compared here are short.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/bus/launch.h"
#include "bridge/wire/reader.h"

struct unit_state {
        char load[24];   /* LoadState */
        char active[24]; /* ActiveState */
        char sub[24];    /* SubState */
        bool has_job;
};

/* How the last start of a unit ended. */
struct unit_end {
        bool condition_failed; /* a Condition...= did not hold */
        bool assert_failed;    /* the same for an Assert...= */
        char result[24];       /* Result of a service; "success" or "" if nothing is known */
        int32_t code;          /* ExecMainCode: CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0: unknown */
        int32_t status;        /* ExecMainStatus: exit status or signal */
};

/*
 * Read properties, an a{sv}, that begin at reader. Only those that are there, and have the type
 * that systemd documents, change *state and *end. Either may be NULL.
 */
void unit_state_read(struct reader *reader, struct unit_state *state, struct unit_end *end);

/* Is it sure that the unit will not take a bus name any more, unless it is started again? */
bool unit_state_is_over(const struct unit_state *state);

/* Has the service ended by a failure? */
bool unit_end_is_failure(const struct unit_end *end);
/* Has the main process of the service ended with an exit status other than 0? */
bool unit_end_is_exit(const struct unit_end *end);

/*
 * Why has the unit not taken its name? job_result is the result of the last job of the unit that
 * systemd told, or "". unit is the name of the unit.
 */
void unit_state_explain(const struct unit_state *state, const struct unit_end *end,
                        const char *job_result, const char *unit,
                        struct launch_failure *ret_failure);
