// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of commands that are under way
 *
 * A front end allocates memory for the arguments of a command, and copies them from its user. The
 * user decides how long the copy takes, and no receiver is charged before the copy has ended. So
 * this memory, except for the first BUS1_COMMAND_FREE bytes, is charged to the peer that runs the
 * command, until the command ends.
 *
 * The limit is that of BUS1_RESOURCE_BYTES. But what is pending and what is queued do not count
 * together: those who fill the queues of a user must not keep that user from sending. As with other
 * resources, a peer can get more only while it has less than its account has left, and the users of
 * a namespace divide what the owner of the namespace has left. So a peer whose commands never end
 * leaves room for the other peers of its user, and a user in a namespace leaves room for the other
 * users of the namespace and for its owner.
 */

#include "peer.h"

/* The number of bytes that are charged for a command that needs @n_bytes. */
static u64 bus1_command_charge(size_t n_bytes)
{
	return n_bytes > BUS1_COMMAND_FREE ? n_bytes - BUS1_COMMAND_FREE : 0;
}

int bus1_peer_begin_command(struct bus1_peer *peer, size_t n_bytes)
{
	u64 n = bus1_command_charge(n_bytes);

	return n == 0 || bus1_charge_pending(&peer->usage, n) ? 0 : -EDQUOT;
}

void bus1_peer_end_command(struct bus1_peer *peer, size_t n_bytes)
{
	u64 n = bus1_command_charge(n_bytes);

	if (n > 0)
		bus1_uncharge_pending(&peer->usage, n);
}
