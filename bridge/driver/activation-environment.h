/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The variables of UpdateActivationEnvironment: what services started later get besides the bus's
 * own. */

#include "bridge/bus/bus.h"

struct activation_variable {
        char *key;
        char *value;
        UT_hash_handle hh;
};

void activation_environment_free(struct bus *bus);
