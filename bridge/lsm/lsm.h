/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Security modules - SELinux and AppArmor as mediators, and audit
 *
 * The library of a module is loaded only if the kernel has the module. Elsewhere the bus just looks
 * at one file for each module when it starts.
 */

#include "bridge/bus/mediate.h"
#include "bridge/lsm/audit.h"
#include "policy/config.h"

struct loop;

/*
 * Add the modules that are active on this machine, and that the configuration does not disable, to
 * the bus. A module that is active but not usable is logged and left out; the configuration decides
 * whether the bus may run without it (policy_unenforced()). -ENOMEM.
 */
int lsm_setup(struct bus *bus, struct loop *loop, const struct bus_config *config);

/* Returns 1 if the module is not active or not built. -ENOENT with a static *ret_error, -ENOMEM. */
int lsm_selinux_new(struct bus *bus, struct mediator **ret_mediator, const char **ret_error);
int lsm_apparmor_new(struct bus *bus, struct loop *loop, struct mediator **ret_mediator,
                     const char **ret_error);
