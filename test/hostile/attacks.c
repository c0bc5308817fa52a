/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All attacks: see attack.h. */

#include "test/hostile/attack.h"

const struct attack_group attack_groups[] = {
        {"connect", attacks_connect}, {"memory", attacks_memory}, {"driver", attacks_driver},
        {"match", attacks_match},     {"flood", attacks_flood},   {"start", attacks_start},
        {"native", attacks_native},   {"many", attacks_many},     {},
};
