/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * AppArmor - profiles' dbus rules: bind, send, receive, eavesdrop
 *
 * Both ends of a message are asked about, each as the other's peer; who is not confined may do
 * everything. The answer to a call that was let through is let through. Asking takes system calls,
 * so the last answers are kept until profiles change.
 */

#include <sys/apparmor.h>

#include "bridge/lsm/lsm.h"

#define APPARMOR_CACHE_SIZE 256
/* Longer questions are not kept. */
#define APPARMOR_CACHE_QUERY_MAX 1024

struct apparmor_functions {
        __typeof__(&aa_query_label) query_label;
};

int apparmor_functions_load(struct apparmor_functions *ret_functions, const char **ret_error);
/*
 * Takes audit, and fd, which is readable when profiles change; without one, -1, or without loop
 * nothing is kept. -ENOMEM, or as loop_add().
 */
int apparmor_new(struct bus *bus, struct loop *loop, const struct apparmor_functions *functions,
                 const struct lsm_audit *audit, int fd, struct mediator **ret_mediator);
