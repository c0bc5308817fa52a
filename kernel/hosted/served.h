/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Peers in other processes
 *
 * The server has one end of a SOCK_SEQPACKET socket for each served peer. The client sends one
 * request packet for each command, and gets one reply packet. Nothing here blocks: a client that
 * breaks the protocol, or that leaves its replies in the socket until there is no room, is dropped.
 */

#include <sys/socket.h>

#include "kernel/hosted/state.h"

/*
 * Serve a peer. On success the peer owns fd and the reference to user. If the socket pair was made
 * here, cookie is the kernel's cookie of the client's end, else 0.
 */
int hosted_served_new(struct bus1_domain *domain, int fd, uint64_t cookie,
		      const struct ucred *ucred, struct hosted_user *user,
		      struct hosted_served **ret_served);
/* Disconnect the peer and close its socket. */
void hosted_served_free(struct hosted_served *served);
