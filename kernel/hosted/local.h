/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Peers in this process
 *
 * This is a transport of libbus1 that calls the core directly. It duplicates descriptors on their
 * way in and out. Any number of threads may use one peer.
 */

#include <bus1/transport.h>

#include "kernel/hosted/state.h"

/* Get the core's peer of a client. Returns NULL unless the domain made the client. */
struct bus1_peer *hosted_local_peer(struct bus1_domain *domain, struct bus1_client *client);
/* Get what says whether the client's queue is readable. Returns NULL in the same cases. */
struct hosted_ready *hosted_local_ready(struct bus1_domain *domain, struct bus1_client *client);

/*
 * Make a client for a peer that exists. The client's descriptor is not readable, and the core does
 * not know ret_ready yet. On success the client owns the reference to the peer. Returns 0 or a
 * negative errno.
 */
int hosted_local_thaw(struct bus1_domain *domain, struct bus1_peer *peer,
		      struct hosted_ready **ret_ready, struct bus1_client **ret_client);
