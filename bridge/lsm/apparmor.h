/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * AppArmor - the dbus rules of profiles: bind, send, receive, eavesdrop
 *
 * A message needs the permission of both profiles: the sender's to send to the receiver, the
 * receiver's to receive from the sender. A program that is not confined may do everything, and the
 * answer to a permitted call is permitted. Asking the kernel takes system calls, so the last
 * answers are kept until profiles change.
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
 * Takes audit and fd. fd is readable when profiles change; without it (-1), or without a loop, no
 * answers are kept. -ENOMEM, errors of loop_add().
 */
int apparmor_new(struct bus *bus, struct loop *loop, const struct apparmor_functions *functions,
                 const struct lsm_audit *audit, int fd, struct mediator **ret_mediator);
