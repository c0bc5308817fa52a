/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* AppArmor, in builds without libapparmor: never asked. */

#include "bridge/lsm/lsm.h"

int lsm_apparmor_new(struct bus *bus, struct loop *loop, struct mediator **ret_mediator,
                     const char **ret_error) {
        return 1;
}
