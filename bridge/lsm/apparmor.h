/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * AppArmor - the dbus rules of profiles: bind, send, receive, eavesdrop
 *
 * A message needs the permission of two profiles: the sender's must let it send to the receiver,
 * the receiver's must let it receive from the sender. If the receiver is a service that does not
 * run yet, only the sender's profile is asked. A program without a profile (unconfined) may do
 * everything, and the reply to a permitted call needs no permission. A question to the kernel takes
 * system calls, so the mediator keeps the last answers until profiles change.
 */

#include <sys/apparmor.h>

#include "bridge/lsm/lsm.h"

#define APPARMOR_CACHE_SIZE 256
/* The answer to a longer question is not kept. In bytes. */
#define APPARMOR_CACHE_QUERY_MAX 1024

struct apparmor_functions {
        __typeof__(&aa_query_label) query_label;
};

int apparmor_functions_load(struct apparmor_functions *ret_functions, const char **ret_error);
/*
 * On success the mediator owns *audit and fd. fd becomes readable when profiles change; if it is
 * -1, or loop is NULL, no answers are kept. -ENOMEM, errors of loop_add().
 */
int apparmor_new(struct bus *bus, struct loop *loop, const struct apparmor_functions *functions,
                 const struct lsm_audit *audit, int fd, struct mediator **ret_mediator);
