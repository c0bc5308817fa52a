/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_CMD_SLICE_H
#define __BUS1_CMD_SLICE_H

/*
 * Slices with received messages (pool.h describes the pool that they are part of)
 *
 * A peer is charged for a slice from the end of the receive until the slice is freed.
 */

#include "core.h"

void bus1_recv_keep_slice(struct bus1_recv *recv);
void bus1_peer_free_slice(struct bus1_peer *peer, struct bus1_slice *slice);
void bus1_peer_free_slices(struct bus1_peer *peer);

#endif /* __BUS1_CMD_SLICE_H */
