// SPDX-License-Identifier: GPL-2.0-only
/*
 * The query command: version, features, limits and usage
 */

#include <linux/atomic.h>
#include "peer.h"

int bus1_peer_query(struct bus1_peer *peer, struct bus1_cmd_query *query)
{
	int r;

	if (query->flags != 0)
		return -EINVAL;

	r = bus1_peer_lock(peer);
	if (r < 0)
		return r;
	*query = (struct bus1_cmd_query){
		.version = BUS1_VERSION,
		.features = BUS1_FEATURE_FDS | BUS1_FEATURE_CREDENTIALS | BUS1_FEATURE_ONESHOT |
			    BUS1_FEATURE_CONTINUE | BUS1_FEATURE_PEEK | BUS1_FEATURE_RESET |
			    BUS1_FEATURE_SECCTX | BUS1_FEATURE_DISCARD,
		.max_data = BUS1_MAX_DATA,
		.max_transfers = BUS1_MAX_TRANSFERS,
		.max_fds = BUS1_MAX_FILES,
		.max_destinations = BUS1_MAX_DESTINATIONS,
		.n_nodes = peer->n_nodes,
		.n_handles = peer->n_handles,
		.n_messages = bus1_queue_count(&peer->queue),
		.n_bytes = READ_ONCE(peer->usage.used[BUS1_RESOURCE_BYTES]),
		.n_fds = READ_ONCE(peer->usage.used[BUS1_RESOURCE_FILES]),
	};
	mutex_unlock(&peer->lock);
	return 0;
}
