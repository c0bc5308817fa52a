/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What clients wait for, in a state document (bridge/state/document.h)
 *
 *      Replies    pending replies, in the order of the calls
 *      Later      a deferred answer of the bus
 *
 * They follow the names of the clients (state-names.h).
 */

#include "bridge/state/load.h"
#include "bridge/state/save.h"

struct bus;
struct later;

void waiting_save(const struct bus *bus, struct state_save *save);
/*
 * Take over the current record. Nobody is told, and no timer is set. Returns 0, 1 if the kind of
 * the record is none of these, or load->error.
 *
 * Deferred answers are appended to *list (owner_next), which is NULL at first. The calling function
 * owns them: later_take() finds those of a kind, which it gives to the code that makes the answers,
 * or ends with later_free().
 */
int waiting_load(struct bus *bus, struct state_load *load, struct later **list);
/* The bus goes on: set the timers. */
void waiting_wake(struct bus *bus);
