/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Starts of services in a state document (bridge/state/document.h)
 *
 *      Start    a start that is under way or waits for its turn, and the messages that wait for it
 *      Child    a program that the bus has started, and that has not been reaped
 *
 * They follow the names of the clients (state-names.h).
 */

#include "bridge/state/load.h"
#include "bridge/state/save.h"

struct activation;

/* NULL: the bus starts no services. */
void starts_save(const struct activation *activation, struct state_save *save);
/*
 * Take over the current record. activation is NULL if this bus starts no services. Timers are set,
 * with the deadlines of before. Returns 0, 1 if the kind of the record is none of these, or
 * load->error.
 */
int starts_load(struct activation *activation, struct state_load *load);
/* The bus goes on: programs may have ended meanwhile. Returns 0 or a negative errno. */
int starts_wake(struct activation *activation);
