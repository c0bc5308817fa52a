/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_CMD_SLICE_H
#define __BUS1_CMD_SLICE_H

/*
 * Slices with received messages (pool.h describes the pool that they are part of)
 *
 * From the end of the receive until the slice is freed, a peer is charged for one message, as it
 * was while the message was queued. It is also charged for the pages that the slice is in.
 */

#include "core.h"

void bus1_recv_keep_slice(struct bus1_recv *recv);
void bus1_peer_free_slice(struct bus1_peer *peer, struct bus1_slice *slice);
void bus1_peer_free_slices(struct bus1_peer *peer, bool end);

#endif /* __BUS1_CMD_SLICE_H */
