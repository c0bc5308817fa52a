/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The measuring form
 *
 * What an attack costs the victim, against what as many burners cost it, which use the CPUs but not
 * the bus. A round has burners, the attack, and burners again, on each bus in turn. The two runs of
 * the burners tell what the machine can resolve.
 */

#include "test/hostile/stage.h"

#define MEASURE_ROUNDS_MAX 101

void measure_print_head(void);
/* Print a line for each bus that has a binary, and that understands the attack. */
void measure_run(const struct stage *stage, const struct attack *attack, unsigned n_rounds);
/* How many lines met the targets, and how many lines there were, all about the bridge. */
void measure_print_sum(void);
