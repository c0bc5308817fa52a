/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Beginning a start - now, or when it is the turn of the user who wants it (pace.h)
 *
 * The functions return 0, 1 with the reason in *ret_failure, or a negative errno that is fatal.
 */

#include "bridge/bus/launch.h"

/* Begin the start now, or when the user of the client may begin one more. */
int start_begin(struct start *start, const struct service *service, struct client *client,
                struct launch_failure *ret_failure);
/*
 * The start, for which pace_start() has counted the account of the payer, begins at this time
 * (loop_now()).
 */
int start_wait_for_turn(struct start *start, uint32_t payer, int64_t at);
/* Another user wants a start that has to wait for its turn: does this user's come sooner? */
int start_begin_sooner(struct start *start, struct client *client);
/* systemd cannot use the template unit for it: start the service without the template. */
int start_begin_without_template(struct start *start, struct launch_failure *ret_failure);
