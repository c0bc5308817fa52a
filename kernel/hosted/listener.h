/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Listening sockets
 *
 * Each connection becomes a served peer with the credentials that the kernel has of the client,
 * unless its user has too many peers. When descriptors run out, listening pauses: until a peer
 * goes, or for a tenth of a second, since other parts of the process may free some as well.
 */

#include "kernel/hosted/state.h"

/* Accept again. The loop's timer calls this. */
void hosted_listener_resume_all(struct bus1_domain *domain);
void hosted_listener_free_all(struct bus1_domain *domain);
