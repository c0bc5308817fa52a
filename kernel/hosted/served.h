/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Peers in other processes
 *
 * The server has one end of a SOCK_SEQPACKET socket for each served peer. The client sends one
 * request packet for each command, and gets one reply packet. Nothing here waits for a client. A
 * client that breaks the protocol, or does not read its replies, is dropped.
 */

#include <sys/socket.h>

#include "kernel/hosted/frozen.h"
#include "kernel/hosted/state.h"

/*
 * Serve a peer. On success the peer owns fd and the reference to user. If fd is one end of a socket
 * pair of the domain, cookie is the kernel's cookie of the client's end, else 0.
 */
int hosted_served_new(struct bus1_domain *domain, int fd, uint64_t cookie,
		      const struct ucred *ucred, struct hosted_user *user,
		      struct hosted_served **ret_served);
/* Disconnect the peer, close its socket, and free it. */
void hosted_served_free(struct hosted_served *served);

/*
 * Serve a peer that exists, but do not read its socket yet: the peer is not in the loop. On success
 * it owns the references to the peer and the user, and the descriptors, as hosted_served_new(). The
 * caller has checked the structure, apart from what the peer reads.
 */
int hosted_served_thaw(struct bus1_domain *domain, const struct hosted_frozen_served *frozen,
		       struct bus1_peer *peer, struct hosted_user *user,
		       struct hosted_served **ret_served);
