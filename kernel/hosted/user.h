/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Users
 *
 * This file limits the peers of one user, which take descriptors of the server, and the time of the
 * server that all peers of the user take together.
 * A request that fits into a packet is quick. But a request can name as much data, or as many
 * handles, as the core takes. In the kernel that costs only the caller; here it keeps everybody
 * waiting. So after a request that took more than 5 ms, the server pauses the user for as long as
 * the request took: it reads no requests of any peer of that user. Shorter requests cause no pause.
 * There the server only takes turns: each peer gets one request handled in each turn.
 *
 * All functions are for the thread that serves.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/hosted/hash.h"
#include "kernel/hosted/loop.h"

struct hosted_user {
	uid_t uid;
	size_t n_peers;		       /* references */
	uint64_t paused_until;	       /* CLOCK_MONOTONIC, in nanoseconds; 0: not paused */
	struct hosted_source *sources; /* the sources of its peers' sockets */
	UT_hash_handle hh;
};

struct hosted_users {
	struct hosted_loop *loop;
	struct hosted_user *by_uid;
};

/* CLOCK_MONOTONIC, in nanoseconds */
uint64_t hosted_now(void);

/*
 * Get a user, and count another peer of it. Returns 0; -EUSERS if the user has max_peers already;
 * -ENOMEM.
 */
int hosted_user_ref(struct hosted_users *users, uid_t uid, size_t max_peers,
		    struct hosted_user **ret_user);
void hosted_user_unref(struct hosted_users *users, struct hosted_user *user);

/* Add the socket of a peer, which is in the loop already. It is muted while the user is paused. */
void hosted_user_add_source(struct hosted_users *users, struct hosted_user *user,
			    struct hosted_source *source);
void hosted_user_remove_source(struct hosted_user *user, struct hosted_source *source);

/* Charge the user for the time that a request of its peer took. */
void hosted_user_spend(struct hosted_users *users, struct hosted_user *user, uint64_t nsec);
/* End the pauses that are over. The loop's timer calls this. */
void hosted_user_resume_all(struct hosted_users *users);
