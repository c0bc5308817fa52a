/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Users
 *
 * This file counts the peers of one user, because they take descriptors of the server, and limits
 * the time of the server that all peers of the user take together. Most requests are quick. But a
 * request can name as much data, or as many handles, as the core takes, or release all that a peer
 * has. In the kernel that costs only the caller; here it keeps everybody waiting. So after a
 * request that took more than 5 ms, the server pauses the user for at least as long as the request
 * took: it reads no requests of any peer of that user. After a shorter request there is no pause.
 * The server then only takes turns: in one turn of the loop it handles at most one request of each
 * peer.
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

/*
 * Add the source of a peer's socket, after hosted_loop_add(). The source is muted while the user is
 * paused.
 */
void hosted_user_add_source(struct hosted_users *users, struct hosted_user *user,
			    struct hosted_source *source);
void hosted_user_remove_source(struct hosted_user *user, struct hosted_source *source);

/* Pause the user if a request of its peer took too long: nsec is the time that it took. */
void hosted_user_spend(struct hosted_users *users, struct hosted_user *user, uint64_t nsec);
/* End the pauses that are over. The loop's timer calls this. */
void hosted_user_resume_all(struct hosted_users *users);
