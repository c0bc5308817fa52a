/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Starts - from the first message that wants a service to the owner of its name, or to an error
 *
 * A name has one start at a time, which is found by the name. launch.h has the structure, and
 * start-begin.h tells when a start begins.
 */

#include "bridge/bus/launch.h"

/* Make a start, which fails after service_start_timeout. uid asked for it. -ENOMEM. */
int start_new(struct activation *activation, const char *name, uint32_t uid,
              struct start **ret_start);
/*
 * A bus that takes over from another one (state-starts.h): make a start that no timer ends before
 * start_set_deadline(), or start_wait_for_turn() of start-begin.h. -ENOMEM.
 */
int start_restore(struct activation *activation, const char *name, uint32_t uid,
                  struct start **ret_start);
/* Drop all that wait for the start, and free it. Nobody is told. */
void start_free(struct start *start);
/* Find the start of this name, or NULL. */
struct start *start_find(struct activation *activation, const char *name);
/* From now on, the start has service_start_timeout to succeed. Returns 0 or a negative errno. */
int start_set_timeout(struct start *start);
/* The start has until then (loop_now()). Returns 0 or a negative errno. */
int start_set_deadline(struct start *start, int64_t deadline);
/* It does not begin, or another user pays for it: the payer has one more start (pace.h). */
void start_give_back(struct start *start);
/* Nobody asks systemd for the start any more. */
void start_forget_unit(struct start *start);
/*
 * The start failed: send the error (tell_failure()) to all clients that wait. start is gone
 * afterwards. Returns 0 or a negative errno that is fatal.
 */
int start_fail(struct start *start, const char *error, const char *text);
