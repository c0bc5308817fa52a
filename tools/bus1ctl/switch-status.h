/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The state of a switch - which bus is configured, and which one runs now */

#include "tools/bus1ctl/place.h"

/*
 * Print which bus is configured in the tree below root and, if root is "", which buses run now.
 * Returns 0 or an exit status.
 */
int switch_print_status(const char *root);
