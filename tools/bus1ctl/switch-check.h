/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Checks before a switch - would the next bus start, and would it do what the present one does?
 *
 * The functions print each problem that they find as an error, and what is only worth knowing as a
 * line "note: ..." on standard output. They return 0, STATUS_NO if there is a problem, or
 * STATUS_FAILED.
 */

#include <stdbool.h>

#include "tools/bus1ctl/place.h"

/* The units, the configuration, and the programs that bus1-bridge needs. */
int switch_check_bridge(const struct place *place, bool force);
/* The unit that becomes the bus if bus1-bridge gives the place back. */
int switch_check_before(const struct place *place, bool force);
