/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What clients wait for, in a state document (bridge/state/document.h)
 *
 *      Replies    pending replies, in the order of the calls
 *      Later      a deferred answer of the bus
 *      Docket     messages of a client that wait for a newer policy
 *      Unread     calls that a client which leaves has not read
 *
 * They follow the names of the clients (state-names.h). Starts of services belong to them, too
 * (state-starts.h).
 */

#include "bridge/state/load.h"
#include "bridge/state/save.h"

struct bus;
struct later;

void waiting_save(const struct bus *bus, struct state_save *save);
/*
 * Take over the current record. Nobody is told. Returns 0, 1 if the kind of
 * the record is none of these, or load->error.
 *
 * Deferred answers are appended to *list (owner_next), which is NULL at first. The calling function
 * owns them: later_take() finds those of a kind, which it gives to the code that makes the answers,
 * or ends with later_free().
 */
int waiting_load(struct bus *bus, struct state_load *load, struct later **list);
/*
 * The bus goes on: set the timers, judge messages by the policy in force, and see which programs
 * have ended. Returns 0 or a negative errno that is fatal.
 */
int waiting_wake(struct bus *bus);
