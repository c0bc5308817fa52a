/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Security modules - SELinux and AppArmor as mediators, and audit
 *
 * Their libraries are loaded only where the kernel has the module, so that a bus on a machine
 * without pays nothing: it looks at one file for each.
 */

#include "bridge/bus/mediate.h"
#include "bridge/lsm/audit.h"
#include "policy/config.h"

struct loop;

/*
 * Add what is active on this machine, and what the configuration wants, to the bus. What cannot be
 * had though it is active is logged and left out: then the configuration decides whether that will
 * do (policy_unenforced()). -ENOMEM.
 */
int lsm_setup(struct bus *bus, struct loop *loop, const struct bus_config *config);

/* 0, 1 when it is not active, or built, -ENOENT with *ret_error static, -ENOMEM. */
int lsm_selinux_new(struct bus *bus, struct mediator **ret_mediator, const char **ret_error);
int lsm_apparmor_new(struct bus *bus, struct loop *loop, struct mediator **ret_mediator,
                     const char **ret_error);
