/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Listening sockets
 *
 * Each connection becomes a served peer, unless its user has too many peers or something fails. The
 * peer gets the credentials that the kernel has recorded of the client. When descriptors or memory
 * run out, listening pauses until a peer goes or the timer of the loop expires, usually after a
 * tenth of a second: other parts of the process may free descriptors, too.
 */

#include "kernel/hosted/state.h"

/* Let the listeners that pause accept again. The loop's timer calls this. */
void hosted_listener_resume_all(struct bus1_domain *domain);
void hosted_listener_free_all(struct bus1_domain *domain);
