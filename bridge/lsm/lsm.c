/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/lsm/lsm.h"

#include <errno.h>

#include "bridge/base/log.h"
#include "bridge/bus/bus.h"

/*
 * r is the result of lsm_*_new(). If it is 0, add the mediator; if it is -ENOENT, log why the
 * module cannot be asked.
 */
static int add(struct bus *bus, const char *name, int r, struct mediator *mediator,
               const char *error) {
        if (r == 0)
                mediate_add(bus, mediator);
        else if (r == -ENOENT)
                log_write(bus->log, LOG_LEVEL_WARNING,
                          "%s is active, but cannot be asked, so it does not restrict this bus: %s",
                          name, error);
        return r == -ENOMEM ? r : 0;
}

int lsm_setup(struct bus *bus, struct loop *loop, const struct bus_config *config) {
        struct mediator *mediator = NULL;
        const char *error = "";
        int r;

        if (LSM_SELINUX && bus->selinux) {
                r = lsm_selinux_new(bus, &mediator, &error);
                r = add(bus, "SELinux", r, mediator, error);
                if (r < 0)
                        return r;
        }
        if (!LSM_APPARMOR || config->apparmor == BUS_APPARMOR_DISABLED)
                return 0;
        r = lsm_apparmor_new(bus, loop, &mediator, &error);
        return add(bus, "AppArmor", r, mediator, error);
}
