/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SELinux - class dbus: acquire_svc for names, send_msg for messages
 *
 * The library caches verdicts, and notices when the policy of the kernel changes.
 */

#include <selinux/selinux.h>

#include "bridge/lsm/lsm.h"

struct selinux_functions {
        __typeof__(&is_selinux_enabled) is_enabled;
        __typeof__(&selinux_check_access) check_access;
        __typeof__(&selinux_set_callback) set_callback;
};

/* -ENOENT with *ret_error static. */
int selinux_functions_load(struct selinux_functions *ret_functions, const char **ret_error);
/* Takes audit. There can be one at a time: the library's callbacks have no userdata. -ENOMEM. */
int selinux_new(struct bus *bus, const struct selinux_functions *functions,
                const struct lsm_audit *audit, struct mediator **ret_mediator);
