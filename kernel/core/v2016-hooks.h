/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_V2016_HOOKS_H
#define __BUS1_V2016_HOOKS_H

/*
 * The points where the functions of core.h meet peers of 2016
 *
 * Both generations share peers, nodes, handles and queues, and handles can be transferred between
 * them. Only three functions of core.h and inspect.h treat a peer of 2016 differently: the transfer
 * of a handle to it, its disconnection, and bus1_inspect_object(). They call the functions below
 * only if bus1_peer_is_2016().
 *
 * Without BUS1_2016 there are no such peers. The functions do not exist then, and the compiler
 * removes the calls with their branches.
 */

#include "peer.h"

struct bus1_handle;
struct bus1_node;
struct bus1_object_info;
struct bus1_tx;
struct bus1_v2016_id;

static inline bool bus1_peer_is_2016(const struct bus1_peer *peer)
{
#ifdef BUS1_2016
	return peer->v2016;
#else
	return false;
#endif
}

int bus1_v2016_reserve(struct bus1_peer *peer, struct bus1_node *node,
		       struct bus1_v2016_id **ret_named);
void bus1_v2016_unreserve(struct bus1_peer *peer, struct bus1_v2016_id *named);
u64 bus1_v2016_install(struct bus1_v2016_id *named, struct bus1_handle *handle, struct bus1_tx *tx);
void bus1_v2016_disconnect(struct bus1_peer *peer, struct bus1_tx *tx);
bool bus1_v2016_inspect(const struct bus1_peer *peer, u64 first, struct bus1_object_info *ret_info);

#endif /* __BUS1_V2016_HOOKS_H */
