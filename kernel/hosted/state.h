/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * The state of a hosted core
 *
 * A domain is one core: the accounts of its users, and the peers that can exchange messages. Peers
 * in the same process (local.c) use the core by calls. Peers in other processes (served peers) use
 * it by packets on a socket, which the thread that serves reads. The .c files of this folder are
 * on floors, and each floor uses only those below it:
 *
 *	main				the daemon
 *	domain				creation, most of the public functions
 *	local	listener		clients in this process; listening sockets
 *		served			sockets of served peers: a request in, a reply out
 *		command			a checked request becomes a call of the core
 *	payload	user			files and credentials; a user's share of the server's time
 *	ends	loop	ready		clients' ends; the epoll set; descriptors that clients poll
 */

#include <linux/types.h>
#include <stdint.h>

#include "kernel/core/core.h"
#include "kernel/hosted/ends.h"
#include "kernel/hosted/hash.h"
#include "kernel/hosted/loop.h"
#include "kernel/hosted/ready.h"
#include "kernel/hosted/user.h"
#include "libbus1/hosted-protocol.h"

struct hosted_listener;

/* A peer in another process. */
struct hosted_served {
	struct hosted_source source; /* the server's end of its socket */
	struct bus1_domain *domain;
	uint64_t id;
	uint8_t secret[16];
	/* the client's end, if bus1_domain_serve_peer() made the socket pair */
	struct hosted_pair pair;
	struct hosted_user *user;
	struct bus1_peer *peer;
	struct bus1_creds creds;
	struct hosted_ready ready;
	/*
	 * The payload that is being read. It belongs to the message at the front of the queue,
	 * which stays there until this peer receives it, releases something or is reset. This
	 * pointer is no reference: it is only compared.
	 */
	const struct bus1_payload *reading;
	UT_hash_handle hh;
};

struct bus1_domain {
	uint8_t id[16];
	struct bus1_accounts *accounts;
	u64 max_files; /* in flight, of one user: as a receiver, and as a sender */
	struct hosted_ends ends;

	/* All that follows is for the thread that serves. */

	struct hosted_loop loop;
	struct hosted_users users;
	struct hosted_listener *listeners;
	bool listening_paused; /* a listener waits for descriptors or memory to accept with */
	struct hosted_served *served; /* by id */
	uint64_t last_served;

	/* the request and the reply under way */
	union {
		struct bus1_hosted_request header;
		uint8_t bytes[BUS1_HOSTED_PACKET_MAX];
	} request;
	union {
		struct bus1_hosted_reply header;
		uint8_t bytes[sizeof(struct bus1_hosted_reply) +
			      2 * BUS1_MAX_TRANSFERS * sizeof(struct bus1_transfer) +
			      BUS1_MAX_DESTINATIONS * sizeof(s32)];
	} reply;
};

static inline struct hosted_served *hosted_served_find(struct bus1_domain *domain, uint64_t id)
{
	struct hosted_served *served;

	HASH_FIND(hh, domain->served, &id, sizeof(id), served);
	return served;
}
