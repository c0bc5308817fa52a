/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SELinux - the permissions acquire_svc (own a name) and send_msg (send) of the class dbus
 *
 * The library keeps verdicts until the policy in the kernel changes.
 */

#include <selinux/selinux.h>

#include "bridge/lsm/lsm.h"

struct selinux_functions {
        __typeof__(&is_selinux_enabled) is_enabled;
        __typeof__(&selinux_check_access) check_access;
        __typeof__(&selinux_set_callback) set_callback;
};

/* Load libselinux. Returns 0, or -ENOENT with a text in *ret_error (not to be freed). */
int selinux_functions_load(struct selinux_functions *ret_functions, const char **ret_error);
/* On success the mediator owns *audit. Only one mediator can exist at a time. -ENOMEM. */
int selinux_new(struct bus *bus, const struct selinux_functions *functions,
                const struct lsm_audit *audit, struct mediator **ret_mediator);
