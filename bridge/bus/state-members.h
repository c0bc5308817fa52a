/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The state of the bus and of its members, in a state document (bridge/state/document.h)
 *
 *      Bus         what is neither of a client nor of a user
 *      Variable    one variable of the environment of services
 *      Account     what a user has used up
 */

#include "bridge/state/load.h"
#include "bridge/state/save.h"

struct bus;

void members_save(const struct bus *bus, struct state_save *save);
/*
 * Take over the current record. The bus has its configuration. Returns 0, 1 if the kind of the
 * record is none of these, or load->error.
 */
int members_load(struct bus *bus, struct state_load *load);
/* The document has been read: accounts that nobody uses become idle again. */
void members_loaded(struct bus *bus, struct state_load *load);
