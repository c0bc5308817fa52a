/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All attacks: see attack.h. */

#include "test/hostile/attack.h"

const struct attack_group attack_groups[] = {
        {"connect", attacks_connect},
        {"memory", attacks_memory},
        {"flood", attacks_flood},
        {},
};
