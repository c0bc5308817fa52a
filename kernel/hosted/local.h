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
