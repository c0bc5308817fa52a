/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The functional form - a quick test of the bridge, which does not look at times
 *
 * Under each attack, the victim must get an answer to all of its calls, and a new connection at the
 * end. The bus must live, and hold no more memory and descriptors than the attack allows.
 */

#include <stdbool.h>

#include "test/hostile/stage.h"

#define FUNCTIONAL_PATIENCE 10.0 /* seconds after which no answer is no answer */

/* Print a line about the attack. Returns whether everything was as it must be. */
bool functional_run(const struct stage *stage, enum bus_kind kind, const struct attack *attack);
