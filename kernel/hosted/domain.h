/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* Functions for the daemon that <bus1/hosted.h> does not have. */

#include <bus1/hosted.h>
#include <signal.h>

/*
 * Like bus1_domain_dispatch(), for a process that does nothing else: wait with the signal mask
 * until there is something to do, and do it. Returns -EINTR after a signal.
 */
int hosted_domain_wait(struct bus1_domain *domain, const sigset_t *sigmask);
