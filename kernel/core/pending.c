// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of commands that are under way
 *
 * A front end allocates memory for the arguments of a command, and copies them from its user. The
 * user decides how long the copy takes, and no receiver is charged before it has ended. So this
 * memory is charged to the peer that runs the command, before it is allocated and until the command
 * ends.
 *
 * The limit is that of BUS1_RESOURCE_BYTES. But what is pending and what is queued do not count
 * together: those who fill the queues of a user must not keep that user from sending. As with other
 * resources, a peer never has more than its account has left, and the users of a namespace divide
 * what its owner has left. So a peer whose commands never end leaves room for the other peers of
 * its user, and a user of a namespace leaves room for its other users and for its owner.
 */

#include "peer.h"

/* The part of the memory that is charged. */
static u64 bus1_command_charge(size_t n_bytes)
{
	return n_bytes > BUS1_COMMAND_FREE ? n_bytes - BUS1_COMMAND_FREE : 0;
}

static void bus1_pending_add(struct bus1_usage *usage, s64 n)
{
	const struct bus1_account *account = usage->account;
	size_t level;

	for (level = 0; level < account->depth; level++)
		atomic64_add(n, &account->path[level]->pending);
	atomic64_add(n, &usage->pending);
}

/* Whether a peer that was charged exceeds no limit. */
static bool bus1_pending_fits(const struct bus1_usage *usage)
{
	const struct bus1_account *account = usage->account;
	u64 left = account->accounts->limits.max[BUS1_RESOURCE_BYTES];
	size_t level;

	for (level = 0; level < account->depth; level++) {
		const struct bus1_account *outer = account->path[level];
		u64 used = atomic64_read(&outer->pending);

		if (used > left)
			return false;
		left -= used;
		if (level + 1 < account->depth)
			left = bus1_divide(left, READ_ONCE(outer->n_inner));
	}
	return (u64)atomic64_read(&usage->pending) <= left;
}

int bus1_peer_begin_command(struct bus1_peer *peer, size_t n_bytes)
{
	u64 n = bus1_command_charge(n_bytes);

	if (n == 0)
		return 0;
	bus1_pending_add(&peer->usage, n);
	if (bus1_pending_fits(&peer->usage))
		return 0;
	bus1_pending_add(&peer->usage, -(s64)n);
	return -EDQUOT;
}

void bus1_peer_end_command(struct bus1_peer *peer, size_t n_bytes)
{
	u64 n = bus1_command_charge(n_bytes);

	if (n > 0)
		bus1_pending_add(&peer->usage, -(s64)n);
}
