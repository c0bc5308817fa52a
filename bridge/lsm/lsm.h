/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Security modules - SELinux and AppArmor as mediators, and audit
 *
 * When the bus starts, it looks for one file for each module that is not disabled, and loads the
 * library of a module only if the kernel has the module.
 */

#include "bridge/bus/mediate.h"
#include "bridge/lsm/audit.h"
#include "policy/config.h"

struct loop;

/*
 * Add to the bus each module that is active on this machine; AppArmor only if the configuration
 * does not disable it. If an active module cannot be used, this logs it and goes on; the
 * configuration decides whether the bus may run without it (policy_unenforced()). -ENOMEM.
 */
int lsm_setup(struct bus *bus, struct loop *loop, const struct bus_config *config);

/*
 * Make the mediator of a module. Returns 0, 1 if the module is not active, -ENOENT with a text in
 * *ret_error (not to be freed) if it cannot be used, or -ENOMEM.
 */
int lsm_selinux_new(struct bus *bus, struct mediator **ret_mediator, const char **ret_error);
int lsm_apparmor_new(struct bus *bus, struct loop *loop, struct mediator **ret_mediator,
                     const char **ret_error);
