/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the bus asks systemd, in a state document (bridge/state/document.h)
 *
 *      Units    whom the bus asks
 *      Unit     a unit that it watches
 *
 * Questions are kept as they are: systemd answers the next bus.
 */

#include "bridge/state/load.h"
#include "bridge/state/save.h"

struct unit_watches;

void units_save(const struct unit_watches *watches, struct state_save *save);
/*
 * Take over the current record. No unit has a start before the records of starts (state-starts.h).
 * Returns 0, 1 if the kind of the record is none of these, or load->error.
 */
int units_load(struct unit_watches *watches, struct state_load *load);
/* A start waits for this unit. False if no record has it. */
bool units_load_start(struct unit_watches *watches, const char *unit);
